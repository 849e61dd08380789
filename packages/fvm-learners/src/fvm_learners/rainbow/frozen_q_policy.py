"""A Q network's policy as it was at one moment, for evaluation and as a teacher."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.latent import LatentDistribution, LatentPolicy
from fvm_learners.modules import QModule
from fvm_learners.observations import to_tensor
from fvm_learners.rainbow.q_network import QNetwork
from fvm_learners.weights import network_weights


class FrozenQPolicy(LatentPolicy):
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
        super().__init__(network.latent_size, network.atoms.device, latent)
        self.network = deepcopy(network).requires_grad_(False).eval()
        self._eps, self._every_step = eps, latent_every_step

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Copies of all parameters; writing into them changes nothing here."""
        return MappingProxyType(network_weights(self.network))

    def module(self) -> QModule:
        """Returns a copy of the network as a plain module of tensors, to be exported."""
        return QModule(deepcopy(self.network)).eval()

    @torch.no_grad()
    def act(
        self,
        obs: Any,
        state: Tensor | None,
        episode_start: NDArray[np.bool_],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[NDArray[Any], Tensor | None]:
        """Actions [B] for the env and the latents they were taken with.

        Args:
            obs: [B, *obs_shape], as the env gives them.
            state: Of the call before, or `initial_state`.
            episode_start: [B] bool, `obs` is an episode's first.
            rngs: One for each slot: a slot's episode does not depend on its neighbours.

        Raises:
            ValueError: There are more generators or fewer than slots.
        """
        if len(rngs) != len(episode_start):
            raise ValueError(f"{len(rngs)} generators for {len(episode_start)} slots: give one for each")
        network = self.network
        if state is not None:
            state = self.drawn(state, np.asarray(episode_start) | self._every_step, rngs)
        seen: Any = to_tensor(obs, network.obs_dtype, self._device)
        greedy = network.q_values(seen, None, state).argmax(dim=1).cpu().numpy()
        explores = np.array([rng.random() for rng in rngs]) < self._eps
        uniform = np.array([rng.integers(network.num_actions) for rng in rngs])
        return network.to_env(np.where(explores, uniform, greedy)), state
