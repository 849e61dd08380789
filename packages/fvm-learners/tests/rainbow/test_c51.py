import math

import pytest
import torch
from fvm_learners.rainbow.c51 import project

ATOMS = torch.linspace(-1.0, 1.0, 5)  # -1, -.5, 0, .5, 1


def brute_force(prob, return_, discount, atoms):
    """Algorithm 1 of Bellemare et al. 2017, line by line."""
    v_min, v_max = atoms[0].item(), atoms[-1].item()
    spacing = (v_max - v_min) / (len(atoms) - 1)
    out = []
    for p, r, gamma in zip(prob.tolist(), return_.tolist(), discount.tolist(), strict=True):
        m = [0.0] * len(atoms)
        for j, z in enumerate(atoms.tolist()):
            b = (min(max(r + gamma * z, v_min), v_max) - v_min) / spacing
            low, high = math.floor(b), math.ceil(b)
            if low == high:
                m[low] += p[j]
            else:
                m[low] += p[j] * (high - b)
                m[high] += p[j] * (b - low)
        out.append(m)
    return torch.tensor(out)


def test_it_is_algorithm_1():
    rng = torch.Generator().manual_seed(0)
    atoms = torch.linspace(-10, 10, 51)
    prob = torch.softmax(2 * torch.randn(200, 51, generator=rng), dim=1)
    return_ = 8 * torch.randn(200, generator=rng)  # many beyond the support
    discount = torch.rand(200, generator=rng) * (torch.rand(200, generator=rng) < 0.8)
    torch.testing.assert_close(
        project(prob, return_, discount, atoms),
        brute_force(prob, return_, discount, atoms),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize(
    ("prob", "return_", "discount", "expected"),
    [
        ([0, 0, 1, 0, 0], 0.25, 0.9, [0, 0, 0.5, 0.5, 0]),  # .25 lies midway between 0 and .5
        ([0, 0, 0, 0, 1], 0.3, 0.5, [0, 0, 0, 0.4, 0.6]),  # .3 + .5 * 1 = .8
        ([0.2, 0.2, 0.2, 0.2, 0.2], 0.5, 0.0, [0, 0, 0, 1, 0]),  # done: the reward is all
        ([1, 0, 0, 0, 0], -0.7, 1.0, [1, 0, 0, 0, 0]),  # -1.7 is clipped to -1
        ([0, 1, 0, 0, 0], 0.0, 1.0, [0, 1, 0, 0, 0]),  # nothing moves
    ],
)
def test_by_hand(prob, return_, discount, expected):
    out = project(
        torch.tensor([prob], dtype=torch.float32), torch.tensor([return_]), torch.tensor([discount]), ATOMS
    )
    torch.testing.assert_close(out, torch.tensor([expected], dtype=torch.float32))


def test_the_mean_is_that_of_the_shifted_distribution():
    """As long as nothing is clipped."""
    prob = torch.softmax(torch.randn(50, 5, generator=torch.Generator().manual_seed(0)), dim=1)
    return_, discount = torch.linspace(-0.5, 0.5, 50), torch.full((50,), 0.5)
    mean = project(prob, return_, discount, ATOMS) @ ATOMS
    torch.testing.assert_close(mean, return_ + 0.5 * (prob @ ATOMS))
