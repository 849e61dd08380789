"""Images as convolutions take them."""

import torch
from fvm_learners.networks.image import from_image


def test_bytes_become_numbers_up_to_one_and_channels_come_first():
    obs = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).reshape(2, 3, 4, 5)
    image = from_image(obs)
    assert image.shape == (2, 5, 3, 4)
    assert image.dtype == torch.float32
    assert torch.equal(image[1, 2], obs[1, :, :, 2].float() / 255)
    assert image.is_contiguous(memory_format=torch.channels_last)
    assert from_image(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)).item() == 1


def test_frames_that_lie_channel_by_channel_give_the_same():
    obs = torch.randint(0, 256, (3, 4, 5, 2), dtype=torch.uint8)
    apart = obs.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
    assert not apart.is_contiguous()
    assert torch.equal(from_image(apart), from_image(obs))


def test_bools_are_zero_and_one_and_floats_stay():
    obs = torch.tensor([[[[True, False]]]])
    assert from_image(obs).flatten().tolist() == [1, 0]
    ready = torch.rand(2, 3, 4, 4)
    assert from_image(ready) is ready
