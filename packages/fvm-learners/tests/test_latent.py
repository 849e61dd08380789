"""Latents of frozen policies: drawn slot by slot, from the prior or from what was inferred."""

import numpy as np
import pytest
import torch
from fvm_learners.latent import LatentDistribution, LatentPolicy

CPU = torch.device("cpu")


def rngs(num=5):
    return [np.random.default_rng([7, slot]) for slot in range(num)]


def test_a_policy_without_a_latent_has_no_state():
    assert LatentPolicy(0, CPU).initial_state(3) is None
    state = LatentPolicy(2, CPU).initial_state(3)
    assert (state.shape, state.abs().sum()) == ((3, 2), 0)


@pytest.mark.parametrize("inferred", [False, True])
def test_those_of_the_mask_are_drawn_and_no_others(inferred):
    rows = LatentDistribution(torch.tensor([[1.0, -2.0], [5.0, 0.0]]), torch.tensor([[0.0, 0.5], [2.0, 0.0]]))
    policy = LatentPolicy(2, CPU, rows if inferred else None)
    state = torch.full((5, 2), 9.0)
    mask = np.array([True, False, True, True, False])
    drawn = policy.drawn(state, mask, rngs())
    assert (state == 9).all()
    for slot in range(5):
        normal = np.random.default_rng([7, slot]).standard_normal(2).astype(np.float32)
        told = rows.mean[slot % 2] + rows.std[slot % 2] * torch.from_numpy(normal)
        expected = (told if inferred else torch.from_numpy(normal)) if mask[slot] else torch.full((2,), 9.0)
        assert torch.equal(drawn[slot], expected)


def test_a_slots_latent_does_not_depend_on_its_neighbours():
    policy = LatentPolicy(3, CPU)
    everywhere = policy.drawn(torch.zeros(5, 3), np.ones(5, bool), rngs())
    alone = policy.drawn(torch.zeros(5, 3), np.arange(5) == 3, rngs())
    assert torch.equal(everywhere[3], alone[3])


def test_another_latent_makes_another_policy():
    policy = LatentPolicy(1, CPU)
    known = LatentDistribution(torch.ones(1, 1), torch.zeros(1, 1))
    other = policy.with_latent(known)
    assert (policy.latent, other.latent) == (None, known)
    assert other.with_latent(None).latent is None
    assert type(other) is LatentPolicy
