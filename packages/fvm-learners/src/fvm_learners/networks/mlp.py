"""Fully connected encoder for vectors, with tanh as in PPO's paper (Schulman et al. 2017, section 6.1)."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """From float [B, ...] to [B, sizes[-1]]."""

    cpu_chunk_size: int | None = None
    init_gain = math.sqrt(2)

    def __init__(self, shape: tuple[int, ...], sizes: tuple[int, ...]) -> None:
        super().__init__()
        widths = (math.prod(shape), *sizes)
        layers: list[nn.Module] = []
        for width, next_width in pairwise(widths):
            layers += [nn.Linear(width, next_width), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.num_features = widths[-1]

    def forward(self, obs: Tensor) -> Tensor:
        """Features [B, sizes[-1]]."""
        features: Tensor = self.layers(torch.flatten(obs, 1))
        return features
