"""What C2F-ARM's networks prefer, as a distribution over poses: retention compares two by it.

    pi(v_d | s) = softmax_v(Q_d(s, v) / tau)           of each depth d, within the grid about `centres[d]`
    pi(x | s)   = softmax_x(Q(s, x) / tau)             of each of three angles' bins, and the gripper's states

All choices are independent given the crop, and the crop is given: a teacher and its student are asked about
the same grids, those in which the action lies that was taken there. Of a batch that is the action in the
replay; of states that a pretrained agent visited it is that agent's own. KLs of all choices are added with
equal weights. Voxels that acting never chooses (`C2FARMConfig.workspace`) count as well, as in the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fvm_learners.c2f_arm.c2f_arm import components
from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.grid import path_of
from fvm_learners.c2f_arm.networks import ArmNetworks
from fvm_learners.c2f_arm.scene import Scene, look, scene_of
from fvm_learners.c2f_arm.views import Eye


@dataclass(frozen=True)
class Choices:
    """Independent choices among `sizes` alternatives each.

    Attributes:
        log_probs: [..., P], choice after choice, each normalised.
        sizes: Alternatives of each choice, P in all.
    """

    log_probs: Tensor
    sizes: tuple[int, ...]

    @property
    def params(self) -> Tensor:
        """What it is made of, [..., P]."""
        return self.log_probs

    @property
    def each(self) -> Sequence[Tensor]:
        """Log-probabilities [..., n] of each choice."""
        return torch.split(self.log_probs, list(self.sizes), dim=-1)

    def kl(self, other: Choices) -> Tensor:
        """KL(self || other) in nats [...], the sum over all choices."""
        return (self.log_probs.exp() * (self.log_probs - other.log_probs)).sum(-1)

    def log_prob(self, action: Tensor) -> Tensor:
        """Log-probability [...] of an alternative of each choice [..., choices]."""
        picked = [one.gather(-1, action[..., i, None]) for i, one in enumerate(self.each)]
        return torch.cat(picked, dim=-1).sum(-1)

    def mode(self) -> Tensor:
        """The likeliest alternative of each choice, int64 [..., choices]."""
        return torch.stack([one.argmax(dim=-1) for one in self.each], dim=-1)

    def draw(self, rng: torch.Generator) -> Tensor:
        """An alternative of each choice, int64 [..., choices]."""
        drawn = [
            torch.multinomial(one.exp().reshape(-1, one.shape[-1]), 1, generator=rng) for one in self.each
        ]
        return torch.cat(drawn, dim=-1).reshape(*self.log_probs.shape[:-1], len(self.sizes))

    def spread(self) -> Tensor:
        """Standard deviation of all values from the mean of their choice, a scalar."""
        away = [one - one.mean(dim=-1, keepdim=True) for one in self.each]
        return torch.cat(away, dim=-1).std()

    def fisher_weights(self) -> Tensor:
        """Weights w [..., P] of the Fisher information sum_m w_m (d params_m / d theta)^2: probabilities."""
        return self.log_probs.exp()


@dataclass(frozen=True)
class Crop:
    """Where B states are looked at.

    Attributes:
        scene: Of all of them.
        centres: [depths, B, 3] of the grids, m.
        voxel: [B] of the last grid, at which rotation and gripper are valued.
    """

    scene: Scene
    centres: Tensor
    voxel: Tensor


class ArmDistribution:
    """A learner whose policy is the softmax of its values, a choice at a time.

    Attributes:
        distribution_temperature: Tau, in units of Q.
        calibration_states: States of the teacher from which a retention works tau out.
    """

    distribution_temperature = 1.0
    calibration_states = 32
    config: C2FARMConfig
    eye: Eye
    device: torch.device

    def distribution(self, policy: ArmNetworks, states: Any) -> tuple[Choices, None]:
        """What the networks prefer in these states.

        Args:
            policy: This learner's networks or a copy of them.
            states: Its batch; or anything with `obs`, a dict of what the env shows, `action` [B, 8], what was
                done there, and, for networks with a latent, `latent`.
        """
        crop, tau = self._crop(states), self.distribution_temperature
        values = []
        for depth, network in enumerate(policy.networks):
            q, features = look(network, crop.scene, depth, crop.centres[depth], self.config, self.eye)
            values.append(q)
        values += components(network.values(features, crop.voxel), self.config)
        log_probs = [torch.log_softmax(value / tau, dim=-1) for value in values]
        return Choices(torch.cat(log_probs, dim=-1), self._sizes), None

    def distribution_from(self, params: Tensor) -> Choices:
        """The distribution whose `params` [..., P] these were."""
        return Choices(params, self._sizes)

    @property
    def _sizes(self) -> tuple[int, ...]:
        voxels = [size**3 for size in self.config.grid_sizes]
        return (*voxels, *[self.config.rotation_bins] * 3, 2)

    def _crop(self, states: Any) -> Crop:
        if hasattr(states, "scene"):
            return Crop(states.scene.with_latent(states.latent), states.centres, states.voxels[-1])
        config = self.config
        views = self.eye.read({name: part.cpu().numpy() for name, part in states.obs.items()})
        scene = scene_of(views, self.eye, config, self.device, latent=getattr(states, "latent", None))
        position = states.action[:, :3].cpu().numpy().astype(np.float64)
        still = np.zeros((len(config.grid_sizes) - 1, len(position), 3))
        path = path_of(config.grids, position, still)
        centres = torch.from_numpy(path.centres.astype(np.float32)).to(self.device)
        return Crop(scene, centres, torch.from_numpy(path.voxels[-1]).to(self.device))
