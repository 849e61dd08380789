"""The rival of benchmarks/c2f_arm.py: ARM's network and voxels as its authors' code computes them.

Written anew from a description: channels before voxels in memory, replicate padding by `F.pad`, three
convolutions where ours has one, the low-dimensional state broadcast over the grid and concatenated, and a
scatter of all points, those out of bounds into a border.
"""

from copy import deepcopy

import numpy as np
import torch
import torch.nn.functional as F
from fvm_learners.c2f_arm import C2FARM
from fvm_learners.c2f_arm import scene as scene_module
from fvm_learners.c2f_arm.inception import SLOPE, TEMPERATURE, Inception, InceptionNetwork
from fvm_learners.c2f_arm.views import Eye, Views, rays_of, rays_to_world
from torch import Tensor


def scattered(points: Tensor, colours: Tensor, low: Tensor, cell: Tensor, size: int) -> Tensor:
    """ARM's grid [B, 10, V, V, V] of points and colours [B, N, 3]: a scatter over a grid with a border."""
    batch, num, _ = points.shape
    wide = size + 2
    index = torch.floor((points - (low - cell)[:, None]) / (cell + 1e-12)).long()
    index = torch.minimum(index.clamp(min=0), torch.tensor(wide - 1))
    flat = ((index[..., 0] * wide + index[..., 1]) * wide + index[..., 2]) + (
        torch.arange(batch)[:, None] * wide**3
    )
    values = torch.cat((points, colours, torch.ones(batch, num, 1)), dim=-1).view(-1, 7)
    where = (flat.view(-1, 1) * 7 + torch.arange(7)).view(-1)
    grid = (
        torch.zeros(batch * wide**3 * 7).scatter_add_(0, where, values.view(-1)).view(-1, wide, wide, wide, 7)
    )
    grid = grid[:, 1:-1, 1:-1, 1:-1]
    count = grid[..., -1:]
    steps = torch.arange(size) / size
    place = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), dim=-1)
    parts = (grid[..., :-1] / count.clamp(min=1), place.expand(batch, -1, -1, -1, -1), (count > 0).float())
    return torch.cat(parts, dim=-1).permute(0, 4, 1, 2, 3).contiguous()


def act(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


def conv3(x: Tensor, layer: torch.nn.Module) -> Tensor:
    y = F.conv3d(F.pad(x, (1,) * 6, mode="replicate"), layer.weight, layer.bias)
    return y if layer.linear else act(y)


def plain_block(block: Inception, x: Tensor) -> Tensor:
    sizes = [block.wide, 32, 32]
    weights, biases = block.entry.split(sizes), block.bias.split(sizes)
    one, two, three = (act(F.conv3d(x, w, b)) for w, b in zip(weights, biases, strict=True))
    return torch.cat((one, conv3(two, block.one), conv3(conv3(three, block.two[0]), block.two[1])), dim=1)


def plain_up(block: torch.nn.Module, x: Tensor) -> Tensor:
    y = F.interpolate(plain_block(block.before, x), scale_factor=2, mode="trilinear", align_corners=False)
    return plain_block(block.after, y)


def plain_summary(x: Tensor) -> Tensor:
    samples, channels, size = x.shape[:3]
    attention = torch.softmax(x.reshape(samples, channels, -1) / TEMPERATURE, dim=-1)
    line = torch.linspace(-1.0, 1.0, size)
    places = torch.meshgrid(line, line, line, indexing="ij")
    where = [torch.sum(attention * place.reshape(1, 1, -1), dim=-1) for place in places]
    peak = F.adaptive_max_pool3d(x, 1).flatten(1)
    return torch.cat((torch.stack(where, dim=-1).flatten(1), peak), dim=1)


class Plain(torch.nn.Module):
    """The function of an `InceptionNetwork`, of whose parameters it has contiguous copies."""

    kind, needs_float32 = "arm", True

    def __init__(self, network: InceptionNetwork) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.contiguous_format)

    def forward(self, grid: Tensor, low_dim: Tensor, latent: None) -> tuple[Tensor, Tensor]:
        net, size = self.network.encoder, self.network.size
        x = plain_block(net["grid"], grid)
        told = act(F.linear(low_dim, net["low_dim"].weight, net["low_dim"].bias))
        x = torch.cat((x, told[:, :, None, None, None].repeat(1, 1, size, size, size)), dim=1)
        d0 = plain_block(net["d0"], x)
        d1 = plain_block(net["d1"], F.max_pool3d(d0, 3, 2, 1))
        d2 = plain_block(net["d2"], F.max_pool3d(d1, 3, 2, 1))
        u1 = plain_up(net["u1"], torch.cat((d1, plain_up(net["u2"], d2)), dim=1))
        f1 = conv3(torch.cat((d0, u1), dim=1), net["f1"])
        q = conv3(f1, self.network.head["translation"]).flatten(1)
        if "rotation" not in self.network.head:
            return q, q
        return q, torch.cat([plain_summary(part) for part in (d0, d1, d2, f1)], dim=1)

    def values(self, features: Tensor, voxel: Tensor) -> Tensor:
        return self.network.values(features, voxel)


def all_points(views: Views, eye: Eye) -> tuple[Tensor, Tensor]:
    """Points and colours [B, N, 3] of all pixels."""
    turn, place = rays_to_world(views)
    rays = rays_of(eye.height, eye.width)
    points = place[..., None] + turn @ rays * views.depth[:, :, None]
    colours = views.rgb.swapaxes(2, 3).reshape(len(views), -1, 3) / 127.5 - 1
    flat = points.swapaxes(2, 3).reshape(len(views), -1, 3)
    return torch.from_numpy(flat.astype(np.float32)), torch.from_numpy(colours.astype(np.float32))


def rivals(agent: C2FARM) -> tuple[list[Plain], list[Plain]]:
    return tuple(
        [Plain(deepcopy(net)) for net in nets] for nets in (agent.policy.networks, agent.target.networks)
    )


class RivalGrids:
    """Lets `scene.look` voxelise as the rival does, from all points."""

    def __init__(self, agent: C2FARM) -> None:
        self.agent, self.kept = agent, {}

    def __enter__(self) -> None:
        self.old = scene_module.voxelise, scene_module.arm_grid
        scene_module.voxelise = self.grid
        scene_module.arm_grid = lambda grid: grid

    def grid(self, cloud, low, cell, size):
        samples = len(cloud.counts)
        num = max(cloud.counts)
        points, colours = torch.full((samples, num, 3), -9.0), torch.zeros(samples, num, 3)
        start = 0
        for i, count in enumerate(cloud.counts):
            points[i, :count], colours[i, :count] = (
                part[:, start : start + count].t() for part in (cloud.xyz, cloud.rgb)
            )
            start += count
        return scattered(points, colours, low, cell, size)

    def __exit__(self, *args: object) -> None:
        scene_module.voxelise, scene_module.arm_grid = self.old
