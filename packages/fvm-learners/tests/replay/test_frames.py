"""Frames in a ring: stacks are put together again, and what loses a frame is told."""

import numpy as np
import pytest
import torch
from fvm_learners.replay.frames import NO_ROW, Frames

CPU = torch.device("cpu")


def stack(*numbers):
    """An observation [1, k] of frames of one number each."""
    return np.array([numbers], np.float32)


def filled(capacity=6, k=3, steps=4):
    """An episode whose frames are 1, 2, ... after blanks."""
    frames, previous = Frames(capacity, (1, k), torch.float32, k, CPU), NO_ROW
    lost = []
    for t in range(1, steps + 1):
        obs = stack(*(max(0, t - back) for back in reversed(range(k))))[None]
        (row,), gone = frames.write(obs)
        frames.link(row, frames.before_first(obs[0], row) if t == 1 else previous)
        previous = row
        lost.append(sorted(gone))
    return frames, lost


def test_stacks_are_put_together_from_frames_that_are_kept_once():
    frames, _ = filled()
    seen = frames.observations(np.arange(4))[:, 0]
    assert seen.tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert frames.after(np.arange(4)).tolist() == [1, 2, 3, 3]


def test_a_row_that_is_overwritten_takes_those_with_it_that_show_it():
    """The seventh frame falls on row 0, which the stacks of rows 0, 1 and 2 show."""
    frames, lost = filled(steps=7)
    assert lost[5] == [5]
    assert lost[6] == [0, 1, 2]
    assert frames.observations(np.array([0]))[0, 0].tolist() == [5, 6, 7]


def test_before_the_first_frame_it_is_blank_or_the_first_again():
    frames = Frames(6, (1, 3), torch.float32, 3, CPU)
    assert frames.before_first(stack(0, 0, 4), 2) == NO_ROW
    assert frames.before_first(stack(4, 4, 4), 2) == 2
    with pytest.raises(ValueError, match="3 frames, and the older ones are neither blank nor copies"):
        frames.before_first(stack(1, 2, 4), 2)


def test_a_loaded_ring_goes_on_and_another_size_is_refused():
    frames, _ = filled()
    other, _ = filled(steps=6)
    other.load_state_dict(frames.state_dict())
    assert (other.head, other.size) == (frames.head, frames.size)
    assert torch.equal(other.observations(np.arange(4)), frames.observations(np.arange(4)))
    assert other.after(np.arange(6)).tolist() == [1, 2, 3, 3, 4, 5]
    with pytest.raises(ValueError, match="use the config and spaces it was saved with"):
        Frames(3, (1, 3), torch.float32, 3, CPU).load_state_dict(frames.state_dict())
    with pytest.raises(ValueError, match="use the config and spaces it was saved with"):
        Frames(6, (2, 3), torch.float32, 3, CPU).load_state_dict(frames.state_dict())
