"""What a learner's network would do, as retention compares it."""

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig, Rainbow, RainbowConfig
from fvm_learners.networks.heads import Categorical, DiagonalGaussian
from torch.distributions import Categorical as TorchCategorical
from torch.distributions import Independent, Normal, kl_divergence


def test_kl_is_torchs():
    logits = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    ours = Categorical(logits[0]).kl(Categorical(logits[1]))
    theirs = kl_divergence(TorchCategorical(logits=logits[0]), TorchCategorical(logits=logits[1]))
    assert torch.allclose(ours, theirs, atol=1e-6)

    rng = torch.Generator().manual_seed(1)
    mean, log_std = torch.randn(2, 5, 3, generator=rng), torch.randn(2, 3, generator=rng)
    ours = DiagonalGaussian(mean[0], log_std[0]).kl(DiagonalGaussian(mean[1], log_std[1]))
    p, q = (Independent(Normal(m, s.exp().expand_as(m)), 1) for m, s in zip(mean, log_std, strict=True))
    assert torch.allclose(ours, kl_divergence(p, q), rtol=1e-5)


def same(one, other):
    return float(one.kl(other).detach().abs().max()) < 1e-6


@pytest.mark.parametrize("action_space", [gym.spaces.Discrete(3), gym.spaces.Box(-1, 1, (2,), np.float32)])
def test_ppos_is_what_it_acts_with(action_space):
    space = gym.spaces.Box(-1, 1, (4,), np.float32)
    ppo = PPO(space, action_space, PPOConfig(mlp_sizes=(8,)), seed=0)
    obs = torch.randn(7, 4)
    dist, state = ppo.distribution(ppo.policy, SimpleNamespace(obs=obs))
    assert state is None
    assert same(dist, ppo.policy(obs)[0])
    assert same(dist, ppo.distribution_from(dist.params))
    assert dist.params.shape == (7, 3 if isinstance(action_space, gym.spaces.Discrete) else 4)


def test_ppos_with_memory_goes_through_the_sequence():
    space = gym.spaces.Box(-1, 1, (4,), np.float32)
    config = PPOConfig(mlp_sizes=(8,), recurrent=True, lstm_size=8)
    ppo = PPO(space, gym.spaces.Discrete(3), config, seed=0)
    obs, start = torch.randn(5, 2, 4), torch.zeros(5, 2, dtype=torch.bool)
    states = SimpleNamespace(obs=obs, initial_state=torch.randn(2, 2, 8), episode_start=start)
    dist, state = ppo.distribution(ppo.policy, states)
    assert dist.entropy().shape == (5, 2)
    expected, _, after = ppo.policy(obs, states.initial_state, start)
    assert same(dist, expected)
    assert torch.equal(state, after)


def test_rainbows_is_the_softmax_of_scaled_advantages():
    space = gym.spaces.Box(-1, 1, (4,), np.float32)
    config = RainbowConfig(mlp_sizes=(8,), hidden_size=8, num_atoms=5, learn_start=0, replay_capacity=500)
    rainbow = Rainbow(space, gym.spaces.Discrete(3), config, seed=0)
    rainbow.distribution_temperature = 0.5
    obs = torch.randn(7, 4)
    dist, state = rainbow.distribution(rainbow.policy, SimpleNamespace(obs=obs))
    q_value = rainbow.policy.q_values(obs)
    assert state is None
    assert torch.allclose(dist.log_probs.exp(), torch.softmax(2 * q_value, dim=-1), atol=1e-6)
    assert same(dist, rainbow.distribution_from(dist.params))


def test_modes_draws_and_spread_of_a_categorical():
    dist = Categorical(torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]]).log())
    assert dist.mode().tolist() == [1, 0]
    many = Categorical(dist.log_probs[:, None].expand(2, 20_000, 3))
    drawn = many.draw(torch.Generator().manual_seed(0))
    assert drawn.shape == (2, 20_000)
    for row, wanted in zip(drawn, dist.log_probs.exp(), strict=True):
        assert torch.allclose(torch.bincount(row, minlength=3) / 20_000, wanted, atol=0.02)
    logs = dist.log_probs
    assert dist.spread().item() == pytest.approx((logs - logs.mean(-1, keepdim=True)).std().item())
