"""ARM's 3-D network of one depth (James et al. 2022, arXiv 2106.12534; stepjam/ARM), in a form that is fast.

    Inc(c -> C) = [1x1 c -> C/2 ; 1x1 c -> 32, 3x3 32 -> C/4 ; 1x1 c -> 32, 3x3 32 -> 32, 3x3 32 -> C/4]

with a leaky ReLU after every convolution. Its three 1x1 convolutions are one; what is the same in all voxels
(the low-dimensional state) enters that one as a bias a sample instead of as channels, which is the same
function; memory is channels-last. Shapes, numbers of parameters and replicate padding are ARM's.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.02
LATENT = 32
TEMPERATURE = 0.01
HIDDEN = 128
ONE_DNN = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU, in place: `x` must be fresh."""
    return F.leaky_relu_(x, SLOPE)


class ReplicatePad(torch.autograd.Function):
    """One voxel more on each side of [B, C, V, V, V], copies of the border; memory stays channels-last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """The interior, then two faces an axis."""
        samples, channels, *sizes = x.shape
        longer = (samples, channels, *(size + 2 for size in sizes))
        y = torch.empty(longer, dtype=x.dtype, device=x.device, memory_format=torch.channels_last_3d)
        y[:, :, 1:-1, 1:-1, 1:-1] = x
        inner = slice(1, -1)
        for first, second in (
            (y[:, :, 0, inner, inner], y[:, :, 1, inner, inner]),
            (y[:, :, -1, inner, inner], y[:, :, -2, inner, inner]),
            (y[:, :, :, 0, inner], y[:, :, :, 1, inner]),
            (y[:, :, :, -1, inner], y[:, :, :, -2, inner]),
            (y[..., 0], y[..., 1]),
            (y[..., -1], y[..., -2]),
        ):
            first.copy_(second)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """The interior's gradient with what the faces were copied from."""
        (grad,) = grads
        grad = grad.clone(memory_format=torch.channels_last_3d)
        inner = slice(1, -1)
        for first, second in (
            (grad[..., 0], grad[..., 1]),
            (grad[..., -1], grad[..., -2]),
            (grad[:, :, :, 0, inner], grad[:, :, :, 1, inner]),
            (grad[:, :, :, -1, inner], grad[:, :, :, -2, inner]),
            (grad[:, :, 0, inner, inner], grad[:, :, 1, inner, inner]),
            (grad[:, :, -1, inner, inner], grad[:, :, -2, inner, inner]),
        ):
            second.add_(first)
        return grad[:, :, inner, inner, inner]


def convolved(x: Tensor, weight: Tensor, bias: Tensor, padding: str) -> Tensor:
    """A convolution of 3 x 3 x 3 voxels, padded as ARM's are or with zeros.

    On one CPU thread torch gives small inputs to its oldest convolution, which takes eight times as long; its
    compiler cannot take the other one.
    """
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        lower = torch.get_autocast_dtype("cpu")
        x, weight, bias = x.to(lower), weight.to(lower), bias.to(lower)
    width = (int(padding == "zeros"),) * 3
    if padding != "zeros":
        x = ReplicatePad.apply(x)
    elif x.device.type == "cpu" and x.dtype is torch.bfloat16 and x.shape[2] == 2:
        # Where oneDNN pads two voxels itself, it does not write the gradient of bfloat16 weights.
        x, width = F.pad(x, (1,) * 6), (0, 0, 0)
    direct = ONE_DNN and not torch.compiler.is_compiling()
    if x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16) and direct:
        return torch.mkldnn_convolution(x, weight, bias, width, (1, 1, 1), (1, 1, 1), 1)
    return F.conv3d(x, weight, bias, padding=width)


class Conv3(nn.Module):
    """A convolution of 3 x 3 x 3 voxels.

    Args:
        cin: Channels in.
        cout: Channels out.
        padding: "replicate" or "zeros".
        rng: Draws the weights.
        linear: Whether no activation follows.
    """

    def __init__(
        self, cin: int, cout: int, padding: str, rng: torch.Generator, *, linear: bool = False
    ) -> None:
        super().__init__()
        self.padding, self.linear = padding, linear
        self.weight = nn.Parameter(torch.empty(cout, cin, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(cout))
        initialise(self.weight, rng, linear=linear)

    def forward(self, x: Tensor) -> Tensor:
        """Returns [B, cout, V, V, V] of [B, cin, V, V, V]."""
        y = convolved(x, self.weight, self.bias, self.padding)
        return y if self.linear else activate(y)


class Dense(nn.Module):
    """A linear layer, and a leaky ReLU unless it is the last."""

    def __init__(self, cin: int, cout: int, rng: torch.Generator, *, linear: bool = False) -> None:
        super().__init__()
        self.linear = linear
        self.weight, self.bias = nn.Parameter(torch.empty(cout, cin)), nn.Parameter(torch.zeros(cout))
        initialise(self.weight, rng, linear=linear)

    def forward(self, x: Tensor) -> Tensor:
        """Returns [..., cout] of [..., cin]."""
        y = F.linear(x, self.weight, self.bias)
        return y if self.linear else activate(y)


def initialise(weight: Tensor, rng: torch.Generator, *, linear: bool = False) -> None:
    """Kaiming's uniform weights for a leaky ReLU, Xavier's for a layer without an activation."""
    with torch.no_grad():
        if linear:
            nn.init.xavier_uniform_(weight, generator=rng)
        else:
            nn.init.kaiming_uniform_(weight, a=SLOPE, nonlinearity="leaky_relu", generator=rng)


class Inception(nn.Module):
    """ARM's block, see the module.

    Args:
        cin: Channels in.
        cout: Channels out.
        padding: "replicate" or "zeros".
        rng: Draws the weights.
        constant: Channels besides that are the same in all voxels.
    """

    def __init__(self, cin: int, cout: int, padding: str, rng: torch.Generator, *, constant: int = 0) -> None:
        super().__init__()
        self.wide, self.cin = cout // 2, cin
        self.entry = nn.Parameter(torch.empty(self.wide + 2 * LATENT, cin + constant, 1, 1, 1))
        self.bias = nn.Parameter(torch.zeros(len(self.entry)))
        for branch in torch.split(self.entry, [self.wide, LATENT, LATENT]):
            initialise(branch, rng)
        self.one = Conv3(LATENT, cout // 4, padding, rng)
        self.two = nn.Sequential(Conv3(LATENT, LATENT, padding, rng), Conv3(LATENT, cout // 4, padding, rng))

    def forward(self, x: Tensor, constant: Tensor | None = None) -> Tensor:
        """Returns [B, cout, V, V, V] of [B, cin, V, V, V] and [B, constant]."""
        weight = self.entry.flatten(1)
        y = x.permute(0, 2, 3, 4, 1)  # as it lies in memory: a 1 x 1 x 1 convolution is a matrix product
        if constant is None:
            y = F.linear(y, weight, self.bias)
        else:
            told = F.linear(constant, weight[:, self.cin :], self.bias)
            y = F.linear(y, weight[:, : self.cin]).add_(told[:, None, None, None])
        half, one, two = torch.split(activate(y).permute(0, 4, 1, 2, 3), [self.wide, LATENT, LATENT], dim=1)
        return torch.cat((half, self.one(one), self.two(two)), dim=1)


class Up(nn.Module):
    """Inc, trilinear interpolation to twice the size, Inc."""

    def __init__(self, cin: int, cout: int, padding: str, rng: torch.Generator) -> None:
        super().__init__()
        self.before = Inception(cin, cout, padding, rng)
        self.after = Inception(cout, cout, padding, rng)

    def forward(self, x: Tensor, size: int) -> Tensor:
        """Returns [B, cout, size, size, size]."""
        y = F.interpolate(self.before(x), size=(size,) * 3, mode="trilinear", align_corners=False)
        return self.after(y)  # type: ignore[no-any-return]


def summary(x: Tensor) -> Tensor:
    """Spatial soft-argmax [3C] and maximum [C] of each channel of [B, C, V, V, V], coordinates in [-1, 1]."""
    size = x.shape[2]
    flat = x.permute(0, 2, 3, 4, 1).flatten(1, 3).float()  # [B, V^3, C], a view
    attention = torch.softmax(flat / TEMPERATURE, dim=1)
    line = torch.linspace(-1.0, 1.0, size, device=x.device)
    place = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1).view(-1, 3)
    return torch.cat(((attention.transpose(1, 2) @ place).flatten(1), flat.amax(dim=1)), dim=1)


class InceptionNetwork(nn.Module):
    """ARM's Q network of one depth, with the three levels that ARM's has at 16 voxels, whatever the size.

    ARM's own has one level less at 8 voxels and one more above 16.

    Attributes:
        needs_float32: Whether it may not compute in bfloat16: it reads rotation from the soft-argmax, whose
            temperature of .01 makes a rounding by .4 % one of exponents by .4.

    Args:
        size: Voxels along each axis, a multiple of 4.
        channels: K, ARM has 64.
        low_dim: Numbers of the low-dimensional state.
        padding: "replicate" or "zeros".
        rng: Draws the weights.
        num_values: Outputs for rotation and gripper; 0 for none, as all depths but the last have.
        latent_size: Of a latent that joins the low-dimensional path.
    """

    kind = "arm"

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
        k, self.size = channels, size
        self.needs_float32 = num_values > 0
        told = 16 if latent_size else 0
        encoder: dict[str, nn.Module] = {
            "grid": Inception(10, k, padding, rng),
            "low_dim": Dense(low_dim, k, rng),
            "d0": Inception(k, k, padding, rng, constant=k + told),
            "d1": Inception(k, 2 * k, padding, rng),
            "d2": Inception(2 * k, 4 * k, padding, rng),
            "u2": Up(4 * k, k, padding, rng),
            "u1": Up(3 * k, k, padding, rng),
            "f1": Conv3(2 * k, k, padding, rng),
        }
        if latent_size:
            encoder["latent"] = Dense(latent_size, told, rng)
        self.encoder = nn.ModuleDict(encoder)
        head: dict[str, nn.Module] = {"translation": Conv3(k, 1, padding, rng, linear=True)}
        if num_values:
            head["rotation"] = nn.Sequential(
                Dense(4 * (k + 2 * k + 4 * k + k), HIDDEN, rng),
                Dense(HIDDEN, HIDDEN, rng),
                Dense(HIDDEN, num_values, rng, linear=True),
            )
        self.head = nn.ModuleDict(head)
        self.to(memory_format=torch.channels_last_3d)

    def forward(self, grid: Tensor, low_dim: Tensor, latent: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Q of each voxel [B, V^3], and features for `values`.

        Args:
            grid: [B, V, V, V, 10] (`voxels.arm_grid`).
            low_dim: [B, low_dim].
            latent: [B, latent_size].
        """
        net = self.encoder
        x = net["grid"](grid.permute(0, 4, 1, 2, 3))
        constant = net["low_dim"](low_dim)
        if latent is not None:
            constant = torch.cat((constant, net["latent"](latent)), dim=1)
        d0 = net["d0"](x, constant)
        d1 = net["d1"](F.max_pool3d(d0, 3, 2, 1))
        d2 = net["d2"](F.max_pool3d(d1, 3, 2, 1))
        u2 = net["u2"](d2, d1.shape[-1])
        u1 = net["u1"](torch.cat((d1, u2), dim=1), self.size)
        f1 = net["f1"](torch.cat((d0, u1), dim=1))
        q = self.head["translation"](f1).reshape(len(grid), -1)
        if "rotation" not in self.head:
            return q, q
        return q, torch.cat([summary(x) for x in (d0, d1, d2, f1)], dim=1)

    def values(self, features: Tensor, voxel: Tensor) -> Tensor:
        """Q of rotation bins and gripper [B, num_values]; ARM's do not depend on the voxel [B]."""
        return self.head["rotation"](features)  # type: ignore[no-any-return]


def num_parameters(module: nn.Module) -> int:
    """How many numbers a module learns."""
    return sum(math.prod(parameter.shape) for parameter in module.parameters())
