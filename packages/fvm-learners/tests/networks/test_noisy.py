import math

import pytest
import torch
from fvm_learners.networks.noisy import NoisyLinear, factorised


def layer_of(num_inputs=7, num_outputs=4, sigma0=0.5, seed=0):
    layer = NoisyLinear(num_inputs, num_outputs, sigma0, torch.Generator().manual_seed(seed))
    with torch.no_grad():  # unequal, so that no transposition goes unseen
        layer.weight_sigma.uniform_(0.1, 1, generator=torch.Generator().manual_seed(1))
        layer.bias_sigma.uniform_(0.1, 1, generator=torch.Generator().manual_seed(2))
    return layer


def noise_of(layer, rows, seed=3):
    return factorised(torch.randn(rows, layer.num_noise, generator=torch.Generator().manual_seed(seed)))


def test_it_is_equation_9_with_the_factorised_noise_of_equation_10():
    layer, x = layer_of(), torch.randn(5, 7, generator=torch.Generator().manual_seed(4))
    noise = noise_of(layer, 5)
    for i, out in enumerate(layer(x, noise)):
        e_in, e_out = noise[i, :7], noise[i, 7:]
        weight = layer.weight + layer.weight_sigma * torch.outer(e_out, e_in)
        bias = layer.bias + layer.bias_sigma * e_out
        torch.testing.assert_close(out, weight @ x[i] + bias)


def test_one_noise_for_a_batch_is_that_noise_in_each_row():
    layer, x = layer_of(), torch.randn(5, 7, generator=torch.Generator().manual_seed(4))
    noise = noise_of(layer, 1)
    torch.testing.assert_close(layer(x, noise), layer(x, noise.expand(5, -1)))


def test_both_ways_give_the_same_gradients():
    gradients = []
    x = torch.randn(5, 7, generator=torch.Generator().manual_seed(4))
    for rows in (1, 5):
        layer = layer_of()
        layer(x, noise_of(layer, 1).expand(rows, -1)).pow(2).sum().backward()
        gradients.append([parameter.grad for parameter in layer.parameters()])
    assert len(gradients[0]) == 4
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_moments_of_the_output():
    """Mean mu x + mu_b. With E f(e)^2 = E|e| = sqrt(2/pi) = m: variance sum (s m x)^2 + s_b^2 m + 0.

    The weights' noise e_out e_in has variance m^2; that of the bias, e_out, is not correlated with it, since
    e_in has mean 0.
    """
    layer, x = layer_of(), torch.randn(1, 7, generator=torch.Generator().manual_seed(4))
    rows = 40_000
    with torch.no_grad():
        out = layer(x.expand(rows, -1), noise_of(layer, rows))
        m = math.sqrt(2 / math.pi)
        variance = ((layer.weight_sigma * x) ** 2).sum(dim=1) * m**2 + layer.bias_sigma**2 * m
        standard_error = (variance / rows).sqrt()
        assert ((out.mean(dim=0) - layer(x, None)[0]).abs() < 4 * standard_error).all()
    assert torch.allclose(out.var(dim=0), variance, rtol=0.1)
    assert not torch.allclose(variance, 1.3 * variance, rtol=0.1)


def test_factorised_noise_by_hand():
    assert factorised(torch.tensor([4.0, -9.0, 0.0])).tolist() == [2.0, -3.0, 0.0]


def test_where_mu_and_sigma_start():
    layer = NoisyLinear(400, 300, 0.5, torch.Generator().manual_seed(0))
    assert layer.weight.abs().max() <= 1 / 20
    assert layer.weight.std().item() == pytest.approx(1 / 20 / math.sqrt(3), rel=0.01)  # of a uniform one
    assert set(layer.weight_sigma.unique().tolist()) == {torch.tensor(0.025).item()}
    assert set(layer.bias_sigma.unique().tolist()) == {torch.tensor(0.025).item()}
    with torch.no_grad():
        layer.weight_sigma.add_(1)
        layer.bias_sigma.add_(1)
    layer.reset_sigmas()
    assert layer.weight_sigma.unique().item() == layer.bias_sigma.unique().item() == pytest.approx(0.025)
