import pytest
import torch
from fvm_learners.networks.lstm import LSTM, Steps, steps_of
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


@pytest.mark.parametrize(("steps", "envs", "size"), [(1, 1, 2), (7, 3, 8), (64, 4, 128)])
def test_the_written_backward_pass_gives_autograds_own_bits(steps, envs, size):
    draws = torch.Generator().manual_seed(steps)
    gates = torch.randn(steps, envs, 4 * size, generator=draws)
    weight = torch.randn(4 * size, size, generator=draws) / size**0.5
    state = torch.randn(2, envs, size, generator=draws)
    keep = (torch.rand(steps, envs, 1, generator=draws) > 0.2).float()
    weights = torch.randn(steps, envs, size, generator=draws)

    def gradients(apply):
        leaves = [one.clone().requires_grad_() for one in (gates, weight, *state)]
        outputs, hidden, cell = apply(*leaves, keep)[:3]
        ((outputs * weights).sum() + (hidden * cell).sum()).backward()
        return [outputs, hidden, cell, *(leaf.grad for leaf in leaves)]

    written, autograd = gradients(Steps.apply), gradients(steps_of)
    assert all(torch.equal(mine, its) for mine, its in zip(written, autograd, strict=True))


def test_gradients_are_those_of_finite_differences():
    draws = torch.Generator().manual_seed(0)
    shapes = (4, 2, 12), (12, 3), (2, 3), (2, 3)
    inputs = [
        torch.randn(shape, generator=draws, dtype=torch.float64, requires_grad=True) for shape in shapes
    ]
    keep = torch.tensor([1.0, 1, 0, 1, 1, 1, 1, 0], dtype=torch.float64).reshape(4, 2, 1)
    assert torch.autograd.gradcheck(Steps.apply, (*inputs, keep))
