"""A policy as it was at one moment, for evaluation and as a teacher."""

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.memory import Memory
from fvm_learners.modules import PolicyModule
from fvm_learners.observations import to_tensor
from fvm_learners.ppo.actor_critic import ActorCritic
from fvm_learners.weights import network_weights


class FrozenPolicy:
    """Samples actions from a copy of a policy that nothing trains.

    Args:
        policy: Copied.
    """

    def __init__(self, policy: ActorCritic) -> None:
        self._policy = deepcopy(policy).requires_grad_(False).eval()
        self._device = self._policy.value.weight.device
        # With which slot i begins each episode: that of its row i, modulo L. None begins with nothing.
        self._memory: Memory | None = None

    def remembering(self, memory: Memory | None) -> "FrozenPolicy":
        """This policy with another memory to begin with; nothing trains it, so both share its parameters."""
        other = copy(self)
        other._memory = memory
        return other

    @property
    def memory(self) -> Memory | None:
        """Returns what it begins each episode with; None for nothing."""
        return self._memory

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Copies of all parameters; writing into them changes nothing here."""
        return MappingProxyType(network_weights(self._policy))

    def module(self) -> PolicyModule:
        """Returns a copy of the network as a plain module of tensors, to be exported."""
        return PolicyModule(deepcopy(self._policy)).eval()

    def initial_state(self, num_envs: int) -> Tensor | None:
        """Recurrent state before the first step; None without memory."""
        return self._policy.initial_state(num_envs)

    @torch.no_grad()
    def act(
        self,
        obs: Any,
        state: Tensor | None,
        episode_start: NDArray[np.bool_],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[NDArray[Any], Tensor | None]:
        """Actions [B] for the env and the next recurrent state.

        Args:
            obs: [B, ...], as the env gives them.
            state: Of the call before, or `initial_state`.
            episode_start: [B] bool, `obs` is an episode's first.
            rngs: One for each slot, which draws once: a slot's episode does not depend on its neighbours.

        Raises:
            ValueError: There are more generators or fewer than slots.
        """
        if len(rngs) != len(episode_start):
            raise ValueError(f"{len(rngs)} generators for {len(episode_start)} slots: give one for each")
        policy = self._policy
        seen = to_tensor(obs, policy.obs_dtype, self._device)
        starts = torch.from_numpy(np.ascontiguousarray(episode_start)).to(self._device)
        if self._memory is not None and state is not None and isinstance(seen, dict):
            rows = torch.arange(len(starts), device=self._device) % len(self._memory.state)
            state = torch.where(starts[:, None, None], self._memory.state[rows], state)
            told = torch.where(starts[:, None], self._memory.feedback[rows], seen["feedback"])
            seen = {**seen, "feedback": told}
            starts = torch.zeros_like(starts)
        dist, _, state = policy(seen, state, starts)
        noise = np.stack([policy.head.draw_one(rng) for rng in rngs])
        return policy.head.to_env(dist.sample(torch.from_numpy(noise).to(self._device))), state
