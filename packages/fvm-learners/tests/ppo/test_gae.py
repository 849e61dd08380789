import pytest
import torch
from fvm_learners.ppo.gae import gae


def rows(*values):
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def flags(*values):
    return torch.tensor(values, dtype=torch.bool).unsqueeze(1)


def test_constant_deltas_give_a_geometric_series():
    # Rewards 1, values 0: advantage_t is the sum of (discount * gae_lambda)^k over the steps left.
    steps, discount, gae_lambda = 20, 0.9, 0.8
    zeros, never = torch.zeros(steps, 1), torch.zeros(steps, 1, dtype=torch.bool)
    advantage = gae(zeros + 1, zeros, zeros, never, never, discount=discount, gae_lambda=gae_lambda)
    q = discount * gae_lambda
    expected = torch.tensor([[(1 - q ** (steps - t)) / (1 - q)] for t in range(steps)])
    torch.testing.assert_close(advantage, expected)


def test_by_hand():
    # Deltas: 1 + .5*4 - 2 = 1; 2 + .5*6 - 4 = 1 (truncated); 3 - 8 = -5 (terminated).
    advantage = gae(
        rows(1, 2, 3),
        rows(2, 4, 8),
        rows(4, 6, 100),
        flags(0, 0, 1),
        flags(0, 1, 1),
        discount=0.5,
        gae_lambda=0.5,
    )
    torch.testing.assert_close(advantage, rows(1.25, 1, -5))


def test_lambda_one_is_the_monte_carlo_return_and_zero_is_the_td_error():
    rng = torch.Generator().manual_seed(0)
    reward, value, next_value = torch.rand(3, 30, 4, generator=rng, dtype=torch.float64).unbind()
    cut = torch.rand(30, 4, generator=rng) < 0.2
    terminated = cut & (torch.rand(30, 4, generator=rng) < 0.5)
    # `next_value` is the next row's value unless that belongs to another episode.
    next_value[:-1] = torch.where(cut[:-1], next_value[:-1], value[1:])
    arguments = (reward, value, next_value, terminated, cut)
    td = gae(*arguments, discount=0.9, gae_lambda=0.0)
    torch.testing.assert_close(td, reward + 0.9 * next_value * ~terminated - value)
    monte_carlo = gae(*arguments, discount=0.9, gae_lambda=1.0) + value
    for slot in range(4):
        for t in range(30):
            return_, factor = 0.0, 1.0
            for k in range(t, 30):
                return_ += factor * reward[k, slot].item()
                factor *= 0.9
                if cut[k, slot] or k == 29:
                    return_ += 0.0 if terminated[k, slot] else factor * next_value[k, slot].item()
                    break
            assert monte_carlo[t, slot].item() == pytest.approx(return_)


def test_terminated_and_truncated_differ_by_the_discounted_bootstrap():
    arguments = rows(0, 0), rows(0, 0), rows(0, 10)
    truncated = gae(*arguments, flags(0, 0), flags(0, 1), discount=0.9, gae_lambda=1.0)
    terminated = gae(*arguments, flags(0, 1), flags(0, 1), discount=0.9, gae_lambda=1.0)
    torch.testing.assert_close(truncated - terminated, rows(8.1, 9))


def test_a_next_value_that_is_not_a_number_is_harmless_where_terminated():
    advantage = gae(rows(1), rows(0), rows(float("nan")), flags(1), flags(1), discount=0.9, gae_lambda=0.9)
    torch.testing.assert_close(advantage, rows(1))
