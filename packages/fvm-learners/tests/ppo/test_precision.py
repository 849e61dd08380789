"""Bfloat16 and chunks by device: on a CPU for real, on CUDA by tensors that have a device and no memory."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig
from fvm_learners.ppo.actor_critic import ActorCritic
from fvm_learners.ppo.minibatches import Batch
from fvm_learners.ppo.ppo import chunk_size_of, ppo_loss
from fvm_learners.precision import bfloat16_devices, check_bfloat16
from gymnasium import spaces
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call

CPU, CUDA = torch.device("cpu"), torch.device("cuda:1")
IMAGES, ACTIONS = spaces.Box(0, 255, (64, 64, 3), np.uint8), spaces.Discrete(5)
SMALL = PPOConfig(network="nature-small", num_steps=4, num_minibatches=1)
NATIVE = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def batch_of(size, device):
    zeros = partial(torch.zeros, size, device=device)
    return Batch(
        obs=torch.zeros(size, 64, 64, 3, dtype=torch.uint8, device=device),
        action=zeros(dtype=torch.int64),
        log_prob=zeros(),
        value=zeros(),
        advantage=zeros(),
        return_=zeros(),
        valid=zeros(dtype=torch.bool),
        weight=torch.ones((), device=device),
    )


@pytest.mark.parametrize("network", ["nature-small", "impala"])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("recurrent", [False, True])
def test_on_cuda_a_loss_stays_on_its_device_in_the_precision_that_was_asked_for(
    network, lower, recurrent, monkeypatch
):
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: True)
    config = replace(SMALL, network=network, autocast=lower, recurrent=recurrent, lstm_size=8)
    seen = []
    policy = ActorCritic(
        IMAGES,
        ACTIONS,
        network=network,
        mlp_sizes=(),
        lstm_size=8 if recurrent else None,
        rng=torch.Generator(),
        bfloat16_on=bfloat16_devices(config),
    )
    for module in policy.encoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _, __, out: seen.append((out.dtype, out.device)))
    with FakeTensorMode():
        weights = {
            name: torch.empty(parameter.shape, device=CUDA, requires_grad=True)
            for name, parameter in policy.named_parameters()
        }
        batch = batch_of(6, CUDA)
        if recurrent:
            rows = {
                name: getattr(batch, name).unflatten(0, (3, 2))
                for name in ("obs", "action", "log_prob", "value", "advantage", "return_", "valid")
            }
            memory = {"episode_start": rows["valid"], "initial_state": torch.zeros(2, 2, 8, device=CUDA)}
            batch = replace(batch, **rows, **memory)
        loss, metrics = ppo_loss(batch, lambda *given: functional_call(policy, weights, given), config)
        assert loss.device == CUDA
        assert loss.dtype == torch.float32
        assert {metric.device for metric in metrics.values()} == {CUDA}
    assert set(seen) == {(torch.bfloat16 if lower else torch.float32, CUDA)}


@pytest.mark.skipif(not NATIVE, reason="this CPU has no bfloat16")
def test_bfloat16_on_a_cpu_is_close_to_float32_and_is_what_the_convolutions_see():
    draws = torch.Generator().manual_seed(0)
    obs = torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8, generator=draws)
    seen, values = [], []
    for lower in (False, True):
        policy = PPO(IMAGES, ACTIONS, replace(SMALL, cpu_bfloat16=lower), seed=0).policy
        hook = policy.encoder.conv2.register_forward_hook(lambda _, __, out: seen.append(out.dtype))
        values.append(policy(obs)[1])
        hook.remove()
    assert seen == [torch.float32, torch.bfloat16]
    assert not torch.equal(*values)
    assert torch.allclose(*values, atol=0.05)


def test_a_cpu_without_bfloat16_says_so(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    with pytest.raises(ValueError, match="this CPU has no instructions for it"):
        PPO(IMAGES, ACTIONS, replace(SMALL, cpu_bfloat16=True), seed=0)
    both = replace(SMALL, cpu_bfloat16=True, autocast=True)
    check_bfloat16(both, CUDA)
    assert bfloat16_devices(both) == ["cuda", "cpu"]
    assert bfloat16_devices(SMALL) == []


def test_chunks_are_the_encoders_own_on_a_cpu_and_as_said_on_any_device():
    encoder = PPO(IMAGES, ACTIONS, SMALL, seed=0).policy.encoder
    assert chunk_size_of(SMALL, encoder, CPU) == encoder.cpu_chunk_size == 512
    assert chunk_size_of(SMALL, encoder, CUDA) is None
    said = replace(SMALL, chunk_size=64)
    assert chunk_size_of(said, encoder, CPU) == chunk_size_of(said, encoder, CUDA) == 64
    with pytest.raises(ValueError, match="chunk_size"):
        replace(SMALL, chunk_size=0)
