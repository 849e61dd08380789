"""Data-efficient Rainbow's encoder against its paper and convolutions written out in numpy."""

import numpy as np
import pytest
import torch
from fvm_learners.networks.data_efficient import DataEfficient


def convolved(image, conv):
    """A 5x5/5 convolution of [C, H, W] and its ReLU, window by window."""
    weight, bias = conv.weight.detach().double().numpy(), conv.bias.detach().double().numpy()
    rows, columns = image.shape[1] // 5, image.shape[2] // 5
    out = np.empty((len(bias), rows, columns))
    for i, j in np.ndindex(rows, columns):
        window = image[:, 5 * i : 5 * i + 5, 5 * j : 5 * j + 5]
        out[:, i, j] = (weight * window).sum(axis=(1, 2, 3)) + bias
    return np.maximum(out, 0)


def test_features_and_parameters_are_those_of_the_paper():
    """Van Hasselt et al. 2019, table 2: 32 and 64 channels of 5x5/5, 576 features of four 84 x 84 frames."""
    encoder = DataEfficient((84, 84, 4))
    assert encoder.num_features == 576
    count = sum(parameter.numel() for parameter in encoder.parameters())
    assert count == (5 * 5 * 4 * 32 + 32) + (5 * 5 * 32 * 64 + 64)
    assert encoder(torch.zeros(2, 84, 84, 4, dtype=torch.uint8)).shape == (2, 576)


def test_it_is_two_convolutions_each_with_a_relu():
    torch.manual_seed(0)
    encoder = DataEfficient((27, 52, 2), channels=(3, 4))
    obs = np.random.default_rng(0).integers(0, 256, (2, 27, 52, 2), dtype=np.uint8)
    features = encoder(torch.from_numpy(obs)).detach().numpy()
    assert features.shape == (2, encoder.num_features) == (2, 4 * 1 * 2)
    for image, ours in zip(obs, features, strict=True):
        hidden = convolved(image.transpose(2, 0, 1) / 255, encoder.conv0)
        assert ours == pytest.approx(convolved(hidden, encoder.conv1).ravel(), abs=1e-6)


def test_the_smallest_image_has_one_pixel_left():
    size = DataEfficient.min_size
    assert DataEfficient((size, size, 1)).num_features == 64
    obs = torch.zeros(1, size - 1, size - 1, 1, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        DataEfficient((size, size, 1))(obs)
