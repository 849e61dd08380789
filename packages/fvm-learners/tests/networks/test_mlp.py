"""The encoder of vectors against numpy."""

import numpy as np
import pytest
import torch
from fvm_learners.networks.mlp import MLP


def test_every_layer_has_a_tanh_the_last_one_too():
    torch.manual_seed(0)
    encoder = MLP((3,), (4, 2))
    obs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    expected = obs.astype(np.float64)
    for layer in (encoder.layers[0], encoder.layers[2]):
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        expected = np.tanh(expected @ weight.T + bias)
    assert encoder(torch.from_numpy(obs)).detach().numpy() == pytest.approx(expected, abs=1e-6)
    assert encoder.num_features == 2


def test_observations_of_more_axes_are_laid_out_row_by_row():
    torch.manual_seed(0)
    encoder = MLP((2, 3), (4,))
    obs = torch.arange(12.0).reshape(2, 2, 3)
    assert torch.equal(encoder(obs), encoder(obs.reshape(2, 6)))
    assert encoder.layers[0].in_features == 6


def test_without_layers_the_features_are_the_observation():
    encoder = MLP((2, 3), ())
    assert encoder.num_features == 6
    obs = torch.arange(6.0).reshape(1, 2, 3)
    assert encoder(obs).tolist() == [[0, 1, 2, 3, 4, 5]]
