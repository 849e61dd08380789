"""Weights and Adam's state out of a network and back, through plain tensors."""

import pytest
import torch
from fvm_learners.weights import (
    load_network_weights,
    load_optimiser_state,
    network_weights,
    optimiser_state,
    reset_optimiser_state,
)
from torch import nn


def make(**options):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3, 2)).to(
        memory_format=torch.channels_last
    )
    return network, torch.optim.Adam(network.parameters(), lr=0.1, **options)


def step(network, optimiser, times=1):
    for _ in range(times):
        optimiser.zero_grad()
        (network(torch.ones(4, 2, 3, 3)) ** 2).sum().backward()
        optimiser.step()


def test_weights_are_contiguous_copies():
    network, _ = make()
    weights = network_weights(network)
    assert not network[0].weight.is_contiguous()
    assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in weights.values())
    assert torch.equal(weights["0.weight"], network[0].weight)
    weights["2.bias"].fill_(9)
    assert (network[2].bias != 9).all()


@pytest.mark.parametrize("fused", [False, True])
def test_training_goes_on_from_a_loaded_state_as_if_it_had_not_stopped(fused):
    network, optimiser = make(fused=fused)
    step(network, optimiser, 3)
    kept, moments = network_weights(network), optimiser_state(optimiser, network)
    assert moments["step"] == dict.fromkeys(dict(network.named_parameters()), 3)
    step(network, optimiser, 2)
    other, resumed = make(fused=fused)
    step(other, resumed, 5)  # a used one
    load_network_weights(other, kept)
    load_optimiser_state(resumed, other, moments)
    step(other, resumed, 2)
    assert all(torch.equal(one, network.state_dict()[name]) for name, one in other.state_dict().items())
    assert other[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_reset_optimiser_steps_as_a_fresh_one_in_the_same_tensors():
    network, optimiser = make()
    step(network, optimiser, 3)
    start = network_weights(network)
    before = [id(tensor) for entry in optimiser.state.values() for tensor in entry.values()]
    reset_optimiser_state(optimiser)
    assert before == [id(tensor) for entry in optimiser.state.values() for tensor in entry.values()]
    assert optimiser_state(optimiser, network) == {"step": {}, "exp_avg": {}, "exp_avg_sq": {}}
    step(network, optimiser)
    fresh, adam = make()
    load_network_weights(fresh, start)
    step(fresh, adam)
    for name, tensor in fresh.state_dict().items():
        assert torch.allclose(tensor, network.state_dict()[name], atol=1e-7)


def test_other_networks_are_refused_and_parts_are_taken_alone():
    network, _ = make()
    weights = network_weights(network)
    with pytest.raises(ValueError, match=r"of another network, they differ in 2\.bias"):
        load_network_weights(network, {name: one for name, one in weights.items() if name != "2.bias"})
    with pytest.raises(ValueError, match=r"differ in everything"):
        load_network_weights(network, weights, only=("9.",))
    given = {"0.weight": weights["0.weight"] + 1, "0.bias": weights["0.bias"], "2.weight": torch.ones(7)}
    load_network_weights(network, given, only=("0.",))
    assert torch.equal(network[0].weight, weights["0.weight"] + 1)
    assert torch.equal(network[2].weight, weights["2.weight"])
