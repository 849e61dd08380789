"""From an observation image to what a convolution takes."""

import torch
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
