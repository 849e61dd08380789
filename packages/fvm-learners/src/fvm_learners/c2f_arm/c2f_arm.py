"""C2F-ARM's update (James et al. 2022, arXiv 2106.12534): Q-learning over voxels, coarse to fine.

A depth d looks at the grid g_d about the voxel chosen at depth d - 1 and has its own network; the last one
also values rotation bins and the gripper's state. With r, gamma, and V_d(s') of the next keyframe,

    v*_d  = argmax_v Q_d(s', v; theta)                          within the grid about v*_{d-1}   double Q
    V_d   = Q_d(s', v*_d; theta')                               all depths but the last
    V_D   = mean of the 5 values of (v*_D, x*, y*, z*, open*)   the last: argmax by theta, value by theta'
    y_d   = max(r + gamma V_d, 0)                               r alone where the episode is done
    delta = mean over components of huber(Q_d - y_d)            1 component, or 5 at the last depth
    reg   = mean_v |Q_d(s, v)| + mean |rotation and gripper values|
    bc    = CE(scale Q_d(s, .), demonstrated voxel) [+ CE of rotation bins, smoothed, and gripper]; 0 if none
    loss  = sum_d mean_i [ w_i (delta_i + reg_i) + imitation bc_i ]
    p_i   = (sum_d sqrt(delta_d + 1e-10) / batch's largest)^alpha

theta' are target networks. `bc` is ours (weight 0 is ARM's loss); so are targets that are kept until the
next copy of theta into theta' (`C2FARMConfig.cached_targets`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.scene import Network, Scene, asked, centre_of, grid_seen, look, masked, reachable
from fvm_learners.c2f_arm.views import Eye


@dataclass(frozen=True)
class ArmBatch:
    """What one update learns from, B transitions.

    Attributes:
        scene: Acted on, moved by the augmentation.
        centres: [depths, B, 3] of the grids the action lies in, m.
        voxels: [depths, B] flat indices of the action's position.
        bins: [B, 4] of its three angles, and its gripper's state.
        reward: [B].
        discount: [B] of the next value; 0 where the episode is done.
        demonstrated: [B] whether it is imitated.
        weight: [B] importance weight, at most 1.
        task_index: [B] of the replay each came from.
        rows: [B] in that replay.
        latent: [B, latent_size], may carry gradients; None without.
        next_values: [B, depths] of what was kept; of no use in `next_rows`.
        next_rows: [K] whose next value must be worked out.
        next_scene: What follows those rows; None if there are none.
        next_keys: What their values are kept under.
        extra: More tensors, by name.
    """

    scene: Scene
    centres: Tensor
    voxels: Tensor
    bins: Tensor
    reward: Tensor
    discount: Tensor
    demonstrated: Tensor
    weight: Tensor
    task_index: NDArray[np.int64]
    rows: NDArray[np.int64]
    latent: Tensor | None
    next_values: Tensor
    next_rows: Tensor
    next_scene: Scene | None
    next_keys: tuple[tuple[int, int, float], ...] = ()
    extra: dict[str, Tensor] = field(default_factory=dict)


@torch.no_grad()
def next_values(
    scene: Scene, online: Sequence[Network], target: Sequence[Network], config: C2FARMConfig, eye: Eye
) -> Tensor:
    """V of every depth [B, depths] by double Q-learning."""
    centre = scene.low_dim.new_zeros(len(scene.low_dim), 3)
    values = []
    for depth, (chooser, judge) in enumerate(zip(online, target, strict=True)):
        grid = grid_seen(chooser.kind, scene, depth, centre, config, eye)
        q, features = asked(chooser, grid, scene, config)
        voxel = masked(q, reachable(config, depth, centre)).argmax(dim=1)
        judged, judged_features = asked(judge, grid, scene, config)
        value = judged.gather(1, voxel[:, None])
        if depth + 1 == len(online):
            best = components(chooser.values(features, voxel), config)
            worth = components(judge.values(judged_features, voxel), config)
            parts = [w.gather(1, b.argmax(dim=1, keepdim=True)) for b, w in zip(best, worth, strict=True)]
            value = torch.cat((value, *parts), dim=1).mean(dim=1, keepdim=True)
        values.append(value)
        centre = centre_of(config, depth, centre, voxel)
    return torch.cat(values, dim=1)


def components(values: Tensor, config: C2FARMConfig) -> tuple[Tensor, ...]:
    """Values [B, 3 bins + 2] as three angles' bins and the gripper's two states."""
    sizes = [config.rotation_bins] * 3 + [2]
    return torch.split(values.float(), sizes, dim=1)


def c2f_arm_loss(
    batch: ArmBatch, next_value: Tensor, online: Sequence[Network], config: C2FARMConfig, eye: Eye
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The loss to minimise, each transition's loss [B] for its priority, and metrics.

    Args:
        batch: Transitions.
        next_value: [B, depths] V(s') of every depth.
        online: Networks of all depths.
        config: Hyperparameters.
        eye: How observations were read.
    """
    total = next_value.new_zeros(())
    priority = torch.zeros_like(batch.reward)
    metrics: dict[str, Tensor] = {}
    for depth, network in enumerate(online):
        last = depth + 1 == len(online)
        latent = batch.latent
        if latent is not None and depth > 0 and config.detach_latent:
            latent = latent.detach()
        q, features = look(network, batch.scene.with_latent(latent), depth, batch.centres[depth], config, eye)
        voxel = batch.voxels[depth]
        target = (batch.reward + batch.discount * next_value[:, depth]).clamp(min=0.0)
        chosen = q.gather(1, voxel[:, None])  # [B, 1]
        regularisation = config.translation_regularisation * q.abs().mean(dim=1)
        imitation = F.cross_entropy(config.imitation_scale * q, voxel, reduction="none")
        if last:
            values = network.values(features, voxel)
            parts = components(values, config)
            taken = [part.gather(1, batch.bins[:, i : i + 1]) for i, part in enumerate(parts)]
            chosen = torch.cat((chosen, *taken), dim=1)  # [B, 5]
            regularisation = regularisation + config.rotation_regularisation * values.abs().mean(dim=1)
            imitation = imitation + _imitated_bins(parts, batch.bins, config)
        delta = F.smooth_l1_loss(chosen, target[:, None].expand_as(chosen), reduction="none").mean(dim=1)
        loss = (batch.weight * (delta + regularisation)).mean()
        loss = loss + config.imitation * (imitation * batch.demonstrated).mean()
        total = total + loss
        surprise = (delta.detach() + 1e-10).sqrt()
        # In ARM's code each depth hands on its own priority and those before it, and all that is added up.
        times = len(online) - depth if "chained_priorities" in config.quirks else 1
        priority = priority + times * surprise / surprise.max()
        metrics |= {
            f"delta_{depth}": delta.detach().mean(),
            f"q_{depth}": chosen.detach().mean(),
            f"imitation_{depth}": imitation.detach()[batch.demonstrated].mean()
            if bool(batch.demonstrated.any())
            else total.new_zeros(()),
        }
    return total, priority, metrics | {"loss": total.detach()}


def _imitated_bins(parts: Sequence[Tensor], bins: Tensor, config: C2FARMConfig) -> Tensor:
    """Cross-entropy [B] of the demonstrated rotation bins, labels smoothed round the circle, and gripper."""
    *angles, gripper = parts
    num = config.rotation_bins
    steps = torch.arange(num, device=bins.device)
    total = F.cross_entropy(config.imitation_scale * gripper, bins[:, 3], reduction="none")
    for axis, angle in enumerate(angles):
        away = (steps - bins[:, axis : axis + 1]) % num
        away = torch.minimum(away, num - away).float()  # [B, bins] along the circle
        label = torch.softmax(-0.5 * (away / config.label_width) ** 2, dim=1)
        total = total - (label * F.log_softmax(config.imitation_scale * angle, dim=1)).sum(dim=1)
    return total
