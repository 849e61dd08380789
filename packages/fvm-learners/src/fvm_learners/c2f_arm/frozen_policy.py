"""A C2F-ARM agent as it was at one moment, for evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.c2f_arm.acting import choose
from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.networks import ArmNetworks
from fvm_learners.c2f_arm.scene import scene_of
from fvm_learners.c2f_arm.views import Eye, Views
from fvm_learners.latent import LatentDistribution, LatentPolicy
from fvm_learners.weights import network_weights


class FrozenArmPolicy(LatentPolicy):
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
        super().__init__(config.latent_size, next(network.parameters()).device, latent)
        self.network = deepcopy(network).requires_grad_(False)
        self.config, self.eye = config, eye

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Copies of the parameters, contiguous, on the CPU."""
        return MappingProxyType(network_weights(self.network))

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
            rngs: One for each slot: a slot's episode does not depend on its neighbours, where `acting_stride`
                is 1.
        """
        return self.act_on(self.eye.read(obs), state, episode_start, rngs)

    def act_on(
        self,
        views: Views,
        state: Tensor | None,
        episode_start: NDArray[np.bool_],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[NDArray[np.float32], Tensor | None]:
        """Returns what `act` does, of observations [B] that were read already."""
        if state is not None:
            state = self.drawn(state, episode_start, rngs)
        scene = scene_of(views, self.eye, self.config, self._device, latent=state)
        return choose(self.network.networks, scene, self.config, self.eye), state
