"""IMPALA's residual encoder (Espeholt et al. 2018, arXiv 1802.01561, fig. 3 right), as train-procgen uses it.

Three sequences of convolution, max pooling and two residual blocks (16, 32, 32 channels), then 256 features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fvm_learners.networks.image import from_image


class ResidualBlock(nn.Module):
    """Computes x + conv(relu(conv(relu(x))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.conv1 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns [B, C, H, W], of the shape of its input."""
        branch: Tensor = self.conv1(F.relu(self.conv0(F.relu(x)), inplace=True))
        return x + branch


class Impala(nn.Module):
    """From uint8 [B, H, W, C] to [B, 256]."""

    min_size = 8
    cpu_chunk_size: int | None = 64  # larger batches run at half the speed: their activations leave the cache
    init_gain = 1.0  # as large as Glorot's in train-procgen; sqrt(2) would grow with each residual block

    def __init__(
        self, shape: tuple[int, ...], channels: tuple[int, ...] = (16, 32, 32), num_features: int = 256
    ) -> None:
        super().__init__()
        height, width, in_channels = shape
        sequences: list[nn.Module] = []
        for out_channels in channels:
            sequences += [
                nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
                nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
                ResidualBlock(out_channels),
                ResidualBlock(out_channels),
            ]
            in_channels, height, width = out_channels, (height + 1) // 2, (width + 1) // 2
        self.sequences = nn.Sequential(*sequences)
        self.dense = nn.Linear(in_channels * height * width, num_features)
        self.num_features = num_features

    def forward(self, obs: Tensor) -> Tensor:
        """Features [B, num_features]."""
        x = F.relu(self.sequences(from_image(obs)), inplace=True)
        return F.relu(self.dense(torch.flatten(x, 1)))
