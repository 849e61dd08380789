"""Shrink and perturb mixes weights once. In a whole adaptation: test_closed_forms.py."""

from types import SimpleNamespace

import pytest
import torch
from fvm_meta.retention import ShrinkPerturbConfig
from torch import nn


class Learner:
    """A network with a buffer of whole numbers, which is no weight."""

    def __init__(self):
        self.policy = nn.Linear(2, 1)
        self.policy.register_buffer("steps", torch.tensor(7))

    def load_weights(self, weights):
        self.policy.load_state_dict(weights)


def mix(**settings):
    learner = Learner()
    hook = ShrinkPerturbConfig(**settings).make()
    with torch.no_grad():
        learner.policy.weight.copy_(torch.tensor([[1.0, -1.0]]))
        hook.before(learner)  # random weights 1 and -1
        learner.policy.weight.copy_(torch.tensor([[10.0, 20.0]]))  # pretrained ones
    hook.prepare(learner, SimpleNamespace(), None)
    return learner.policy


def test_it_is_a_sum_of_two_shares():
    policy = mix(shrink=0.4, perturb=0.1)
    assert policy.weight.tolist() == [pytest.approx([4.1, 7.9])]
    assert policy.steps.item() == 7


def test_its_ends():
    assert mix(shrink=1, perturb=0).weight.tolist() == [[10, 20]]
    assert mix(shrink=0, perturb=1).weight.tolist() == [[1, -1]]
    assert mix(shrink=0, perturb=0).weight.tolist() == [[0, 0]]


def test_it_adds_nothing_to_the_loss_and_keeps_nothing():
    hook = ShrinkPerturbConfig().make()
    assert not hook.keeps
    assert hook.term(nn.Linear(2, 1), None) is None


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["shrink", "perturb"])
def test_shares_are_from_0_to_1(name, value):
    with pytest.raises(ValueError, match=f"{name}=.*give a number from 0 to 1"):
        ShrinkPerturbConfig(**{name: value})
