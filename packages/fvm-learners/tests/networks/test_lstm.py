import torch
from fvm_learners.networks.lstm import LSTM
from torch import nn


def test_equals_torchs_lstm_between_resets():
    torch.manual_seed(0)
    ours, theirs = LSTM(5, 7), nn.LSTM(5, 7)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.from_input.weight)
        theirs.weight_hh_l0.copy_(ours.from_hidden.weight)
        theirs.bias_ih_l0.copy_(ours.from_input.bias)
        theirs.bias_hh_l0.zero_()
    features, state = torch.randn(6, 3, 5), torch.randn(3, 2, 7)
    outputs, after = ours(features, state, torch.zeros(6, 3, dtype=torch.bool))
    expected, (hidden, cell) = theirs(
        features, (state[:, 0][None].contiguous(), state[:, 1][None].contiguous())
    )
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(after, torch.stack((hidden[0], cell[0]), dim=1))


def test_a_start_forgets_what_was_before():
    lstm = LSTM(5, 7)
    features, starts = torch.randn(6, 3, 5), torch.zeros(6, 3, dtype=torch.bool)
    starts[4, 1] = True
    outputs, _ = lstm(features, torch.randn(3, 2, 7), starts)
    alone, _ = lstm(features[4:, 1:2], torch.zeros(1, 2, 7), starts[4:, 1:2])
    torch.testing.assert_close(outputs[4:, 1:2], alone)
    other, _ = lstm(features, torch.randn(3, 2, 7), starts)
    torch.testing.assert_close(other[4:, 1], outputs[4:, 1])
    assert not torch.allclose(other[4:, 0], outputs[4:, 0])
