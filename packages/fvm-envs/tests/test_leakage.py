import numpy as np
import pytest
from fvm_envs import Task, TaskSet, leaked, make_vec
from fvm_envs.leakage import level_hash
from fvm_envs.procgen.levels import LevelGenerator, native_options


def test_a_task_in_both_sets_is_leaked():
    train, held_out = TaskSet.parse("toy/catch/0:10"), TaskSet.parse("toy/catch/8:12")
    assert leaked(train, held_out) == {task: task for task in TaskSet.parse("toy/catch/8:10")}


@pytest.mark.procgen
def test_small_coinrun_levels_come_twice():
    """openai/procgen#100: 24 % of easy Coinrun levels among 100k others; fewer among 400."""
    train, held_out = (
        TaskSet.parse("procgen/coinrun-easy/0:400"),
        TaskSet.parse("procgen/coinrun-easy/10000:10060"),
    )
    found = leaked(train, held_out)
    assert 0.02 < len(found) / len(held_out) < 0.4
    assert list(found) == sorted(found)
    for held, seen in list(found.items())[:3]:  # They look and play alike, up to the wallpaper.
        envs = make_vec([held, seen], 2, 0, on_episode_end="stay", use_backgrounds=False, actions="right")
        obs, _ = envs.reset()
        for step in range(200):
            assert (obs[0] == obs[1]).all()
            obs, reward, terminated, *_ = envs.step(np.full(2, int(step % 3 > 0)))
            assert reward[0] == reward[1]
            assert terminated[0] == terminated[1]
        envs.close()


@pytest.mark.procgen
def test_levels_that_only_start_alike_are_told_apart():
    generator = LevelGenerator(
        "ninja-easy", native_options("easy", use_backgrounds=False, restrict_themes=False)
    )
    starts: dict[bytes, list[int]] = {}
    for level in range(300):
        starts.setdefault(level_hash(generator, level, 0), []).append(level)
    twins = [levels for levels in starts.values() if len(levels) > 1]
    found = [
        bool(leaked(*(TaskSet([Task("procgen", "ninja-easy", level)]) for level in levels)))
        for levels in twins
    ]
    assert set(found) == {True, False}


@pytest.mark.procgen
def test_the_first_training_task_is_named():
    train, held_out = TaskSet.parse("procgen/maze-easy/0:300"), TaskSet.parse("procgen/maze-easy/500:520")
    found = leaked(train, held_out)
    assert found
    for held, seen in found.items():
        earlier = [task for task in train if task.level < seen.level]
        assert not leaked(TaskSet(earlier), TaskSet([held]))


@pytest.mark.procgen
def test_hashes_do_not_depend_on_what_was_generated_before():
    options = native_options("easy", use_backgrounds=False, restrict_themes=False)
    one, two = LevelGenerator("ninja-easy", options), LevelGenerator("ninja-easy", options)
    level_hash(one, 99, 64)
    for level in (5, 2**31 - 2):
        assert level_hash(one, level, 64) == level_hash(two, level, 64)


def test_other_games_do_not_leak():
    assert leaked(TaskSet(["toy/catch/1"]), TaskSet([Task("toy", "hidden-catch", 1)])) == {}


def test_no_variation_is_variation_0():
    train, held_out = (
        TaskSet.parse("rlbench/lamp_on,rlbench/pick_up_cup/1"),
        TaskSet.parse("rlbench/lamp_on/0"),
    )
    assert leaked(train, held_out) == {held_out[0]: train[0]}
    assert leaked(train, TaskSet.parse("rlbench/pick_up_cup,rlbench/push_button")) == {}
