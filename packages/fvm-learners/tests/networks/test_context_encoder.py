"""PEARL's factors: what they are made of, written out."""

import pytest
import torch
import torch.nn.functional as F
from fvm_learners.networks.context_encoder import ContextEncoder
from torch import nn


class Doubling(nn.Module):
    def forward(self, obs):
        return 2 * obs


@pytest.mark.parametrize("next_obs", [False, True])
def test_factors_by_hand(next_obs):
    torch.manual_seed(0)
    encoder = ContextEncoder(Doubling(), 3, 4, 6, 2, next_obs=next_obs)
    obs, following = torch.randn(5, 3), torch.randn(5, 3)
    action, reward = torch.tensor([0, 3, 1, 1, 2]), torch.randn(5)
    mean, variance = encoder(obs, action, reward, following)
    told = [2 * obs, *([2 * following] if next_obs else []), torch.eye(4)[action], reward[:, None]]
    hidden = torch.cat(told, dim=1) @ encoder.hidden.weight.T + encoder.hidden.bias
    out = F.relu(hidden) @ encoder.gaussian.weight.T + encoder.gaussian.bias
    assert torch.allclose(mean, out[:, :2], atol=1e-6)
    assert torch.allclose(variance, torch.log1p(out[:, 2:].exp()), atol=1e-6)
    assert (variance > 0).all()
    assert next_obs or torch.equal(encoder(obs, action, reward)[0], mean)  # what follows does not count


def test_any_leading_shape():
    encoder = ContextEncoder(Doubling(), 3, 2, 6, 2)
    obs, action, reward = torch.randn(4, 5, 3), torch.zeros(4, 5, dtype=torch.long), torch.randn(4, 5)
    mean, _ = encoder(obs, action, reward)
    flat, _ = encoder(obs.flatten(0, 1), action.flatten(), reward.flatten())
    assert torch.allclose(mean, flat.view(4, 5, 2), atol=1e-6)
    alone, _ = encoder(obs[1, 2], action[1, 2], reward[1, 2])
    assert torch.allclose(alone, mean[1, 2], atol=1e-6)
