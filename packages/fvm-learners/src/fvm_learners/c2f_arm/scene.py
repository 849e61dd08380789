"""What the networks look at: points, cameras and the low-dimensional state of B moments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fvm_learners.c2f_arm.augmentation import Motion
from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.inception import InceptionNetwork
from fvm_learners.c2f_arm.patch import PatchNetwork
from fvm_learners.c2f_arm.views import Eye, Views, rays_of, rays_to_world
from fvm_learners.c2f_arm.voxels import Cloud, arm_grid, cloud_of, patch_grid, voxelise
from fvm_learners.precision import bfloat16_devices

Network = InceptionNetwork | PatchNetwork
CROP_PIXELS = 64
NEVER = -1e9


@dataclass(frozen=True)
class Scene:
    """B moments.

    Attributes:
        cloud: Points within the bounds.
        low_dim: [B, D].
        rotation: [B, C, 3, 3] of the cameras' rays to the world.
        translation: [B, C, 3] of the cameras.
        latent: [B, latent_size]; None without.
    """

    cloud: Cloud
    low_dim: Tensor
    rotation: Tensor
    translation: Tensor
    latent: Tensor | None = None

    def repeated(self, times: int) -> Scene:
        """Each moment `times` times in a row."""
        if times == 1:
            return self
        return Scene(
            self.cloud.repeated(times),
            *(
                None if part is None else part.repeat_interleave(times, dim=0)
                for part in (self.low_dim, self.rotation, self.translation, self.latent)
            ),  # type: ignore[arg-type]
        )

    def with_latent(self, latent: Tensor | None) -> Scene:
        """The same with another latent."""
        return replace(self, latent=latent)


def scene_of(
    views: Views,
    eye: Eye,
    config: C2FARMConfig,
    device: torch.device,
    *,
    time: np.ndarray | None = None,
    motion: Motion | None = None,
    latent: Tensor | None = None,
) -> Scene:
    """The scene of views [B].

    Args:
        views: What was seen.
        eye: How it was read.
        config: Whose bounds.
        device: Where to.
        time: [B] in place of what the views say; None leaves it.
        motion: Moves the scenes.
        latent: [B, latent_size].
    """
    rotation, translation = rays_to_world(views)
    if motion is not None:
        rotation, translation = motion.rays(rotation, translation)
    low_dim = views.low_dim
    if time is not None and eye.time is not None:
        low_dim = low_dim.copy()
        low_dim[:, eye.time] = time

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    turn, place = tensor(rotation.astype(np.float32)), tensor(translation.astype(np.float32))
    bounds = torch.tensor(config.bounds, device=device)
    rays = tensor(rays_of(eye.height, eye.width))
    cloud = cloud_of(tensor(views.rgb), tensor(views.depth), rays, turn, place, bounds[:3], bounds[3:])
    return Scene(cloud, tensor(low_dim), turn, place, latent)


def low_corner(config: C2FARMConfig, depth: int, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Corners [B, 3] and voxel sides [3] of the grids about `centre` [B, 3]."""
    cell = torch.from_numpy(config.grids.cell(depth)).to(centre.device, centre.dtype)
    if depth == 0:
        return centre.new_tensor(config.bounds[:3]).expand(len(centre), 3), cell
    return centre - config.half_sides[depth - 1], cell


def look(
    network: Network,
    scene: Scene,
    depth: int,
    centre: Tensor,
    config: C2FARMConfig,
    eye: Eye,
    stride: int = 1,
) -> tuple[Tensor, Any]:
    """Q of each voxel [B, V^3] about `centre` [B, 3], and features for the network's `values`."""
    grid = grid_seen(network.kind, scene, depth, centre, config, eye, stride)
    return asked(network, grid, scene, config)


def asked(network: Network, grid: Tensor, scene: Scene, config: C2FARMConfig) -> tuple[Tensor, Any]:
    """Q of each voxel [B, V^3] of a grid of the scene, and features for the network's `values`.

    Raises:
        ValueError: The network is told by a latent what it plays, and there is none.
    """
    if config.latent_size and scene.latent is None:
        raise ValueError(
            f"these networks have latent_size={config.latent_size} and got no latent: use a sampler that "
            "gives one, as fvm_meta's PEARL does, or latent_size=0"
        )
    enabled = grid.device.type in bfloat16_devices(config) and not network.needs_float32
    with torch.autocast(grid.device.type, torch.bfloat16, enabled=enabled):
        q, features = network(grid, scene.low_dim, scene.latent)
    return q.float(), features


def grid_seen(
    kind: str, scene: Scene, depth: int, centre: Tensor, config: C2FARMConfig, eye: Eye, stride: int = 1
) -> Tensor:
    """What a network of this kind is shown about `centre` [B, 3]."""
    low, cell = low_corner(config, depth, centre)
    size = config.grid_sizes[depth]
    cloud = scene.cloud
    if depth > 0 and "pixel_crop" in config.quirks:
        cloud = cloud.chosen(_in_crop(scene, centre, eye).nonzero().squeeze(1))
    if stride > 1:
        cloud = cloud.chosen(torch.arange(0, len(cloud.sample), stride, device=cloud.sample.device))
    if kind == "arm":
        return arm_grid(voxelise(cloud, low, cell, size))
    return patch_grid(cloud, low, cell, size)


def _in_crop(scene: Scene, centre: Tensor, eye: Eye) -> Tensor:
    """Which points [M] lie in 64 x 64 pixels about their grid's centre; all that a wrist camera sees."""
    away = (centre[:, None] - scene.translation).unsqueeze(-1)
    u, v, one = torch.linalg.solve(scene.rotation, away).squeeze(-1).unbind(-1)  # [B, C]
    pixel, num = scene.cloud.pixel, eye.height * eye.width
    camera = pixel.div(num, rounding_mode="floor") % len(eye.cameras)
    sample = scene.cloud.sample
    inside = torch.ones_like(sample, dtype=torch.bool)
    for middle, at, side in (
        (u / one, pixel % num % eye.width, eye.width),
        (v / one, (pixel % num).div(eye.width, rounding_mode="floor"), eye.height),
    ):
        first = (middle.floor() - CROP_PIXELS // 2).clamp(0, max(0, side - CROP_PIXELS))[sample, camera]
        inside &= (at >= first) & (at < first + CROP_PIXELS)
    wrist = torch.tensor([name == "wrist" for name in eye.cameras], device=sample.device)
    return inside | wrist[camera]


def reachable(config: C2FARMConfig, depth: int, centre: Tensor) -> Tensor | None:
    """Which voxels [B, V^3] may be chosen; None if all may.

    At the last depth those whose centre lies in the workspace, before that those that overlap it.
    """
    if config.workspace is None:
        return None
    low, cell = low_corner(config, depth, centre)
    size = config.grid_sizes[depth]
    steps = torch.arange(size, device=centre.device, dtype=centre.dtype) + 0.5
    middle = low[:, :, None] + cell[:, None] * steps  # [B, 3, V]
    margin = 0.0 if depth + 1 == len(config.grid_sizes) else 0.5 * cell[:, None]
    box = centre.new_tensor(config.workspace)
    fits = (middle + margin > box[:3, None]) & (middle - margin < box[3:, None])
    return (fits[:, 0, :, None, None] & fits[:, 1, None, :, None] & fits[:, 2, None, None, :]).flatten(1)


def masked(q: Tensor, mask: Tensor | None) -> Tensor:
    """Q [B, V^3], very low where the mask is False."""
    return q if mask is None else q.masked_fill(~mask, NEVER)


def centre_of(config: C2FARMConfig, depth: int, centre: Tensor, voxel: Tensor) -> Tensor:
    """Centres [B, 3] of flat voxels [B] of the grids about `centre` [B, 3]."""
    low, cell = low_corner(config, depth, centre)
    size = config.grid_sizes[depth]
    index = torch.stack((voxel // (size * size), voxel // size % size, voxel % size), dim=1)
    return low + cell * (index + 0.5)
