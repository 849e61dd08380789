import importlib.util
import json
from collections import defaultdict

import numpy as np
import pytest
from fvm_envs.atari import env as atari_env
from fvm_envs.procgen.native import data_folder

NEEDS = {
    "procgen": "Procgen's library",
    "atari": "ale-py",
    "manipulation": "MuJoCo",
    "coppeliasim": "RLBench with PyRep and CoppeliaSim",
}
MODULES = {"atari": "ale_py", "manipulation": "mujoco", "coppeliasim": "rlbench"}


def is_here(marker):
    if marker != "procgen":
        return importlib.util.find_spec(MODULES[marker]) is not None
    try:
        return data_folder().is_dir()
    except ImportError:
        return False


def pytest_configure(config):
    for marker, what in NEEDS.items():
        config.addinivalue_line("markers", f"{marker}: needs {what}")


def pytest_runtest_setup(item):
    for marker, what in NEEDS.items():
        if item.get_closest_marker(marker) and not is_here(marker):
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


def filed(state):
    """What a file gives back of a state: sorted keys, lists for tuples, JSON beside arrays."""
    if isinstance(state, dict):
        assert all(isinstance(key, str) for key in state)
        return {key: filed(state[key]) for key in sorted(state)}
    if isinstance(state, list | tuple):
        return [filed(part) for part in state]
    if isinstance(state, np.ndarray):
        assert state.dtype.kind in "biuf"
        return state.copy()
    return json.loads(json.dumps(state))


@pytest.fixture(scope="session", name="filed")
def filed_fixture():
    return filed
