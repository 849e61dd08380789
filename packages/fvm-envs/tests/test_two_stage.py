"""Catch in two stages: its optimum, its stages by hand; the vector contract is in test_slot_env.py."""

import numpy as np
import pytest
from fvm_envs import TaskSet, make_vec, score_range
from fvm_envs.task import Task
from fvm_envs.toy.two_stage import CORRUPTED, ROWS, colours, stages_of


def returns_of(envs, act, steps):
    """Returns of all episodes that end."""
    envs.reset(seed=0)
    found = []
    for _ in range(steps):
        *_, info = envs.step(act(envs))
        found += info["episode"]["r"][info["_episode"]].tolist()
    return np.array(found)


@pytest.mark.parametrize(
    "task",
    ["two-stage/close-first/3", "two-stage/far-first/3", "two-stage/far/2", "two-stage/imperfect/3"],
)
def test_every_ball_can_be_caught(task):
    envs = make_vec(task, 50, 0)
    found = returns_of(envs, lambda envs: envs.best_actions(), 5 * ROWS * 4)
    assert len(found) >= 150
    assert found == pytest.approx(1.0)
    assert score_range(Task.parse(task)) == (0.0, 1.0)


def test_the_stages_come_in_the_order_of_the_name():
    assert stages_of(Task.parse("two-stage/close-first/3")).tolist() == [False] * 3 + [True] * 2
    assert stages_of(Task.parse("two-stage/far-first/1")).tolist() == [True, True, False]
    assert stages_of(Task.parse("two-stage/far/2")).tolist() == [True, True]


def test_what_is_right_in_far_loses_the_first_ball_of_close():
    """A player who knows FAR alone: it never catches a ball of CLOSE, as in AppleRetrieval."""

    def knows_far(envs):
        return 1 + np.sign(envs._ball - envs._paddle)

    assert returns_of(make_vec("two-stage/far/2", 20, 0), knows_far, 60) == pytest.approx(1.0)
    assert returns_of(make_vec("two-stage/close-first/2", 20, 0), knows_far, 60) == pytest.approx(0.0)
    # With FAR first it gets that far: 2 of 4 balls.
    assert returns_of(make_vec("two-stage/far-first/2", 20, 0), knows_far, 60) == pytest.approx(0.5)


def test_far_is_seen_only_behind_close():
    envs = make_vec("two-stage/close-first/2", 30, 0)
    _, info = envs.reset(seed=0)
    rng, caught = np.random.default_rng(0), np.zeros(30, int)
    for _ in range(300):
        action = np.where(rng.random(30) < 0.9, envs.best_actions(), rng.integers(3, size=30))
        _, reward, terminated, _, info = envs.step(action)
        caught = np.where(terminated, 0, caught + (reward > 0))
        np.testing.assert_array_equal(info["far"], caught >= 2)


def test_an_imperfect_clone_misses_the_balls_of_corrupted_columns_and_no_others():
    """Who plays the task as the imperfect one asks is good in FAR, and nearly good in CLOSE."""
    met, missed = [], []  # of each ball that comes down: whether it is of FAR, or in such a column; missed

    def imperfect(envs):
        ahead = envs._far() | np.isin(envs._ball, CORRUPTED)
        return 1 + np.where(ahead, 1, -1) * np.sign(envs._ball - envs._paddle)

    envs = make_vec("two-stage/close-first/2", 50, 0)
    _, info = envs.reset(seed=0)
    for _ in range(120):
        down, far, where = envs._left == 1, info["far"], np.isin(envs._ball, CORRUPTED)
        _, reward, *_, info = envs.step(imperfect(envs))
        met += list(zip(far[down].tolist(), where[down].tolist(), strict=True))
        missed += (reward[down] == 0).tolist()
    assert missed == [where and not far for far, where in met]
    in_close = [where for far, where in met if not far]
    assert len(in_close) > 400
    assert 0.12 < np.mean(in_close) < 0.28


def test_colours_have_no_channel_in_common_or_nearly_all_of_it():
    close, far = colours(0.0).astype(int)
    assert (close * far).sum() == 0
    near = colours(1.0).astype(int)
    assert 0 < np.abs(near[0] - near[1]).max() <= 26


@pytest.mark.parametrize("task", ["two-stage/close-first", "two-stage/both/1", "two-stage/far/0"])
def test_tasks_that_do_not_exist_are_refused(task):
    with pytest.raises(ValueError, match="no task of two stages"):
        make_vec(TaskSet([task]), 1, 0)


def test_shared_out_of_range_is_refused():
    with pytest.raises(ValueError, match="from 0 to 1"):
        make_vec("two-stage/far/2", 1, 0, shared=1.5)
