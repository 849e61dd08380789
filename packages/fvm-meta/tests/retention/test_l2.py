"""The two pulls to weights that were: to the pretrained ones, and to the random ones."""

import pytest
import torch
from fvm_meta.retention import L2Config, L2InitConfig
from fvm_meta.retention.l2 import anchors, known
from torch import nn

THETA, TEACHER = [0.3, -0.7], [-0.5, -1.1]


@pytest.mark.parametrize("sizes", [(1, 1), (3, 5)])
def test_one_coefficient_means_the_same_in_networks_of_any_size(sizes):
    """Every weight off by d: a mean of squares is d^2, whatever the size."""
    network = nn.Linear(*sizes)
    hook = L2Config(coef=3.0).make()
    hook.anchors = anchors(network, network.state_dict())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.5
    assert hook.term(network, None)[0].item() == pytest.approx(3 * 0.25)


def test_anchors_are_copies_in_the_parameters_type():
    network = nn.Linear(2, 1).double()
    weights = {name: tensor.float() for name, tensor in network.state_dict().items()}
    kept = anchors(network, weights)
    weights["weight"].zero_()
    assert kept["weight"].dtype == torch.float64
    assert kept["weight"].abs().sum() > 0
    assert not kept["weight"].requires_grad


def test_without_a_snapshot_the_learner_as_it_is_is_what_is_known(two_weights):
    learner = two_weights(THETA)
    assert known(learner, None)["theta"].tolist() == THETA


def test_the_two_pull_to_different_weights(prepared):
    """`prepared` makes the learner with THETA, and the snapshot is the teacher's."""
    back, learner = prepared(L2Config(), THETA, TEACHER, [[0.0, 1.0]])
    anew, _ = prepared(L2InitConfig(), THETA, TEACHER, [[0.0, 1.0]])
    assert back.anchors["theta"].tolist() == TEACHER
    assert anew.anchors["theta"].tolist() == THETA
    assert (back.keeps, anew.keeps) == (True, False)
    with torch.no_grad():
        learner.policy.theta.copy_(torch.tensor(TEACHER, dtype=torch.float64))
    assert back.term(learner.policy, None)[0].item() == 0
    assert anew.term(learner.policy, None)[0].item() == pytest.approx((0.8**2 + 0.4**2) / 2)
