"""The softmax of advantages against numbers worked out by hand, and what it does not depend on."""

import math
from types import SimpleNamespace

import pytest
import torch
from fvm_learners.rainbow.advantages import AdvantageDistribution


class Table:
    """Q values that are the observations themselves."""

    def q_values(self, obs, noise, latent):
        assert noise is None
        return obs if latent is None else obs + latent


def chances(q_value, temperature=1.0, latent=None):
    learner = AdvantageDistribution()
    learner.distribution_temperature = temperature
    states = SimpleNamespace(obs=torch.tensor(q_value))
    if latent is not None:
        states.latent = torch.tensor(latent)
    dist, memory = learner.distribution(Table(), states)
    assert memory is None
    again = learner.distribution_from(dist.params)
    assert torch.equal(again.log_probs, dist.log_probs)
    return dist.log_probs.exp().tolist()


def test_two_actions_by_hand():
    """Q of 1 and 3 at a temperature of 2: the odds are e."""
    (first, second) = chances([[1.0, 3.0]], temperature=2.0)[0]
    assert second == pytest.approx(math.e / (1 + math.e))
    assert first + second == pytest.approx(1)


def test_neither_an_offset_nor_a_common_scale_counts():
    plain = chances([[0.0, 1.0, -2.0]])
    assert chances([[10.0, 11.0, 8.0]])[0] == pytest.approx(plain[0], abs=1e-6)
    assert chances([[0.0, 7.0, -14.0]], temperature=7.0)[0] == pytest.approx(plain[0], abs=1e-6)


def test_a_latent_is_given_to_the_network():
    assert chances([[0.0, 0.0]], latent=[[0.0, math.log(3)]])[0] == pytest.approx([0.25, 0.75])
