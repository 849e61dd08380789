"""What is protected: its share of a batch, counted, and what no batch can have."""

import numpy as np
import pytest
import torch
from fvm_learners.replay.protected import Protected
from fvm_learners.replay.replay import Replay


def replay_of(num):
    """A replay whose steps each end their episode, so that each is a transition at once."""
    replay = Replay(50, (1,), torch.float32, frame_stack=1, n_step=1, discount=0.9, priority_exponent=0.5)
    for step in range(num):
        given = [np.array([x]) for x in (0, 1.0, True, True)]
        replay.append([0], np.array([[float(step)]], np.float32), *given)
    return replay


@pytest.mark.parametrize(
    ("share", "batch_size", "count"), [(0.1, 32, 3), (0.25, 8, 2), (0.5, 7, 4), (0.9, 10, 9)]
)
def test_a_share_is_the_nearest_number_of_transitions(share, batch_size, count):
    assert Protected(replay_of(5), share, batch_size).count == count


@pytest.mark.parametrize(("share", "batch_size"), [(0.01, 32), (0.99, 32), (0.0, 8)])
def test_a_share_of_none_or_all_of_a_batch_is_refused(share, batch_size):
    with pytest.raises(ValueError, match=f"a share of {share} of batches of {batch_size} is"):
        Protected(replay_of(5), share, batch_size)


def test_nothing_to_protect_is_said():
    with pytest.raises(ValueError, match="no transitions to protect"):
        Protected(replay_of(0), 0.5, 8)
