"""What a recurrent policy remembers when another trial of an episode begins."""

from types import SimpleNamespace

import numpy as np
import torch
from fvm_learners.memory import Memory

CPU = torch.device("cpu")


def memory(value, slots=4):
    return Memory(torch.full((slots, 2, 3), value), torch.full((slots, 5), value))


def outcome(trial_end, ended):
    told = {"trial_end": np.array(trial_end)}
    return SimpleNamespace(mask=lambda name: told[name], ended=np.array(ended))


def test_there_is_none_without_a_state_or_without_feedback():
    state, obs = torch.ones(4, 2, 3), {"obs": torch.ones(4, 1), "feedback": torch.ones(4, 5)}
    assert Memory.blank(None, obs) is None
    assert Memory.blank(state, obs["obs"]) is None
    blank = Memory.blank(state, obs)
    assert blank.state.abs().sum() == blank.feedback.abs().sum() == 0
    assert (blank.state.shape, blank.feedback.shape) == ((4, 2, 3), (4, 5))


def test_it_is_renewed_where_a_trial_ends_and_its_episode_goes_on():
    before, state = memory(1.0), torch.full((4, 2, 3), 7.0)
    obs = {"obs": torch.ones(4, 1), "feedback": torch.full((4, 5), 8.0)}
    after = before.at_new_trials(outcome([True, True, False, False], [False, True, False, True]), state, obs)
    assert after.state[:, 0, 0].tolist() == [7, 1, 1, 1]
    assert after.feedback[:, 0].tolist() == [8, 1, 1, 1]
    state.zero_(), obs["feedback"].zero_()  # the env may write the next step there
    assert (after.state[0] == 7).all()
    assert (after.feedback[0] == 8).all()
    never = before.at_new_trials(outcome([False] * 4, [False] * 4), state, obs)
    assert never is before


def test_it_is_saved_as_copies():
    one = memory(3.0)
    saved = one.state_dict()
    one.state.zero_()
    other = Memory.from_state_dict(saved, CPU)
    assert (other.state == 3).all()
    assert (other.feedback == 3).all()
    other.state.zero_()
    assert (saved["state"] == 3).all()
