"""How the networks choose a pose: the best voxel of the best few at each depth, or one drawn to explore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.c2f_arm.c2f_arm import components
from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.rotation import angles_of, quaternions_of
from fvm_learners.c2f_arm.scene import Network, Scene, centre_of, look, masked, reachable
from fvm_learners.c2f_arm.views import Eye

RANDOM_GRIPPER_FRAC = 0.2


@torch.no_grad()
def choose(
    networks: Sequence[Network],
    scene: Scene,
    config: C2FARMConfig,
    eye: Eye,
    rngs: Sequence[np.random.Generator] | None = None,
) -> NDArray[np.float32]:
    """Pose actions [B, 8]: position in m, quaternion xyzw, gripper open.

    A beam keeps, at each depth, the `beam` voxels whose Q summed over depths is largest.

    Args:
        networks: Of all depths.
        scene: Looked at.
        config: Beam, exploration, grids.
        eye: How observations were read.
        rngs: One for each of B, to explore with; None acts greedily.
    """
    samples = len(scene.low_dim)
    exploring = rngs is not None and config.exploration != "none"
    boltzmann = exploring and config.exploration == "boltzmann"
    centre, score, width = scene.low_dim.new_zeros(samples, 3), scene.low_dim.new_zeros(samples), 1
    for depth, network in enumerate(networks):
        stride = config.acting_stride if depth == 0 else 1
        q, features = look(network, scene.repeated(width), depth, centre, config, eye, stride)
        allowed = masked(q, reachable(config, depth, centre))
        last = depth + 1 == len(networks)
        if boltzmann:
            assert rngs is not None
            top = _drawn(allowed / config.temperature, rngs)[:, None]
        else:
            top = allowed.topk(1 if last else min(config.beam, q.shape[1]), dim=1).indices
        paths = (score[:, None] + allowed.gather(1, top)).view(samples, -1)
        kept = paths.topk(1 if last else min(config.beam, paths.shape[1]), dim=1)
        parent = kept.indices // top.shape[1] + width * torch.arange(samples, device=q.device)[:, None]
        parent = parent.flatten()
        voxel = top[parent, (kept.indices % top.shape[1]).flatten()]
        centre, score = centre_of(config, depth, centre[parent], voxel), kept.values.flatten()
        width = kept.indices.shape[1]
    values = network.values(_rows(features, parent), voxel)
    best = [part.argmax(dim=1).cpu().numpy() for part in components(values, config)]
    return _decoded(
        centre, np.stack(best[:3], axis=1), best[3], config, rngs if exploring and not boltzmann else None
    )


def _rows(features: Any, rows: Tensor) -> Any:
    if isinstance(features, tuple):
        return tuple(part[rows] for part in features)
    return features[rows]


def _drawn(logits: Tensor, rngs: Sequence[np.random.Generator]) -> Tensor:
    """One index [B] of softmax(logits [B, N]) each, by Gumbel noise."""
    noise = np.stack([rng.gumbel(size=logits.shape[1]) for rng in rngs])
    return (logits + torch.from_numpy(noise).to(logits)).argmax(dim=1)


def _decoded(
    centre: Tensor,
    bins: NDArray[np.int64],
    gripper: NDArray[np.int64],
    config: C2FARMConfig,
    rngs: Sequence[np.random.Generator] | None,
) -> NDArray[np.float32]:
    position = centre.double().cpu().numpy()
    if rngs is not None:
        box = np.array(config.workspace or config.bounds)
        shifts = np.stack([rng.standard_normal(3) for rng in rngs]) * config.noise
        position = np.clip(position + shifts, box[:3] + 1e-4, box[3:] - 1e-4)
        turns = np.stack([np.rint(rng.standard_normal(3)) for rng in rngs]).astype(np.int64)
        bins = (bins + turns) % config.rotation_bins
        drawn = np.array([rng.random(2) for rng in rngs])
        gripper = np.where(drawn[:, 0] < RANDOM_GRIPPER_FRAC, drawn[:, 1] < 0.5, gripper)
    quaternion = quaternions_of(angles_of(bins, config.rotation_bins))
    return np.concatenate([position, quaternion, gripper[:, None]], axis=1).astype(np.float32)
