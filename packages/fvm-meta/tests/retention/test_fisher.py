"""The Fisher against the definition E_s E_a[g g^T], with finite differences of log pi as g."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_meta.retention import States
from fvm_meta.retention.fisher import FULL_LIMIT, as_published, expected, sample_gradients
from torch import nn

THETA = np.array([0.4, -0.8])
OBS = np.array([[2.0, 1.0], [-1.0, 1.0], [0.5, 1.0], [0.0, 1.0], [3.0, -1.0]])


def log_prob(theta, x, action):
    return -np.log1p(np.exp(-(x @ theta) * (1 if action == 0 else -1)))


def defined(step=1e-5):
    """Each state's E_a[g g^T], g by central differences."""
    total = np.zeros((2, 2))
    for x in OBS:
        for action in (0, 1):
            slopes = [
                (log_prob(THETA + d, x, action) - log_prob(THETA - d, x, action)) / (2 * step)
                for d in step * np.eye(2)
            ]
            total += np.exp(log_prob(THETA, x, action)) * np.outer(slopes, slopes)
    return total / np.diag(total).mean()


def states(obs=OBS):
    return States(obs=torch.tensor(obs, dtype=torch.float64))


@pytest.mark.parametrize("size", [1, 2, 16])
def test_it_is_the_expected_outer_product_of_scores(two_weights, size):
    learner = two_weights(THETA)
    full = expected(learner, learner.policy, states(), full=True, size=size)
    assert full.numpy() == pytest.approx(defined(), rel=1e-5)
    diagonal = expected(learner, learner.policy, states(), full=False, size=size)
    assert diagonal.numpy() == pytest.approx(np.diag(defined()), rel=1e-5)


def test_there_is_a_gradient_for_each_state_and_parameter_of_its_distribution(two_weights):
    learner = two_weights(THETA)
    gradients = list(sample_gradients(learner, learner.policy, states(), 2))
    assert len(gradients) == len(OBS) * 2
    assert {tuple(gradient.shape) for gradient in gradients} == {(2,)}


def test_batches_of_one_give_the_empirical_fisher_at_the_modes(two_weights):
    learner = two_weights(THETA)
    right = 1 / (1 + np.exp(-OBS @ THETA))
    residual = (right > 0.5) - right
    by_hand = ((residual[:, None] * OBS) ** 2).mean(axis=0)
    assert as_published(learner, learner.policy, states(), batch_size=1).numpy() == pytest.approx(by_hand)


def test_a_policy_that_depends_on_nothing_has_none(two_weights):
    learner = two_weights(THETA)
    with pytest.raises(ValueError, match=r"the Fisher's mean is 0.0: the policy depends on none"):
        expected(learner, learner.policy, states(np.zeros((3, 2))), full=False)


def test_all_of_it_is_for_small_networks(two_weights):
    network = nn.Linear(FULL_LIMIT, 1)
    with pytest.raises(ValueError, match=r"full Fisher of 4,097 parameters has 16,785,409 entries"):
        expected(two_weights(THETA), network, states(), full=True)
    with pytest.raises(ValueError, match="take the diagonal"):
        expected(two_weights(THETA), network, states(), full=True)


def test_actions_without_a_mode_are_refused_as_published(two_weights):
    learner = two_weights(THETA)
    learner.distribution = lambda policy, asked: (object(), None)
    with pytest.raises(ValueError, match="takes the likeliest action: use the expected Fisher with a Box"):
        as_published(learner, learner.policy, states(), batch_size=2)


def test_drawn_actions_give_the_same_fisher_in_the_mean(two_weights, monkeypatch):
    """Where there are too many outputs for a gradient of each: one action a state, drawn from the policy."""
    monkeypatch.setattr("fvm_meta.retention.fisher.MOST_OUTPUTS", 1)
    learner, rng = two_weights(THETA), torch.Generator().manual_seed(0)
    many = states(np.repeat(OBS, 400, axis=0))
    drawn = expected(learner, learner.policy, many, full=True, rng=rng)
    assert drawn.numpy() == pytest.approx(defined(), abs=0.1)
    again = expected(learner, learner.policy, many, full=True, rng=torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)
    assert len(list(sample_gradients(learner, learner.policy, states(), 2, rng))) == len(OBS)


@pytest.mark.parametrize("full", [True, False])
def test_of_a_pretraining_that_diverged_it_is_nan_and_no_error(two_weights, full, monkeypatch):
    """The run that follows is kept as one that diverged; drawing actions of NaN would raise."""
    monkeypatch.setattr("fvm_meta.retention.fisher.MOST_OUTPUTS", 1)
    learner = two_weights(np.array([np.nan, 0.5]))
    found = expected(learner, learner.policy, states(), full=full, rng=torch.Generator())
    assert found.shape == ((2, 2) if full else (2,))
    assert found.isnan().all()


def test_of_many_dimensions_a_gaussian_s_is_still_the_sum(lab):
    """A bias of a mean has 1 / std^2 and a log of a deviation 2, of however many dimensions."""
    space = gym.spaces.Box(-1, 1, (40,), np.float32)
    learner = lab.make_learner(gym.spaces.Box(-1, 1, (3,), np.float32), space, seed=0)
    with torch.no_grad():
        learner.policy.head.log_std[7] = np.log(0.5)
    fisher = expected(learner, learner.policy, States(obs=torch.ones(4, 3)), full=False)
    sizes = [(name, parameter.numel()) for name, parameter in learner.policy.named_parameters()]
    parts = dict(zip((name for name, _ in sizes), fisher.split([size for _, size in sizes]), strict=True))
    of_log, of_mean = parts["head.log_std"], parts["head.dense.bias"]
    assert torch.allclose(of_log, of_log[:1].expand(40))
    assert (of_mean / of_log).tolist() == pytest.approx([0.5] * 7 + [2.0] + [0.5] * 32)
