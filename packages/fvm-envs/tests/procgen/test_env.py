import gc
import sys

import numpy as np
import pytest
from fvm_envs import Task, TaskSet, always_right, make_vec
from fvm_envs.procgen import GAMES, modes_of
from fvm_envs.procgen.games import level_seed
from fvm_envs.procgen.levels import LevelGenerator, native_options
from fvm_envs.procgen.native import NativeEnv

pytestmark = pytest.mark.procgen
LEVELS = (5, 77, 1_000_000)


def tasks_of(game, mode):
    if mode == "exploration":
        return TaskSet([Task("procgen", f"{game}-{mode}")])
    return TaskSet(Task("procgen", f"{game}-{mode}", level) for level in LEVELS)


def fresh_env(task):
    """A new native environment whose only level is the task's, as upstream's own interface makes it."""
    game, mode = task.name.split("-")
    options = native_options(mode, use_backgrounds=True, restrict_themes=False)
    level = level_seed(task.name, task.level)
    return NativeEnv(game, 1, {**options, "num_levels": 1, "start_level": level}, rand_seed=11)


def compare(game, mode, num_steps, swap_at):
    tasks = tasks_of(game, mode)
    envs = make_vec(tasks, len(tasks), 0, on_episode_end="stay")
    obs, _ = envs.reset()
    fresh = [fresh_env(task) for task in tasks]
    assert all(np.array_equal(obs[i], env.obs[0]) for i, env in enumerate(fresh))
    rng, ends = np.random.default_rng(0), 0
    for step in range(num_steps):
        if step == swap_at:  # The first slot moves to the last task: obs at once, and the same from there on.
            mask = np.arange(len(tasks)) == 0
            obs, info = envs.reset(
                options={"reset_mask": mask, "tasks": [tasks[-1]] + [None] * (len(tasks) - 1)}
            )
            fresh[0].close()
            fresh[0] = fresh_env(tasks[-1])
            np.testing.assert_array_equal(obs[0], fresh[0].obs[0])
            assert info["level"][0] == level_seed(tasks[-1].name, tasks[-1].level)
        actions = rng.integers(15, size=len(tasks))
        obs, reward, terminated, truncated, info = envs.step(actions)
        ends += (terminated | truncated).sum()
        for i, env in enumerate(fresh):
            env.action[0] = actions[i]
            env.step()
            assert np.array_equal(obs[i], env.obs[0]), step
            assert reward[i] == env.reward[0]
            assert (terminated[i] or truncated[i]) == env.first[0]
            assert info["level"][i] == env.info["level_seed"][0]
    envs.close()
    return ends


@pytest.mark.parametrize("game", GAMES)
def test_pinned_slots_play_like_fresh_single_level_environments(game):
    ends = compare(game, "easy", num_steps=1500, swap_at=800)
    assert ends > 0 or game == "heist"


@pytest.mark.parametrize("game", GAMES)
def test_other_modes_too(game):
    for mode in modes_of(game)[1:]:
        compare(game, mode, num_steps=300, swap_at=150)


@pytest.mark.parametrize("game", GAMES)
def test_state_in_mid_episode_goes_on_in_a_fresh_instance(game, filed):
    tasks = f"procgen/{game}-hard/0:40"
    one, two = make_vec(tasks, 3, 0), make_vec(tasks, 3, 1)
    one.reset()
    rng = np.random.default_rng(0)
    for _ in range(60):
        obs = one.step(rng.integers(15, size=3))[0]
    two.load_state_dict(filed(one.state_dict()))
    np.testing.assert_array_equal(two.reset(options={"reset_mask": np.zeros(3, dtype=bool)})[0], obs)
    for _ in range(300):
        actions = rng.integers(15, size=3)
        for a, b in zip(one.step(actions)[:4], two.step(actions)[:4], strict=True):
            np.testing.assert_array_equal(a, b)
    one.close()
    two.close()


@pytest.mark.parametrize("game", ["coinrun", "bossfight", "plunder"])
def test_thread_counts_agree(game):
    made = [make_vec(f"procgen/{game}-easy/0:50", 8, 0, num_threads=n) for n in (0, 1, 2, 4)]
    for envs in made:
        envs.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(200):
        actions = rng.integers(15, size=8)
        first, *others = [envs.step(actions) for envs in made]
        for other in others:
            for a, b in zip(first[:4], other[:4], strict=True):
                np.testing.assert_array_equal(a, b)
    for envs in made:
        envs.close()


def test_waiting_is_cut_off_as_truncation():
    envs = make_vec("procgen/coinrun-easy/3", 2, 0, actions="coinrun")
    envs.reset()
    for step in range(1, 1001):
        _, reward, terminated, truncated, info = envs.step(np.ones(2, dtype=int))
        assert not terminated.any()
        assert truncated.all() == (step == 1000)
        assert not reward.any()
    np.testing.assert_array_equal(info["episode"]["l"], [1000, 1000])
    envs.close()


def test_a_time_out_counts_from_the_last_move():
    envs = make_vec("procgen/leaper-easy/3", 1, 0)
    envs.reset()
    noop = np.array([4])
    for _ in range(100):
        envs.step(noop)
    envs.reset(options={"reset_mask": np.array([True])})
    ended = [step for step in range(1, 600) if envs.step(noop)[3][0]]
    assert ended == [500]
    envs.close()


def test_goals_and_deaths_terminate():
    envs = make_vec("procgen/coinrun-easy/0:100", 32, 0, actions="right")
    envs.reset()
    policy, rngs = always_right("right"), [np.random.default_rng([2, i]) for i in range(32)]
    returns = []
    for _ in range(200):
        actions, _ = policy.act(None, None, None, rngs)
        _, _, terminated, truncated, info = envs.step(actions)
        assert not truncated.any()
        returns += info["episode"]["r"][terminated].tolist()
    assert set(returns) == {0, 10}
    envs.close()


def test_all_levels_of_a_set_are_drawn_uniformly():
    envs = make_vec("procgen/jumper-easy/0:8", 16, 0)
    counts = np.zeros(8)
    for _ in range(100):
        counts += np.bincount(envs.reset()[1]["task_index"], minlength=8)
    assert ((counts > 150) & (counts < 250)).all()
    envs.close()


def test_ten_thousand_levels_cost_nothing_until_they_are_played(monkeypatch):
    calls = []
    original = LevelGenerator.initial_state
    monkeypatch.setattr(
        LevelGenerator, "initial_state", lambda self, level: calls.append(level) or original(self, level)
    )
    envs = make_vec("procgen/coinrun-easy/0:10000", 4, 0)
    assert not calls
    envs.reset()
    assert len(calls) == 4
    envs.close()


def test_kept_start_states_are_those_of_a_new_generator():
    options = native_options("easy", use_backgrounds=True, restrict_themes=False)
    keeping = LevelGenerator("ninja-easy", options, kept_levels=3)
    making = LevelGenerator("ninja-easy", options)
    for level in (0, 1, 0, 2, 3, 4, 0, 1, 4):
        assert keeping.initial_state(level) == making.initial_state(level)
        assert len(keeping._kept) <= 3
    assert list(keeping._kept) == [0, 1, 4]


def test_an_action_set_renames_the_native_actions():
    full, few = (make_vec("procgen/coinrun-easy/3", 1, 0, actions=name) for name in ("full", "coinrun"))
    full.reset()
    few.reset()
    for action in np.random.default_rng(0).integers(5, size=200):
        a = full.step(np.array([(1, 4, 5, 7, 8)[action]]))
        b = few.step(np.array([action]))
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    full.close()
    few.close()


def test_backgrounds_and_themes_change_the_picture_only():
    plain = make_vec("procgen/coinrun-hard/0:20", 20, 0, use_backgrounds=False, restrict_themes=True)
    fancy = make_vec("procgen/coinrun-hard/0:20", 20, 0)
    (a, _), (b, _) = plain.reset(seed=1), fancy.reset(seed=1)
    assert (a != b).any(axis=(1, 2, 3)).all()
    for actions in np.random.default_rng(0).integers(15, size=(200, 20)):
        for x, y in zip(plain.step(actions)[1:4], fancy.step(actions)[1:4], strict=True):
            np.testing.assert_array_equal(x, y)
    plain.close()
    fancy.close()


def test_a_video_frame_shows_the_same_scene_larger():
    envs = make_vec("procgen/coinrun-easy/0:4", 2, 0, use_backgrounds=False)
    obs, _ = envs.reset()
    frame = envs.render_slot(1)
    assert frame.shape == (512, 512, 3)
    small = frame.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3))
    assert np.abs(small - obs[1]).mean() < 12 < np.abs(small - obs[1][::-1]).mean()
    envs.close()


@pytest.mark.parametrize(
    ("tasks", "options", "message"),
    [
        ("procgen/coinrun-easy/1,procgen/maze-easy/1", {}, "one game in one mode"),
        ("procgen/coinrun-easy/1,procgen/coinrun-hard/1", {}, "one game in one mode"),
        ("procgen/coinrun-extreme/1", {}, "coinrun has no mode 'extreme'"),
        ("procgen/coinrun-easy/1", {"actions": "left"}, "no action set 'left': the sets are full, moves"),
        ("procgen/coinrun-easy/1", {"num_threads": -1}, "num_threads is -1"),
    ],
)
def test_bad_options(tasks, options, message, monkeypatch):
    complaints = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    with pytest.raises(ValueError, match=message):
        make_vec(tasks, 1, 0, **options)
    gc.collect()  # What is left of the unfinished environment goes without a word.
    assert not complaints


def test_close_frees_everything_and_stepping_after_it_is_refused():
    envs = make_vec("procgen/coinrun-easy/0:4", 2, 0, num_threads=2)
    envs.reset()
    envs.render_slot(0)
    opened = list(envs._open)
    assert len(opened) == 3
    envs.close()
    for call in (lambda: envs.step(np.zeros(2, dtype=int)), envs.reset, envs.state_dict, envs.render):
        with pytest.raises(RuntimeError, match="closed"):
            call()


def test_a_damaged_or_foreign_state_never_reaches_the_library():
    envs = make_vec("procgen/coinrun-easy/0:4", 2, 0)
    envs.reset()
    state = envs.state_dict()
    damaged = state["own"]["native"].copy()
    damaged[5000] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        envs.load_state_dict({**state, "own": {**state["own"], "native": damaged}})
    other = make_vec("procgen/maze-easy/0:4", 2, 0)
    other.reset()
    with pytest.raises(ValueError, match="another Procgen game"):
        envs.load_state_dict({**state, "own": other.state_dict()["own"]})
    envs.load_state_dict(state)
    envs.close()
    other.close()
