"""From an observation image to what a convolution takes."""

import torch
import torch.nn.functional as F
from torch import Tensor


def from_image(obs: Tensor) -> Tensor:
    """Returns uint8 or bool [B, H, W, C] as float32 [B, C, H, W] in [0, 1]; what is float stays as it is.

    Convolutions are fastest on channels-last memory. The permuted view of channels-last bytes has it already,
    and `to` keeps it. Of bytes that lie channel by channel, each channel is copied at once: half the time of
    what `to` with another memory format takes on a CPU.
    """
    if obs.is_floating_point():
        return obs
    if obs.is_contiguous():
        image = obs.to(torch.float32)
    else:
        image = torch.empty(obs.shape, dtype=torch.float32, device=obs.device)
        for channel in range(obs.shape[-1]):
            image[..., channel] = obs[..., channel]
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
