"""A Q network of one depth for a CPU: all of it computes on patches of 2 x 2 x 2 voxels.

At 16^3 voxels a sample costs .02 GF with 16 channels, ARM's 3.6 GF (`inception.py`). Rotation and gripper are
read at the chosen voxel, not from the whole grid. Our own.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fvm_learners.c2f_arm.inception import HIDDEN, Conv3, Dense, activate, initialise
from fvm_learners.c2f_arm.voxels import CHANNELS, patch_order


class PatchNetwork(nn.Module):
    """See the module; the arguments are `inception.InceptionNetwork`'s, `size` a multiple of 4."""

    kind = "patch"
    needs_float32 = False

    def __init__(
        self,
        size: int,
        channels: int,
        low_dim: int,
        padding: str,
        rng: torch.Generator,
        num_values: int,
        latent_size: int = 0,
    ) -> None:
        super().__init__()
        k, self.patches = channels, size // 2
        told = 16 if latent_size else 0
        encoder: dict[str, nn.Module] = {
            "patch": Dense(8 * CHANNELS, k, rng, linear=True),
            "low_dim": Dense(low_dim + told, k, rng, linear=True),
            "fine": Conv3(k, k, padding, rng),
            "down": _Down(k, 2 * k, rng),
            "coarse": Conv3(2 * k, 2 * k, padding, rng),
            "whole": Dense(4 * k, 2 * k, rng),
            "up": Dense(2 * k, k, rng, linear=True),
            "join": Conv3(k, k, padding, rng),
            "features": Dense(2 * k, 2 * k, rng),
        }
        if latent_size:
            encoder["latent"] = Dense(latent_size, told, rng)
        self.encoder = nn.ModuleDict(encoder)
        self.place = nn.Parameter(torch.zeros(self.patches**3, k))
        head = {"translation": Dense(2 * k, 8, rng, linear=True)}
        if num_values:
            head["one"] = Dense(4 * k + 8 + low_dim + told, HIDDEN, rng)
            head["two"] = Dense(HIDDEN, HIDDEN, rng)
            head["rotation"] = Dense(HIDDEN, num_values, rng, linear=True)
            nn.init.zeros_(head["rotation"].weight)
        nn.init.zeros_(head["translation"].weight)
        self.head = nn.ModuleDict(head)
        self.to(memory_format=torch.channels_last_3d)

    def forward(
        self, grid: Tensor, low_dim: Tensor, latent: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Q of each voxel [B, V^3], and features for `values`.

        Args:
            grid: [B, V/2, V/2, V/2, 56] (`voxels.patch_grid`).
            low_dim: [B, low_dim].
            latent: [B, latent_size].
        """
        net, samples, half = self.encoder, len(grid), self.patches
        told = low_dim if latent is None else torch.cat((low_dim, net["latent"](latent)), dim=1)
        entry = net["patch"](grid.view(samples, half**3, -1)) + self.place + net["low_dim"](told)[:, None]
        x = activate(entry).view(samples, half, half, half, -1).permute(0, 4, 1, 2, 3)
        x = x + net["fine"](x)
        down = net["down"](x)
        down = down + net["coarse"](down)
        whole = net["whole"](torch.cat((down.amax(dim=(2, 3, 4)), down.mean(dim=(2, 3, 4))), dim=1))
        up = net["up"]((down + whole[:, :, None, None, None]).permute(0, 2, 3, 4, 1))
        y = x + F.interpolate(up.permute(0, 4, 1, 2, 3), size=(half,) * 3, mode="nearest")
        y = y + net["join"](y)
        features = net["features"](torch.cat((x, y), dim=1).permute(0, 2, 3, 4, 1))  # [B, h, h, h, 2K]
        q = InVoxelOrder.apply(self.head["translation"](features).flatten(1), 2 * half)
        return q, (features.flatten(1, 3), torch.cat((whole, told), dim=1))

    def values(self, features: tuple[Tensor, Tensor], voxel: Tensor) -> Tensor:
        """Q of rotation bins and gripper [B, num_values] at voxels [B]."""
        local, whole = features
        size = 2 * self.patches
        x, y, z = voxel // (size * size), voxel // size % size, voxel % size
        patch = (x // 2 * self.patches + y // 2) * self.patches + z // 2
        within = F.one_hot(x % 2 * 4 + y % 2 * 2 + z % 2, 8).to(local.dtype)
        at = local[torch.arange(len(local), device=local.device), patch]
        hidden = self.head["two"](self.head["one"](torch.cat((at, within, whole), dim=1)))
        return self.head["rotation"](hidden)  # type: ignore[no-any-return]


class InVoxelOrder(torch.autograd.Function):
    """Q of the voxels [B, V^3] that come patch by patch, by a look-up both ways, no permuted copies."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, size: int) -> Tensor:
        """Each voxel from its place in the patches."""
        ctx.size = size
        return q.index_select(1, patch_order(size, q.device))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Each place in the patches from its voxel."""
        (grad,) = grads
        return grad.index_select(1, patch_order(ctx.size, grad.device).argsort()), None


class _Down(nn.Module):
    """A convolution to half the size, zeros around it."""

    def __init__(self, cin: int, cout: int, rng: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(cout, cin, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(cout))
        initialise(self.weight, rng)

    def forward(self, x: Tensor) -> Tensor:
        return activate(F.conv3d(x, self.weight, self.bias, stride=2, padding=1))
