"""A policy as it was at one moment, for evaluation and as a teacher."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.networks import ActorCritic


def policy_weights(policy: ActorCritic) -> dict[str, Tensor]:
    """Copies of all parameters, contiguous (safetensors takes no other) and on the CPU."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in policy.state_dict().items()
    }


class FrozenPolicy:
    """Samples actions from a copy of a policy that nothing trains."""

    def __init__(self, policy: ActorCritic) -> None:
        self._policy = deepcopy(policy).requires_grad_(False).eval()
        self._device = self._policy.value.weight.device

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Copies of all parameters; writing into them changes nothing here."""
        return MappingProxyType(policy_weights(self._policy))

    def initial_state(self, num_envs: int) -> Tensor | None:
        """Recurrent state before the first step; None without memory."""
        return self._policy.initial_state(num_envs)

    @torch.no_grad()
    def act(
        self,
        obs: NDArray[Any],
        state: Tensor | None,
        episode_start: NDArray[np.bool_],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[NDArray[Any], Tensor | None]:
        """Actions [B] for the env and the next recurrent state.

        Args:
            obs: [B, ...].
            state: of the call before, or `initial_state`.
            episode_start: [B] bool, `obs` is an episode's first.
            rngs: one for each slot, which draws once: a slot's episode does not depend on its neighbours.
        """
        policy = self._policy
        dist, _, state = policy(
            torch.from_numpy(np.ascontiguousarray(obs)).to(self._device, policy.obs_dtype),
            state,
            torch.from_numpy(np.ascontiguousarray(episode_start)).to(self._device),
        )
        noise = np.stack([policy.head.draw_one(rng) for rng in rngs])
        return policy.head.to_env(dist.sample(torch.from_numpy(noise).to(self._device))), state
