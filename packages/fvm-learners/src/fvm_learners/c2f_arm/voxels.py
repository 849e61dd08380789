"""Coloured points sorted into voxels: the mean position and colour of each voxel's points.

A voxel's sums are taken in the order of its points, so that they equal a loop over the points bit for bit;
points outside of a grid are left out before anything is summed, and the columns are summed one by one: a
scatter of rows costs a call a row. Nothing here has gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHANNELS = 7
"""Mean x, y, z in metres, mean r, g, b in [-1, 1], and 1 where there is a point."""


@dataclass(frozen=True)
class Cloud:
    """Points of B samples, in any number each.

    Attributes:
        xyz: [3, M] m, in the world.
        rgb: [3, M] in [-1, 1].
        sample: [M] int64, whose point it is.
        pixel: [M] int64, the pixel that shows it, counted over all cameras.
        num_samples: B.
    """

    xyz: Tensor
    rgb: Tensor
    sample: Tensor
    pixel: Tensor
    num_samples: int

    def chosen(self, rows: Tensor) -> Cloud:
        """The points `rows` [K]."""
        return Cloud(
            self.xyz.index_select(1, rows),
            self.rgb.index_select(1, rows),
            self.sample.index_select(0, rows),
            self.pixel.index_select(0, rows),
            self.num_samples,
        )

    def of_samples(self, mask: Tensor) -> Cloud:
        """The samples of the mask [B], numbered anew."""
        number = mask.cumsum(0) - 1
        part = self.chosen(mask[self.sample].nonzero().squeeze(1))
        return Cloud(part.xyz, part.rgb, number[part.sample], part.pixel, int(mask.sum()))

    def repeated(self, times: int) -> Cloud:
        """Each sample `times` times in a row."""
        if times == 1:
            return self
        copies = torch.arange(times, device=self.sample.device)
        return Cloud(
            self.xyz.repeat(1, times),
            self.rgb.repeat(1, times),
            (self.sample * times + copies[:, None]).reshape(-1),
            self.pixel.repeat(times),
            self.num_samples * times,
        )


def cloud_of(
    rgb: Tensor,
    depth: Tensor,
    rays: Tensor,
    rotation: Tensor,
    translation: Tensor,
    low: Tensor,
    high: Tensor,
    stride: int = 1,
) -> Cloud:
    """The points that lie within the box `low` to `high`, in the order sample, camera, pixel.

    A point is translation + rotation (depth x ray).

    Args:
        rgb: uint8 [B, C, P, 3] of C cameras' P pixels.
        depth: float32 [B, C, P] along the camera's axis, m.
        rays: [3, P] directions (u + 1/2, v + 1/2, 1) of the pixels.
        rotation: [B, C, 3, 3] from such rays to the world: the camera's rotation times its inverse intrinsics.
        translation: [B, C, 3] of the camera, m.
        low: [3] corner, m.
        high: [3] corner, m.
        stride: Take every so many points only.
    """
    samples, cameras, pixels = depth.shape
    if stride > 1:
        rgb, depth, rays = rgb[:, :, ::stride], depth[:, :, ::stride], rays[:, ::stride]
    xyz = torch.matmul(rotation, rays)  # [B, C, 3, P]
    xyz.mul_(depth.unsqueeze(2)).add_(translation.unsqueeze(3))
    inside = ((xyz >= low[:, None]) & (xyz < high[:, None])).all(dim=2)  # [B, C, P]
    rows = inside.view(-1).nonzero().squeeze(1)
    num = depth.shape[2]
    view = rows.div(num, rounding_mode="floor")
    # Sums over rows of three columns: positions are planar already, colours are picked first.
    at = view * (2 * num) + rows
    flat = xyz.view(-1)
    colour = rgb.reshape(-1, 3).index_select(0, rows).t().float().mul_(2.0 / 255.0).sub_(1.0)
    return Cloud(
        xyz=torch.stack([flat.take(at + axis * num) for axis in range(3)]),
        rgb=colour.contiguous(),
        sample=view.div(cameras, rounding_mode="floor"),
        pixel=(view % cameras) * pixels + (rows - view * num) * stride,
        num_samples=samples,
    )


def voxelise(cloud: Cloud, low: Tensor, cell: Tensor, size: int) -> Tensor:
    """The grids [B, size, size, size, 7] of all samples; an empty voxel is 0 in all channels.

    Args:
        cloud: Points of B samples.
        low: [B, 3] corners of the grids, m.
        cell: [3] sides of a voxel, m.
        size: Voxels along each axis.
    """
    num = size**3
    origin = low.index_select(0, cloud.sample).t()  # [3, M]
    index = torch.floor((cloud.xyz - origin) / (cell + 1e-12).unsqueeze(1)).int()
    inside = ((index >= 0) & (index < size)).all(dim=0)
    flat = ((index[0] * size + index[1]) * size + index[2]).long() + cloud.sample * num
    xyz, rgb = cloud.xyz, cloud.rgb
    if not bool(inside.all()):
        rows = inside.nonzero().squeeze(1)
        flat, xyz, rgb = flat.index_select(0, rows), xyz.index_select(1, rows), rgb.index_select(1, rows)
    total = cloud.num_samples * num
    sums = xyz.new_zeros(CHANNELS - 1, total)
    for column, values in zip(sums, (*xyz, *rgb), strict=True):
        column.index_add_(0, flat, values)
    count = torch.bincount(flat, minlength=total)
    grid = torch.empty(total, CHANNELS, dtype=sums.dtype, device=sums.device)
    torch.div(sums, count.clamp(min=1), out=grid.t()[:-1])
    grid[:, -1] = count > 0
    return grid.view(cloud.num_samples, size, size, size, CHANNELS)


def arm_grid(grid: Tensor) -> Tensor:
    """ARM's ten channels [B, V, V, V, 10] of grids: position, colour, index / V, occupancy."""
    size = grid.shape[1]
    steps = torch.arange(size, device=grid.device, dtype=grid.dtype) / size
    index = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), dim=-1)
    return torch.cat((grid[..., :-1], index.expand(len(grid), -1, -1, -1, -1), grid[..., -1:]), dim=-1)


def patch_grid(grid: Tensor, low: Tensor, cell: Tensor) -> Tensor:
    """Patches of 2 x 2 x 2 voxels [B, V/2, V/2, V/2, 56], positions from -1 to 1 across the grid."""
    samples, size = len(grid), grid.shape[1]
    scaled = grid.clone()
    centre = (low + 0.5 * size * cell).view(samples, 1, 1, 1, 3)
    scaled[..., :3] = (grid[..., :3] - centre) / (0.5 * size * cell) * grid[..., -1:]
    half = size // 2
    cut = scaled.view(samples, half, 2, half, 2, half, 2, CHANNELS).permute(0, 1, 3, 5, 2, 4, 6, 7)
    return cut.reshape(samples, half, half, half, 8 * CHANNELS)
