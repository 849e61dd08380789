"""A policy as it was at one moment, for evaluation and as a teacher."""

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.autoreset import Step
from fvm_learners.observations import Obs, to_tensor
from fvm_learners.ppo.actor_critic import ActorCritic
from fvm_learners.weights import network_weights


@dataclass(frozen=True)
class Memory:
    """What a recurrent policy remembers of L episodes under way; all zero where there is nothing yet.

    Attributes:
        state: [L, 2, lstm_size] recurrent state.
        feedback: [L, num_feedback] that its next observation comes with.
    """

    state: Tensor
    feedback: Tensor

    def replaced(self, rows: Tensor, by: "Memory") -> "Memory":
        """This memory with the rows of the mask [L] taken from another."""
        return Memory(
            torch.where(rows[:, None, None], by.state, self.state),
            torch.where(rows[:, None], by.feedback, self.feedback),
        )

    @classmethod
    def blank(cls, state: Tensor | None, obs: Obs) -> "Memory | None":
        """Of slots that have seen nothing; None without a recurrent state or without feedback."""
        if state is None or not isinstance(obs, dict):
            return None
        return cls(torch.zeros_like(state), torch.zeros_like(obs["feedback"]))

    def at_new_trials(self, outcome: Step, state: Tensor | None, obs: Obs) -> "Memory":
        """This memory, anew in the slots that begin another trial of their episode (`info["trial_end"]`)."""
        new_trial = outcome.mask("trial_end") & ~outcome.ended
        if state is None or not isinstance(obs, dict) or not new_trial.any():
            return self
        return self.replaced(torch.from_numpy(new_trial).to(state.device), Memory(state, obs["feedback"]))

    def state_dict(self) -> dict[str, Tensor]:
        """Copies on the CPU."""
        return {"state": self.state.cpu().clone(), "feedback": self.feedback.cpu().clone()}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], device: torch.device) -> "Memory":
        """What `state_dict` gave."""
        return cls(state["state"].to(device, copy=True), state["feedback"].to(device, copy=True))


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
        """
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
