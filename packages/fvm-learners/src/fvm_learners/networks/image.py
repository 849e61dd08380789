"""From an observation image to what a convolution takes."""

import torch
import torch.nn.functional as F
from torch import Tensor


def from_image(obs: Tensor) -> Tensor:
    """Returns uint8 or bool [B, H, W, C] as float32 [B, C, H, W] in [0, 1]; what is float stays as it is.

    Convolutions are fastest on channels-last memory. The permuted view of channels-last bytes has it already,
    and `to` keeps it. Bytes that lie channel by channel are brought into that order first, while they are a
    quarter of what their floats are.
    """
    if obs.is_floating_point():
        return obs
    pixels = obs if obs.is_contiguous() else torch.stack(obs.unbind(-1), dim=-1)
    image = pixels.to(torch.float32)
    return (image if obs.dtype == torch.bool else image.div_(255.0)).permute(0, 3, 1, 2)


def from_halved_image(obs: Tensor) -> Tensor:
    """Returns what `from_image` does at half the height and width: the means of 2 x 2 pixels.

    Bytes are added as integers before they become floats: a quarter of the time of pooling the float image.
    """
    if obs.is_floating_point():
        return F.avg_pool2d(obs, 2)
    height, width = (size // 2 * 2 for size in obs.shape[1:3])
    total = obs[:, 0:height:2].to(torch.int16) + obs[:, 1:height:2]
    total = total[:, :, 0:width:2] + total[:, :, 1:width:2]
    image = total.to(torch.float32, memory_format=torch.contiguous_format)
    return image.mul_(1 / 4 if obs.dtype == torch.bool else 1 / (4 * 255)).permute(0, 3, 1, 2)
