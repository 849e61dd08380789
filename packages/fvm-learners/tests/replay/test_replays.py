"""One replay a task, of equal sizes, or a sentence that says why not."""

import gymnasium as gym
import pytest
import torch
from fvm_learners import Rainbow, RainbowConfig
from fvm_learners.replay import replay_size
from fvm_learners.replay.replays import make_replays

GIVEN = {"n_step": 1, "discount": 0.9, "priority_exponent": 0.5, "device": torch.device("cpu")}


def test_they_share_the_rows():
    replays = make_replays(3, 100, (4, 4, 2), torch.uint8, frame_stack=2, **GIVEN)
    assert [replay.capacity for replay in replays] == [33] * 3
    assert len({id(replay) for replay in replays}) == 3
    (alone,) = make_replays(1, 100, (4,), torch.float32, frame_stack=1, **GIVEN)
    assert alone.capacity == 100


@pytest.mark.parametrize(("shape", "frames"), [((4, 4, 3), 2), ((5,), 2)])
def test_frames_that_do_not_divide_the_last_axis_are_refused(shape, frames):
    with pytest.raises(ValueError, match=f"frame_stack={frames} does not divide the last axis"):
        make_replays(1, 100, shape, torch.uint8, frame_stack=frames, **GIVEN)


def test_more_than_the_machine_has_is_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(replay_size, "physical_memory", lambda: 10**6)
    with pytest.raises(ValueError, match=r"the replay needs 7\.1 GB and this machine has 0\.0 GB"):
        make_replays(1, 10**6, (84, 84, 4), torch.uint8, frame_stack=4, **GIVEN)


@pytest.mark.parametrize("num_tasks", [0, -1, 1.5, True])
def test_no_such_number_of_tasks_is_refused(num_tasks):
    space, actions = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2)
    with pytest.raises(ValueError, match=f"^num_tasks={num_tasks}: give a whole number of at least 1"):
        Rainbow(space, actions, RainbowConfig(), seed=0, num_tasks=num_tasks)


@pytest.mark.parametrize("others", [1, 3])
def test_the_state_of_other_numbers_of_tasks_is_refused(others):
    """Fewer replays than the state has were filled, the rest forgotten without a word."""
    space, actions = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2)
    config = RainbowConfig(replay_capacity=1000, learn_start=100)
    state = Rainbow(space, actions, config, seed=0, num_tasks=2).state_dict()
    other = Rainbow(space, actions, config, seed=0, num_tasks=others)
    with pytest.raises(ValueError, match=f"num_tasks={others}, the state is of 2"):
        other.load_state_dict(state)
