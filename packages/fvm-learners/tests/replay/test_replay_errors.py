"""What a replay refuses."""

import numpy as np
import pytest
import torch
from fvm_learners.replay import Replay


def replay(capacity):
    """Of four frames of one number each."""
    stack = {"frame_stack": 4, "n_step": 3}
    return Replay(capacity, (4,), torch.float32, **stack, discount=0.9, priority_exponent=0.5)


def append(replay, obs, *, start):
    obs = np.array([obs], dtype=np.float32)
    replay.append([0], obs, np.array([0]), np.array([0.0]), np.array([False]), np.array([start]))


def test_a_replay_too_small_for_its_slots_is_refused():
    with pytest.raises(
        ValueError,
        match="14 rows a task is too small for 2 envs with n_step=3: raise replay_capacity so that "
        "each task has at least 28",
    ):
        replay(14).check_slots(2)


def test_observations_that_are_no_stacks_are_refused():
    with pytest.raises(ValueError, match="the older ones are neither blank nor copies of the newest"):
        append(replay(50), [1, 2, 3, 4], start=True)
    begun = replay(50)
    append(begun, [0, 0, 0, 4], start=True)
    with pytest.raises(ValueError, match="not the 4 newest frames of its episode, oldest first"):
        append(begun, [0, 0, 5, 6], start=False)
