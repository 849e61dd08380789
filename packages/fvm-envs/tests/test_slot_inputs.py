"""What is given to envs of slots: read, or refused in one sentence."""

import numpy as np
import pytest
from fvm_envs import TaskSet
from fvm_envs.slot_inputs import (
    read_autoreset,
    read_count,
    read_episode_seeds,
    read_flag,
    read_mask,
    read_tasks,
)
from gymnasium.vector import AutoresetMode

TASKS = TaskSet.parse("toy/hidden-catch/0:4")
ALL = np.ones(3, bool)


def test_counts_and_flags():
    assert read_count("num_envs", np.int64(4), 1, 8) == 4
    assert read_flag("shown", np.bool_(True)) is True
    for bad in (True, 1.5, "4", None):
        with pytest.raises(TypeError, match=r"num_envs is .*: give a whole number from 1 to 8"):
            read_count("num_envs", bad, 1, 8)
    with pytest.raises(ValueError, match="num_envs is 9: give 1 to 8"):
        read_count("num_envs", 9, 1, 8)
    with pytest.raises(TypeError, match="shown is 1: give True or False"):
        read_flag("shown", 1)


def test_autoreset_by_name_or_mode():
    assert read_autoreset("next_step") is AutoresetMode.NEXT_STEP
    assert read_autoreset(AutoresetMode.SAME_STEP) is AutoresetMode.SAME_STEP
    for bad in ("disabled", AutoresetMode.DISABLED, None, 1):
        with pytest.raises(ValueError, match="expected 'same_step' or 'next_step'"):
            read_autoreset(bad)


def test_masks():
    assert read_mask(None, 3).tolist() == [True] * 3
    assert read_mask([True, False, True], 3).tolist() == [True, False, True]
    for bad in ([1, 0, 1], [True], [[True, False, True]]):
        with pytest.raises(ValueError, match=r"expected bool, \(3,\)"):
            read_mask(bad, 3)


def test_tasks_of_the_masked_slots():
    task = list(TASKS)
    asked = [task[2], task[0], None]
    assert read_tasks(asked, TASKS, ALL).tolist() == [2, 0, -1]
    assert read_tasks(asked, TASKS, np.array([False, True, True])).tolist() == [-1, 0, -1]
    assert read_tasks(None, TASKS, ALL).tolist() == [-1] * 3
    for bad in (task[0], "toy/hidden-catch/0", [task[0]]):
        with pytest.raises(ValueError, match=r"one task .* for each of the 3 slots"):
            read_tasks(bad, TASKS, ALL)


def test_seeds_of_the_next_episodes():
    assert read_episode_seeds([3, (4, 5), None], ALL) == {0: [3], 1: [4, 5]}
    assert read_episode_seeds([3, 4, np.array([6])], np.array([False, False, True])) == {2: [6]}
    assert read_episode_seeds(None, ALL) == {}
    with pytest.raises(ValueError, match="a seed, seeds or None for each of the 3 slots"):
        read_episode_seeds(7, ALL)
    for bad in (-1, 1.5, True, 2**63):
        with pytest.raises(ValueError, match="give whole numbers below"):
            read_episode_seeds([bad, None, None], ALL)
