"""From an observation image to what a convolution takes."""

import torch
from torch import Tensor


def from_image(obs: Tensor) -> Tensor:
    """uint8 [B, H, W, C] as float32 [B, C, H, W] in [0, 1]; what is float already stays as it is.

    Convolutions are fastest on channels-last memory, which the permuted view of channels-last bytes already
    has: then the only copy is the one from uint8 to float. Other bytes are put into that order before, while
    they are small.
    """
    if obs.is_floating_point():
        return obs
    image = obs.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return image.to(torch.float32).div_(255.0)
