"""From an observation image to what a convolution takes."""

import torch
from torch import Tensor


def from_image(obs: Tensor) -> Tensor:
    """uint8 [B, H, W, C] as float32 [B, C, H, W] in [0, 1].

    The permuted view of channels-last bytes already has torch's channels_last strides, and `to` keeps them,
    so the only copy is the one from uint8 to float.
    """
    return obs.permute(0, 3, 1, 2).to(torch.float32).div_(255.0)
