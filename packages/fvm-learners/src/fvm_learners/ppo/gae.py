"""Generalised advantage estimation (Schulman et al. 2016, arXiv 1506.02438, eq. 16).

    delta_t = reward_t + discount * (1 - terminated_t) * next_value_t - value_t
    advantage_t = delta_t + discount * gae_lambda * (1 - cut_t) * advantage_{t+1}

`next_value` is an argument of its own, not `value` shifted by one row, because they differ exactly where it
matters: after a truncation the next row belongs to another episode, while the return goes on from the
observation the episode was cut at.
"""

import torch
from torch import Tensor


def gae(
    reward: Tensor,
    value: Tensor,
    next_value: Tensor,
    terminated: Tensor,
    cut: Tensor,
    *,
    discount: float,
    gae_lambda: float,
) -> Tensor:
    """Advantages [T, B]; add `value` for the returns the critic learns from.

    Args:
        reward: [T, B] float.
        value: [T, B] value of the observation the action was taken on.
        next_value: [T, B] value of the observation the action led to.
        terminated: [T, B] bool, no reward can follow: `next_value` is not used.
        cut: [T, B] bool, the next row does not continue this one (terminated or truncated).
        discount: Gamma.
        gae_lambda: 0 is one-step TD, 1 is the Monte Carlo return.
    """
    bootstrap = torch.where(terminated, 0.0, next_value)
    delta = reward + discount * bootstrap - value
    carry_on = discount * gae_lambda * (~cut).to(delta.dtype)
    advantage = torch.empty_like(delta)
    following = torch.zeros_like(delta[0])
    for t in reversed(range(delta.shape[0])):
        following = delta[t] + carry_on[t] * following
        advantage[t] = following
    return advantage
