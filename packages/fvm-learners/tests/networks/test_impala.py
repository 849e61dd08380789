"""IMPALA's encoder against published counts, and its blocks by hand."""

import pytest
import torch
import torch.nn.functional as F
from fvm_learners.networks.impala import Impala, ResidualBlock


def test_parameters_are_those_of_train_procgen():
    """626,256 with Procgen's 15 actions and a value, of 64 x 64 x 3, are what its users print."""
    encoder = Impala((64, 64, 3))
    count = sum(parameter.numel() for parameter in encoder.parameters())
    assert count + (256 * 15 + 15) + (256 + 1) == 626_256
    assert encoder.num_features == 256


def test_a_block_that_was_zeroed_is_the_identity_and_one_tap_adds_the_positive_part():
    block = ResidualBlock(2)
    x = torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    before = x.clone()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
        assert torch.equal(block(x), x)
        for conv in (block.conv0, block.conv1):  # the middle tap of each channel on itself
            conv.weight[[0, 1], [0, 1], 1, 1] = 1
        assert torch.equal(block(x), x + F.relu(x))
    assert torch.equal(x, before)  # the ReLU in place is not on the input


@pytest.mark.parametrize(("size", "left"), [((64, 64), 8 * 8), ((9, 17), 2 * 3), ((8, 8), 1 * 1)])
def test_each_sequence_halves_the_image_and_rounds_up(size, left):
    encoder = Impala((*size, 3), channels=(4, 4, 6), num_features=5)
    assert encoder.dense.in_features == 6 * left
    features = encoder(torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8))
    assert features.shape == (2, 5)
    assert (features >= 0).all()


def test_a_batch_is_encoded_image_by_image():
    torch.manual_seed(0)
    encoder = Impala((16, 16, 3), channels=(4, 4, 4), num_features=8)
    obs = torch.randint(0, 256, (5, 16, 16, 3), dtype=torch.uint8)
    apart = torch.cat([encoder(image[None]) for image in obs])
    assert torch.allclose(encoder(obs), apart, atol=1e-6)
    assert encoder(obs).std() > 0
