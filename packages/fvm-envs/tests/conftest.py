import importlib.util
from collections import defaultdict

import pytest
from fvm_envs.atari import env as atari_env

NEEDS = {
    "procgen": ("procgen", "Procgen's wheel"),
    "atari": ("ale_py", "ale-py"),
    "manipulation": ("mujoco", "MuJoCo"),
    "coppeliasim": ("rlbench", "RLBench with PyRep and CoppeliaSim"),
}


def pytest_configure(config):
    for marker, (_, what) in NEEDS.items():
        config.addinivalue_line("markers", f"{marker}: needs {what}")


def pytest_runtest_setup(item):
    for marker, (module, what) in NEEDS.items():
        if item.get_closest_marker(marker) and importlib.util.find_spec(module) is None:
            pytest.skip(f"{what} is not installed here")


@pytest.fixture(scope="session")
def idle_natives():
    return defaultdict(list)


@pytest.fixture(autouse=True)
def recycled_natives(monkeypatch, idle_natives):
    """Lends games that earlier tests have played: making one takes a tenth of a second."""
    make, lent = atari_env.make_native, []

    def lend(game, **options):
        key = (game, *sorted(options.items()))
        native = idle_natives[key].pop() if idle_natives[key] else make(game, **options)
        lent.append((key, native))
        return native

    monkeypatch.setattr(atari_env, "make_native", lend)
    yield
    for key, native in lent:
        idle_natives[key].append(native)
