"""The Nature DQN's encoder (Mnih et al. 2015, Methods), and two smaller ones for CPUs.

`NatureSmall` is three to ten times faster on one core than `Impala` and learns Coinrun with few actions.
Its first convolution is more than half of its multiplications; `NatureHalved` halves the image before it.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fvm_learners.networks.image import from_halved_image, from_image


class Nature(nn.Module):
    """From uint8 [B, H, W, C] to [B, 512]: 8x8/4, 4x4/2, 3x3/1 convolutions and a dense layer.

    With `num_features=None` it ends after the convolutions, where Rainbow's heads begin. `halved` takes the
    image at half the height and width, and the first convolution then is 4x4/2: it covers the same pixels.
    """

    min_size = 36
    cpu_chunk_size: int | None = 512  # as `Impala`'s, for smaller activations
    init_gain = math.sqrt(2)

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: tuple[int, int, int] = (32, 64, 64),
        num_features: int | None = 512,
        halved: bool = False,
    ) -> None:
        super().__init__()
        height, width, in_channels = shape
        self.prepare = from_halved_image if halved else from_image
        kernel, stride = (4, 2) if halved else (8, 4)
        self.conv0 = nn.Conv2d(in_channels, channels[0], kernel_size=kernel, stride=stride)
        self.conv1 = nn.Conv2d(channels[0], channels[1], kernel_size=4, stride=2)
        self.conv2 = nn.Conv2d(channels[1], channels[2], kernel_size=3, stride=1)
        flat = channels[2] * _out(height) * _out(width)
        self.dense = None if num_features is None else nn.Linear(flat, num_features)
        self.num_features = num_features or flat

    def forward(self, obs: Tensor) -> Tensor:
        """Features [B, num_features]."""
        x = F.relu(self.conv0(self.prepare(obs)), inplace=True)
        x = F.relu(self.conv1(x), inplace=True)
        x = F.relu(self.conv2(x), inplace=True)
        x = torch.flatten(x, 1)
        return x if self.dense is None else F.relu(self.dense(x))


class NatureSmall(Nature):
    """From uint8 [B, H, W, C] to [B, 256] with half the channels."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape, channels=(16, 32, 32), num_features=256)


class NatureHalved(Nature):
    """From uint8 [B, H, W, C] to [B, 256]: `NatureSmall` on an image of half the height and width."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape, channels=(16, 32, 32), num_features=256, halved=True)


def _out(size: int) -> int:
    """Pixels a side that are left of `size` after the three convolutions."""
    return ((size - 8) // 4 + 1 - 4) // 2 + 1 - 2
