import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners.networks.heads import Categorical, DiagonalGaussian, make_head


def test_categorical_by_hand():
    dist = Categorical(torch.tensor([[0.5, 0.25, 0.25]]).log())
    assert dist.entropy().item() == pytest.approx(1.5 * math.log(2))
    assert dist.log_prob(torch.tensor([1])).item() == pytest.approx(math.log(0.25))
    noise = torch.tensor([0.0, 0.4999, 0.5, 0.74, 0.76, 1 - 1e-16], dtype=torch.float64)
    assert dist.sample(noise).tolist() == [0, 0, 1, 1, 2, 2]


def test_gaussian_agrees_with_torchs():
    mean, log_std = torch.randn(4, 3), torch.randn(3)
    ours = DiagonalGaussian(mean, log_std)
    theirs = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    action = torch.randn(4, 3)
    torch.testing.assert_close(ours.log_prob(action), theirs.log_prob(action))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    torch.testing.assert_close(ours.sample(torch.ones(4, 3)), mean + log_std.exp())


def test_discrete_actions_begin_where_the_space_does():
    head = make_head(gym.spaces.Discrete(3, start=5), 4)
    assert head.to_env(torch.tensor([0, 2])).tolist() == [5, 7]


def test_box_actions_are_clipped_and_shaped_for_the_env():
    head = make_head(gym.spaces.Box(-1, 1, (2, 2), np.float64), 4)
    action = head.to_env(torch.tensor([[-3.0, 0.5, 2.0, 1.0]]))
    assert action.dtype == np.float64
    assert action.tolist() == [[[-1, 0.5], [1, 1]]]


@pytest.mark.parametrize("space", [gym.spaces.MultiDiscrete([2, 2]), gym.spaces.Box(0, 5, (2,), np.int64)])
def test_other_spaces_are_refused(space):
    with pytest.raises(TypeError, match="neither Discrete nor a floating-point Box"):
        make_head(space, 4)
