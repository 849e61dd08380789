"""Values that are kept until the target networks change."""

import numpy as np
import pytest
import torch
from fvm_learners.c2f_arm.kept_values import KeptValues

KEYS = [(0, 7, 0.5), (1, 7, 0.5), (0, 7, -1.0)]


@pytest.fixture
def kept():
    values = KeptValues()
    values.keep(KEYS, torch.arange(6.0).reshape(3, 2))
    return values


def test_task_frame_and_time_tell_values_apart(kept):
    assert len(kept) == 3
    assert [kept.get(key).tolist() for key in KEYS] == [[0, 1], [2, 3], [4, 5]]
    assert kept.get((0, 8, 0.5)) is None


def test_a_later_value_takes_the_place_of_an_earlier_one(kept):
    kept.keep([KEYS[0]], torch.tensor([[9.0, 9.0]]))
    assert (len(kept), kept.get(KEYS[0]).tolist()) == (3, [9, 9])
    kept.clear()
    assert (len(kept), kept.get(KEYS[0])) == (0, None)


def test_a_number_of_values_that_is_not_that_of_keys_is_an_error(kept):
    with pytest.raises(ValueError, match="zip"):
        kept.keep(KEYS, torch.zeros(2, 2))


def test_they_survive_a_checkpoint_and_share_nothing_with_it(kept):
    state = kept.state_dict()
    assert state["keys"] == [[0, 7, -1.0], [0, 7, 0.5], [1, 7, 0.5]]
    other = KeptValues()
    other.load_state_dict(state)
    state["values"].zero_()
    assert all(np.array_equal(other.get(key), kept.get(key)) for key in KEYS)
    empty = KeptValues().state_dict()
    other.load_state_dict(empty)
    assert len(other) == 0
