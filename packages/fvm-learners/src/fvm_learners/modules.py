"""Networks as plain modules of tensors, for `torch.export`, `torch.onnx.export` and C++.

A learner's network returns distributions and takes noise; what is deployed needs neither. The module's
parameters are the agent's own, named as in its weights behind `network.`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class PolicyModule(nn.Module):
    """A policy of observations, and of what it remembers if it has a memory.

    Args:
        network: Of PPO.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, obs: Any, state: Tensor | None = None) -> Any:
        """Returns the distributions' parameters, and for a policy with memory the state after them as well.

        Those are log-probabilities [B, A], or means and logs of standard deviations [B, 2 d].

        Args:
            obs: [B, ...], or a dict with its feedback, as the env gives them.
            state: [B, 2, size] before this step, zeros at an episode's start; None without memory.
        """
        starts = None
        if state is not None:
            starts = torch.zeros(state.shape[0], dtype=torch.bool, device=state.device)
        dist, _, after = self.network(obs, state, starts)
        return dist.params if after is None else (dist.params, after)


class QModule(nn.Module):
    """Values of observations, and of a latent if the network has one.

    Args:
        network: Of Rainbow.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, obs: Tensor, latent: Tensor | None = None) -> Tensor:
        """Returns Q(s, a) [B, A] by the weights' means, without noise.

        Args:
            obs: [B, ...], as the env gives them.
            latent: [B, latent_size]; None for a network without.
        """
        values: Tensor = self.network.q_values(obs, None, latent)  # type: ignore[operator]
        return values
