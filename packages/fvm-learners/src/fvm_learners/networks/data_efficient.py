"""The small encoder of data-efficient Rainbow (van Hasselt, Hessel, Aslanides 2019, arXiv 1906.05243)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fvm_learners.networks.image import from_image


class DataEfficient(nn.Module):
    """From uint8 [B, H, W, C] to [B, 64 * (H // 25) * (W // 25)]: two 5x5/5 convolutions, 576 for 84 x 84."""

    min_size = 25
    cpu_chunk_size: int | None = 512
    init_gain = math.sqrt(2)

    def __init__(self, shape: tuple[int, ...], channels: tuple[int, int] = (32, 64)) -> None:
        super().__init__()
        height, width, in_channels = shape
        self.conv0 = nn.Conv2d(in_channels, channels[0], kernel_size=5, stride=5)
        self.conv1 = nn.Conv2d(channels[0], channels[1], kernel_size=5, stride=5)
        self.num_features = channels[1] * (height // 25) * (width // 25)

    def forward(self, obs: Tensor) -> Tensor:
        """Features [B, num_features]."""
        x = F.relu(self.conv0(from_image(obs)), inplace=True)
        return torch.flatten(F.relu(self.conv1(x), inplace=True), 1)
