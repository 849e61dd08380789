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


@pytest.mark.parametrize(
    "changed", [{"capacity": 0}, {"capacity": 2.5}, {"frame_stack": 0}, {"n_step": 0}, {"discount": 1.5}]
)
def test_a_replay_of_no_such_size_or_returns_is_refused(changed):
    (name,) = changed
    right = {"capacity": 8, "frame_stack": 1, "n_step": 1, "discount": 0.9}
    with pytest.raises(ValueError, match=f"^{name}={changed[name]}: give a "):
        Replay(obs_shape=(2,), obs_dtype=torch.float32, priority_exponent=0.5, **{**right, **changed})


def test_a_step_that_is_overwritten_before_its_return_is_known_is_refused():
    """It had the rewards of the steps that took its row: 30 for 8 + 9 + 10 + 11 + 12."""
    small = Replay(4, (1,), torch.float32, frame_stack=1, n_step=5, discount=1.0, priority_exponent=0.5)
    for t in range(4):
        append(small, [t], start=t == 0)
    with pytest.raises(ValueError, match=r"slot 0 is overwritten before its 5 rewards .* of 4 rows larger"):
        append(small, [4], start=False)
    exact = Replay(6, (1,), torch.float32, frame_stack=1, n_step=5, discount=1.0, priority_exponent=0.5)
    for t in range(20):
        append(exact, [t], start=t == 0)
    assert exact.num_transitions == 1


def test_a_replay_goes_on_with_its_own_returns_only():
    """Five open steps in a replay of three would never have been closed."""
    stack = {"frame_stack": 1, "priority_exponent": 0.5}
    saved = Replay(50, (1,), torch.float32, n_step=5, discount=0.9, **stack)
    for t in range(8):
        append(saved, [t], start=t == 0)
    state = saved.state_dict()
    with pytest.raises(ValueError, match=r"returns of n_step=5, this one of 3: use the config it was saved"):
        Replay(50, (1,), torch.float32, n_step=3, discount=0.9, **stack).load_state_dict(state)
    with pytest.raises(ValueError, match=r"returns of discount=0.9, this one of 0.5"):
        Replay(50, (1,), torch.float32, n_step=5, discount=0.5, **stack).load_state_dict(state)
