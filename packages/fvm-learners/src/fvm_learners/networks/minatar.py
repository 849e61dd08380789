"""MinAtar's encoder (Young and Tian 2019, arXiv 1903.03176, section 3): one convolution, for small images.

It takes a grid game at a pixel a cell, where the deeper encoders would have nothing left to see.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fvm_learners.networks.image import from_image


class MinAtar(nn.Module):
    """From uint8 [B, H, W, C] to [B, 128]: a 3x3/1 convolution with 16 filters and a dense layer.

    With `num_features=None` it ends after the convolution.
    """

    min_size = 3
    cpu_chunk_size: int | None = 512  # as the others'; batches of 4,096 run at two thirds of the speed
    init_gain = math.sqrt(2)

    def __init__(self, shape: tuple[int, ...], channels: int = 16, num_features: int | None = 128) -> None:
        super().__init__()
        height, width, in_channels = shape
        self.conv = nn.Conv2d(in_channels, channels, kernel_size=3, stride=1)
        flat = channels * (height - 2) * (width - 2)
        self.dense = None if num_features is None else nn.Linear(flat, num_features)
        self.num_features = num_features or flat

    def forward(self, obs: Tensor) -> Tensor:
        """Features [B, num_features]."""
        x = F.relu(self.conv(from_image(obs)), inplace=True)
        x = torch.flatten(x, 1)
        return x if self.dense is None else F.relu(self.dense(x))
