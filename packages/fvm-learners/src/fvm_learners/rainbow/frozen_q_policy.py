"""A Q network's policy as it was at one moment, for evaluation and as a teacher."""

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.rainbow.q_network import QNetwork
from fvm_learners.weights import network_weights


@dataclass(frozen=True)
class LatentDistribution:
    """Gaussians that latents are drawn from; slot i's is row i (modulo R).

    Attributes:
        mean: [R, latent_size].
        std: [R, latent_size]; zeros for a latent that is known.
    """

    mean: Tensor
    std: Tensor


class FrozenQPolicy:
    """Greedy actions of a copy that nothing trains, without noise on its weights.

    Args:
        network: Copied.
        eps: Probability of a uniform action instead.
        latent: What a slot's latent is drawn from; None for the prior, mean 0 and standard deviation 1.
        latent_every_step: Draw it at every step, not only where an episode starts.
    """

    def __init__(
        self,
        network: QNetwork,
        eps: float,
        latent: LatentDistribution | None = None,
        *,
        latent_every_step: bool = False,
    ) -> None:
        self.network = deepcopy(network).requires_grad_(False)
        self._device = network.atoms.device
        self._eps, self._latent, self._every_step = eps, latent, latent_every_step

    def with_latent(self, latent: LatentDistribution | None) -> "FrozenQPolicy":
        """This policy with latents from another distribution; None for the prior."""
        other = copy(self)  # nothing trains the network: both may have the same
        other._latent = latent
        return other

    @property
    def latent(self) -> LatentDistribution | None:
        """Returns what its latents are drawn from; None for the prior."""
        return self._latent

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Copies of all parameters; writing into them changes nothing here."""
        return MappingProxyType(network_weights(self.network))

    def initial_state(self, num_envs: int) -> Tensor | None:
        """Latents before the first step; None for a network without."""
        if not self.network.latent_size:
            return None
        return torch.zeros(num_envs, self.network.latent_size, device=self._device)

    @torch.no_grad()
    def act(
        self,
        obs: Any,
        state: Tensor | None,
        episode_start: NDArray[np.bool_],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[NDArray[np.int64], Tensor | None]:
        """Actions [B] for the env and the latents they were taken with.

        Args:
            obs: [B, *obs_shape], as the env gives them.
            state: Of the call before, or `initial_state`.
            episode_start: [B] bool, `obs` is an episode's first.
            rngs: One for each slot: a slot's episode does not depend on its neighbours.
        """
        network = self.network
        if state is not None:
            state = self._latents(state, np.asarray(episode_start) | self._every_step, rngs)
        seen = torch.from_numpy(np.ascontiguousarray(obs)).to(self._device, network.obs_dtype)
        greedy = network.q_values(seen, None, state).argmax(dim=1).cpu().numpy()
        explores = np.array([rng.random() for rng in rngs]) < self._eps
        uniform = np.array([rng.integers(network.num_actions) for rng in rngs])
        return np.where(explores, uniform, greedy) + network.first_action, state

    def _latents(
        self, state: Tensor, drawn: NDArray[np.bool_], rngs: Sequence[np.random.Generator]
    ) -> Tensor:
        """`state` [B, latent_size] with the latents of the mask [B] drawn anew."""
        state = state.clone()
        for slot in np.flatnonzero(drawn).tolist():
            normal = torch.from_numpy(rngs[slot].standard_normal(state.shape[1]))
            latent = normal.to(self._device, torch.float32)
            if self._latent is not None:
                row = slot % len(self._latent.mean)
                latent = self._latent.mean[row] + self._latent.std[row] * latent
            state[slot] = latent
        return state
