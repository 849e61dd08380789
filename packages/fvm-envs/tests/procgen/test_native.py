"""The binding, and what it takes for granted about Procgen's library."""

import struct
import subprocess
import sys

import numpy as np
import pytest
from fvm_envs import make_vec
from fvm_envs.procgen import native
from fvm_envs.procgen.games import GAMES, NATIVE_MODE, modes_of
from fvm_envs.procgen.levels import LevelGenerator, native_options
from fvm_envs.procgen.native import NativeEnv

TIMEOUTS = {"bigfish": 6000, "bossfight": 4000, "plunder": 4000, "leaper": 500, "maze": 500}


def options_of(mode):
    return native_options(mode, use_backgrounds=True, restrict_themes=False)


def test_without_the_library_one_sentence_says_what_to_do(monkeypatch, tmp_path):
    native._library.cache_clear()
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    monkeypatch.setattr(native.importlib.util, "find_spec", lambda name: None)
    try:
        with pytest.raises(
            ImportError, match=r"not installed: the wheel of fvm-envs for x86-64 Linux carries it, and `pip"
        ):
            make_vec("procgen/coinrun-easy/0:3", 1, 0)
    finally:
        native._library.cache_clear()


@pytest.mark.procgen
def test_nothing_of_gym_is_imported():
    code = (
        "import sys, fvm_envs; fvm_envs.make_vec('procgen/coinrun-easy/0', 1, 0).reset();"
        "sys.exit(str({'gym', 'gym3', 'procgen', 'cffi', 'torch'} & set(sys.modules)) * 0 + "
        "' '.join({'gym', 'gym3', 'procgen', 'cffi', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).stderr.decode().strip() == ""


@pytest.mark.procgen
@pytest.mark.parametrize("game", GAMES)
def test_layout_of_a_serialised_game(game):
    for mode in modes_of(game):
        env = NativeEnv(game, 1, {**options_of(mode), "start_level": 123, "num_levels": 5})
        state = env.get_state(0)
        offset = 4 + 4 + len(game) + 4 * 13
        assert struct.unpack_from("<ii", state, offset) == (123, 128)
        assert struct.unpack_from("<i", state, offset - 4 * 6) == (NATIVE_MODE[mode],)
        assert env.layout.level_of(state) == 123
        assert env.layout.timeout == (
            2000 if (game, mode) == ("jumper", "memory") else TIMEOUTS.get(game, 1000)
        )
        assert env.info["level_seed"][0] in range(123, 128)
        assert state.endswith(struct.pack("<I", 0xCAFECAFE))
        # The scene is a proper part of the state, and does not know the seeds.
        scene = env.layout.scene(state)
        assert 0 < len(scene) < len(state) - 2 * 6000
        env.close()


@pytest.mark.procgen
def test_a_game_only_takes_states_of_its_own_kind():
    env = NativeEnv("coinrun", 1, options_of("easy"))
    own = env.get_state(0)
    others = [
        NativeEnv("bossfight", 1, options_of("easy")),
        NativeEnv("coinrun", 1, options_of("hard")),
        NativeEnv("coinrun", 1, native_options("easy", use_backgrounds=False, restrict_themes=False)),
    ]
    for other in others:
        with pytest.raises(ValueError, match="another Procgen game, mode or option"):
            env.set_state(0, other.get_state(0))
    with pytest.raises(ValueError, match="cut off"):
        env.set_state(0, own[:-1])
    with pytest.raises(ValueError, match="another Procgen game"):
        env.set_state(0, b"")
    env.set_state(0, own)


@pytest.mark.procgen
def test_first_instance_of_a_process_does_not_matter():
    """The library initialises itself once a process, from the first instance's options."""
    code = (
        "import sys, hashlib; from fvm_envs.procgen.native import NativeEnv;"
        "from fvm_envs.procgen.levels import LevelGenerator, native_options;"
        "o = native_options('hard', use_backgrounds=True, restrict_themes=False);"
        "e = NativeEnv('ninja', 1, o, rand_seed=int(sys.argv[1]));"
        "g = LevelGenerator('climber-hard', o);"
        "h = hashlib.sha256(g.initial_state(3)[200:] + g.native.obs.tobytes());"
        "print(h.hexdigest())"
    )
    runs = [subprocess.run([sys.executable, "-c", code, seed], capture_output=True) for seed in ("1", "77")]
    assert len(runs[0].stdout) > 60
    assert runs[0].stdout == runs[1].stdout


@pytest.mark.procgen
def test_many_instances_and_close():
    for _ in range(30):
        generator = LevelGenerator("chaser-easy", options_of("easy"))
        generator.initial_state(4)
        generator.close()
        generator.close()
    env = NativeEnv("chaser", 8, options_of("easy"), num_threads=3)
    env.action[:] = 4
    env.step()
    env.close()


@pytest.mark.procgen
def test_force_reset_redraws_the_level():
    env = NativeEnv("coinrun", 1, {**options_of("easy"), "num_levels": 0})
    seen = set()
    for _ in range(5):
        env.action[0] = native.FORCE_RESET
        env.step()
        seen.add(int(env.info["level_seed"][0]))
        assert env.first[0]
    assert len(seen) == 5
    assert np.array(list(seen)).max() > 10**6
