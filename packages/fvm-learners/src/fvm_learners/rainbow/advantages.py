"""What a Q network prefers, as a distribution over actions: retention compares two by it.

    pi(a | s) = softmax_a(A(s, a) / tau),    A = Q - mean of Q over the actions

Neither the offset of values nor, with tau in their own units, the scale of rewards counts. The published form
closest to it is QDagger's, whose softmax is of Q / tau (Agarwal et al. 2022).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fvm_learners.networks.heads import Categorical
from fvm_learners.rainbow.q_network import QNetwork


class AdvantageDistribution:
    """A learner whose policy is the softmax of its advantages.

    Attributes:
        distribution_temperature: Tau, in units of the advantage.
    """

    distribution_temperature = 1.0

    def distribution(self, policy: QNetwork, states: Any) -> tuple[Categorical, None]:
        """What `policy` prefers in these states, by its weights' means, without noise.

        Args:
            policy: This learner's network or a copy of it.
            states: Its batch, or anything with `obs` and, for a network with a latent, `latent`.
        """
        q_value = policy.q_values(states.obs, None, getattr(states, "latent", None))
        advantage = q_value - q_value.mean(dim=-1, keepdim=True)
        return Categorical(torch.log_softmax(advantage / self.distribution_temperature, dim=-1)), None

    def distribution_from(self, params: Tensor) -> Categorical:
        """The distribution whose `params` [..., A] these were."""
        return Categorical.from_params(params)
