"""Latents that a frozen policy plays with: drawn from a prior, or from what was inferred of the task."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class LatentDistribution:
    """Gaussians that latents are drawn from; slot i's is row i (modulo R).

    Attributes:
        mean: [R, latent_size].
        std: [R, latent_size]; zeros for a latent that is known.
    """

    mean: Tensor
    std: Tensor


class LatentPolicy:
    """What every frozen policy with a latent does with it.

    Args:
        latent_size: Of one latent; 0 for a policy without.
        device: Where it computes.
        latent: What a slot's latent is drawn from; None for the prior, mean 0 and standard deviation 1.
    """

    def __init__(
        self, latent_size: int, device: torch.device, latent: LatentDistribution | None = None
    ) -> None:
        self._latent_size, self._device, self._latent = latent_size, device, latent

    def with_latent(self, latent: LatentDistribution | None) -> Self:
        """Returns this policy with latents from another distribution; None for the prior."""
        other = copy(self)  # nothing trains the network: both may have the same
        other._latent = latent
        return other

    @property
    def latent(self) -> LatentDistribution | None:
        """Returns what its latents are drawn from; None for the prior."""
        return self._latent

    def initial_state(self, num_envs: int) -> Tensor | None:
        """Returns the state before the first step: latents [B, latent_size], not yet drawn; None without."""
        if not self._latent_size:
            return None
        return torch.zeros(num_envs, self._latent_size, device=self._device)

    def drawn(self, state: Tensor, mask: NDArray[np.bool_], rngs: Sequence[np.random.Generator]) -> Tensor:
        """Returns a copy of the latents [B, latent_size] with those of the mask [B] drawn anew.

        Args:
            state: Unchanged.
            mask: [B] bool.
            rngs: One for each slot: a slot's latent does not depend on its neighbours.
        """
        state = state.clone()
        for slot in np.flatnonzero(mask).tolist():
            normal = torch.from_numpy(rngs[slot].standard_normal(state.shape[1]))
            latent = normal.to(self._device, torch.float32)
            if self._latent is not None:
                row = slot % len(self._latent.mean)
                latent = self._latent.mean[row] + self._latent.std[row] * latent
            state[slot] = latent
        return state
