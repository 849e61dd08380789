"""A C2F-ARM agent as it was at one moment, for evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.c2f_arm.acting import choose
from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.networks import ArmNetworks
from fvm_learners.c2f_arm.scene import scene_of
from fvm_learners.c2f_arm.views import Eye
from fvm_learners.latent import LatentDistribution
from fvm_learners.weights import network_weights


class FrozenArmPolicy:
    """The best poses by a copy that nothing trains.

    Args:
        network: Copied.
        config: Beam and grids.
        eye: How observations are read.
        latent: What a slot's latent is drawn from; None for the prior.
    """

    def __init__(
        self, network: ArmNetworks, config: C2FARMConfig, eye: Eye, latent: LatentDistribution | None = None
    ) -> None:
        self.network = deepcopy(network).requires_grad_(False)
        self.config, self.eye = config, eye
        self._latent = latent
        self._device = next(network.parameters()).device

    def with_latent(self, latent: LatentDistribution | None) -> FrozenArmPolicy:
        """This policy with latents from another distribution; None for the prior."""
        other = copy(self)  # nothing trains the network: both may have the same
        other._latent = latent
        return other

    @property
    def latent(self) -> LatentDistribution | None:
        """What latents are drawn from; None for the prior."""
        return self._latent

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Copies of the parameters, contiguous, on the CPU."""
        return MappingProxyType(network_weights(self.network))

    def initial_state(self, num_envs: int) -> Tensor | None:
        """The state before the first step: latents, still to be drawn; None without."""
        size = self.config.latent_size
        return torch.zeros(num_envs, size, device=self._device) if size else None

    def act(
        self,
        obs: Mapping[str, NDArray[Any]],
        state: Tensor | None,
        episode_start: NDArray[np.bool_],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[NDArray[np.float32], Tensor | None]:
        """Poses [B, 8] for the env and the latents they were chosen with.

        Args:
            obs: Of all slots, as the env gives them.
            state: Of the call before, or `initial_state`.
            episode_start: [B] bool, `obs` is an episode's first; a latent is drawn then.
            rngs: One for each slot: a slot's episode does not depend on its neighbours.
        """
        if state is not None:
            state = state.clone()
            for slot in np.flatnonzero(episode_start).tolist():
                normal = torch.from_numpy(rngs[slot].standard_normal(state.shape[1]))
                drawn = normal.to(self._device, torch.float32)
                if self._latent is not None:
                    row = slot % len(self._latent.mean)
                    drawn = self._latent.mean[row] + self._latent.std[row] * drawn
                state[slot] = drawn
        scene = scene_of(self.eye.read(obs), self.eye, self.config, self._device, latent=state)
        return choose(self.network.networks, scene, self.config, self.eye), state
