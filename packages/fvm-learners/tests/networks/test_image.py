"""From an observation image to what a convolution takes."""

import pytest
import torch
import torch.nn.functional as F
from fvm_learners.networks.image import from_halved_image, from_image

SHAPE = (2, 9, 12, 3)


def draw(dtype, channels_first):
    """An image whose bytes lie pixel by pixel or channel by channel."""
    image = torch.randint(0, 256 if dtype == torch.uint8 else 2, SHAPE).to(dtype)
    return image.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1) if channels_first else image


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize(("dtype", "most"), [(torch.uint8, 255), (torch.bool, 1)])
def test_images_are_floats_up_to_one(dtype, most, channels_first):
    image = draw(dtype, channels_first)
    expected = image.permute(0, 3, 1, 2).double() / most
    torch.testing.assert_close(from_image(image).double(), expected, rtol=0, atol=1e-7)
    halved = from_halved_image(image)
    torch.testing.assert_close(halved.double(), F.avg_pool2d(expected, 2), rtol=0, atol=1e-7)
    assert halved.is_contiguous(memory_format=torch.channels_last) or channels_first


def test_floats_stay_and_are_halved_as_bytes_are():
    image = torch.rand(2, 3, 9, 12)
    assert from_image(image) is image
    torch.testing.assert_close(from_halved_image(image), F.avg_pool2d(image, 2))
