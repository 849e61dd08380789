"""Coloured points sorted into voxels: the mean position and colour of each voxel's points.

A voxel's sums are taken in the order of its points, so that they equal a loop over the points bit for bit.
Points outside of a grid are left out before anything is summed, and each channel is summed by itself: a
scatter of rows costs a call a row. Nothing here has gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

CHANNELS = 7
"""Mean x, y, z in metres, mean r, g, b in [-1, 1], and 1 where there is a point."""


@dataclass(frozen=True)
class Cloud:
    """Points of B samples, in any number each, sample after sample.

    Attributes:
        xyz: [3, M] m, in the world.
        rgb: [3, M] in [-1, 1].
        sample: [M] int64, whose point it is.
        pixel: [M] int64, the pixel that shows it, counted over all samples and cameras.
        counts: Points of each sample.
    """

    xyz: Tensor
    rgb: Tensor
    sample: Tensor
    pixel: Tensor
    counts: tuple[int, ...]

    def chosen(self, rows: Tensor) -> Cloud:
        """The points `rows` [K], ascending."""
        sample = self.sample.index_select(0, rows)
        return Cloud(
            self.xyz.index_select(1, rows),
            self.rgb.index_select(1, rows),
            sample,
            self.pixel.index_select(0, rows),
            tuple(torch.bincount(sample, minlength=len(self.counts)).tolist()),
        )

    def repeated(self, times: int) -> Cloud:
        """Each sample `times` times in a row."""
        if times == 1:
            return self
        every = torch.arange(len(self.sample), device=self.sample.device)
        own = torch.split(every, list(self.counts))
        rows = torch.cat([part for part in own for _ in range(times)])
        counts = tuple(count for count in self.counts for _ in range(times))
        sizes = torch.tensor(counts, device=rows.device)
        return Cloud(
            self.xyz.index_select(1, rows),
            self.rgb.index_select(1, rows),
            torch.repeat_interleave(sizes, output_size=len(rows)),
            self.pixel.index_select(0, rows),
            counts,
        )


def cloud_of(
    rgb: Tensor,
    depth: Tensor,
    rays: Tensor,
    rotation: Tensor,
    translation: Tensor,
    low: Tensor,
    high: Tensor,
) -> Cloud:
    """The points that lie within the box `low` to `high`, in the order sample, camera, pixel.

    A point is translation + depth x (rotation ray).

    Args:
        rgb: Colours, uint8 [B, C, 3, P], of C cameras' P pixels.
        depth: Distances, float32 [B, C, P], along the camera's axis, m.
        rays: [3, P] directions (u + 1/2, v + 1/2, 1) of the pixels.
        rotation: [B, C, 3, 3] from such rays to the world: the camera's rotation times K^-1.
        translation: [B, C, 3] of the camera, m.
        low: [3] corner, m.
        high: [3] corner, m.
    """
    samples, cameras, num = depth.shape
    views = samples * cameras
    turns = rotation.permute(2, 0, 1, 3).reshape(3 * views, 3)
    origin = translation.permute(2, 0, 1).reshape(3, views, 1)
    xyz = (turns @ rays).view(3, views, num)
    xyz.mul_(depth.view(1, views, num)).add_(origin)
    rows = rows_within(xyz.view(3, -1), low.tolist(), high.tolist())
    ends = torch.arange(samples + 1, device=rows.device) * (cameras * num)
    counts = torch.searchsorted(rows, ends).diff()
    sample = torch.repeat_interleave(counts, output_size=len(rows))
    view = sample if cameras == 1 else rows.div(num, rounding_mode="floor")
    at, colours = rows + view * (2 * num), rgb.reshape(-1)
    picked = torch.stack([colours.take(at + channel * num) for channel in range(3)])
    return Cloud(
        xyz=xyz.view(3, -1).index_select(1, rows),
        rgb=picked.float().mul_(2.0 / 255.0).sub_(1.0),
        sample=sample,
        pixel=rows,
        counts=tuple(counts.tolist()),
    )


def rows_within(values: Tensor, low: Sequence[float], high: Sequence[float]) -> Tensor:
    """Which columns [K] of [3, M] have low <= value < high in all three rows.

    On a CPU by numpy, which compares in a quarter of torch's time and looks up what is true in a ninth.
    """
    on_cpu = values.device.type == "cpu"
    own: Any = values.numpy() if on_cpu else values
    inside = own[0] >= low[0]
    inside &= own[0] < high[0]
    for axis in (1, 2):
        inside &= own[axis] >= low[axis]
        inside &= own[axis] < high[axis]
    rows: Tensor = torch.from_numpy(np.flatnonzero(inside)) if on_cpu else inside.nonzero().squeeze(1)
    return rows


def voxelise(cloud: Cloud, low: Tensor, cell: Tensor, size: int, order: Tensor | None = None) -> Tensor:
    """The grids [7, B, size, size, size] of all samples; an empty voxel is 0 in all channels.

    Args:
        cloud: Points of B samples.
        low: [B, 3] corners of the grids, m.
        cell: [3] sides of a voxel, m.
        size: Voxels along each axis.
        order: [size^3] where in a grid each voxel stands, z being the fastest; None as they come.
    """
    num, samples = size**3, len(cloud.counts)
    index = torch.empty_like(cloud.xyz)
    counts = list(cloud.counts)
    points, away = torch.split(cloud.xyz, counts, dim=1), torch.split(index, counts, dim=1)
    for own, out, corner in zip(points, away, low, strict=True):
        torch.sub(own, corner[:, None], out=out)
    index.div_((cell + 1e-12).to(index.dtype)[:, None]).floor_()
    xyz, rgb, sample = cloud.xyz, cloud.rgb, cloud.sample
    rows = rows_within(index, (0, 0, 0), (size, size, size))
    if len(rows) < len(sample):
        index, xyz, rgb = (part.index_select(1, rows) for part in (index, xyz, rgb))
        sample = sample.index_select(0, rows)
    flat = index[0].mul_(size).add_(index[1]).mul_(size).add_(index[2]).long()
    flat = (flat if order is None else order.take(flat)).add_(sample, alpha=num)
    total = samples * num
    grid = xyz.new_zeros(CHANNELS, total)
    for channel, values in zip(grid, (*xyz, *rgb), strict=False):
        channel.index_add_(0, flat, values)
    count = torch.bincount(flat, minlength=total)
    grid[:-1] /= count.clamp(min=1)
    grid[-1] = count > 0
    return grid.view(CHANNELS, samples, size, size, size)


def arm_grid(grid: Tensor) -> Tensor:
    """ARM's ten channels [B, V, V, V, 10] of grids: position, colour, index / V, occupancy."""
    samples, size = grid.shape[1:3]
    steps = torch.arange(size, device=grid.device, dtype=grid.dtype) / size
    index = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"))
    index = index[:, None].expand(-1, samples, -1, -1, -1)
    return torch.cat((grid[:-1], index, grid[-1:])).permute(1, 2, 3, 4, 0).contiguous()


@cache
def patch_order(size: int, device: torch.device) -> Tensor:
    """Where voxels [size^3] stand when those of each patch of 2 x 2 x 2 follow one another."""
    half = size // 2
    place = torch.arange(size**3, device=device).view(half, half, half, 2, 2, 2)
    return place.permute(0, 3, 1, 4, 2, 5).reshape(-1)


def patch_grid(cloud: Cloud, low: Tensor, cell: Tensor, size: int) -> Tensor:
    """Patches of 2 x 2 x 2 voxels [B, V/2, V/2, V/2, 56], positions from -1 to 1 across the grid.

    Args:
        cloud: Points of B samples.
        low: [B, 3] corners of the grids, m.
        cell: [3] sides of a voxel, m.
        size: V.
    """
    samples, half = len(low), size // 2
    half_side = (0.5 * size * cell).view(3, 1, 1)
    centre = low.t()[:, :, None] + half_side
    grid = voxelise(cloud, low, cell, size, patch_order(size, low.device)).view(CHANNELS, samples, -1)
    grid[:3].sub_(centre).div_(half_side).mul_(grid[-1])
    return grid.view(CHANNELS, -1).t().reshape(samples, half, half, half, 8 * CHANNELS)
