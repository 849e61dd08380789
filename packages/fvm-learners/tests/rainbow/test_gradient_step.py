"""A gradient step as a CUDA graph would record it, without a GPU."""

import pytest
from fvm_learners.rainbow.gradient_step import on_tensors, tensors_of


def test_a_graph_is_for_cuda_and_plain_losses(catch, make):
    with pytest.raises(ValueError, match="update_mode='cuda-graph' on device 'cpu': it needs device='cuda'"):
        make(catch(num_envs=4), update_mode="cuda-graph")


def test_a_step_on_tensors_is_a_step_on_the_batch(catch, assert_same, make):
    """What a CUDA graph records, without recording it."""
    states = []
    for recorded in (False, True):
        envs = catch(num_envs=4)
        rainbow = make(envs)
        if recorded:
            step = on_tensors(rainbow._gradient_step)
            rainbow._graph = lambda batch, noise, step=step: step(*tensors_of(batch, noise))
        list(rainbow.learn(envs, 80))
        states.append(rainbow.state_dict())
    assert_same(*states)
