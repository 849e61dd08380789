"""The Nature DQN's encoder against its published size, and the two smaller ones."""

import pytest
import torch
from fvm_learners.networks.nature import Nature, NatureHalved, NatureSmall


def count(encoder):
    return sum(parameter.numel() for parameter in encoder.parameters())


def test_parameters_are_those_of_the_paper():
    """With four actions, DQN's network for 84 x 84 x 4 is known to have 1,686,180 parameters."""
    encoder = Nature((84, 84, 4))
    assert count(encoder) + 512 * 4 + 4 == 1_686_180
    assert encoder.num_features == 512
    assert Nature((84, 84, 4), num_features=None).num_features == 64 * 7 * 7 == 3136


@pytest.mark.parametrize("encoder", [Nature, NatureSmall, NatureHalved])
@pytest.mark.parametrize("shape", [(36, 36, 1), (64, 64, 3), (84, 84, 4), (45, 71, 2)])
def test_what_it_says_of_its_features_is_what_comes_out(encoder, shape):
    made = encoder(shape)
    features = made(torch.randint(0, 256, (2, *shape), dtype=torch.uint8))
    assert features.shape == (2, made.num_features)


def test_the_small_one_has_half_the_channels():
    encoder = NatureSmall((64, 64, 3))
    convs = (encoder.conv0, encoder.conv1, encoder.conv2)
    assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convs] == [
        (3, 16, 8, 4),
        (16, 32, 4, 2),
        (32, 32, 3, 1),
    ]
    assert count(encoder) == (3088 + 8224 + 9248) + (32 * 4 * 4 * 256 + 256)


def test_the_halved_one_sees_the_same_pixels_as_a_small_one_whose_filters_do_not_tell_them_apart():
    """A 4x4/2 filter on means of 2x2 pixels is an 8x8/4 filter with each tap spread over 2x2 of a quarter."""
    torch.manual_seed(0)
    halved, small = NatureHalved((40, 48, 3)), NatureSmall((40, 48, 3))
    weights = halved.state_dict()
    weights["conv0.weight"] = weights["conv0.weight"].repeat_interleave(2, 2).repeat_interleave(2, 3) / 4
    small.load_state_dict(weights)
    obs = torch.randint(0, 256, (3, 40, 48, 3), dtype=torch.uint8)
    assert torch.allclose(halved(obs), small(obs), atol=1e-5)
    assert halved(obs).std() > 0


def test_the_smallest_image_has_one_pixel_left():
    size = Nature.min_size
    assert Nature((size, size, 1), num_features=None).num_features == 64
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        Nature((size, size, 1))(torch.zeros(1, size - 1, size - 1, 1, dtype=torch.uint8))
