"""What a learner's record says of it, against the learner itself."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners.rainbow import Rainbow, RainbowConfig
from study.learners import kind_of

CONFIG = RainbowConfig(mlp_sizes=(8,), hidden_size=8, num_atoms=5, learn_start=100, replay_capacity=600)
OWN = "own_encoders_of_this_test:Features"


class Features(torch.nn.Module):
    """Means of whatever it is shown."""

    def __init__(self, shape):
        super().__init__()

    def forward(self, obs):
        return obs.float().flatten(1).mean(1, keepdim=True)


@pytest.mark.parametrize("num_tasks", [1, 3])
@pytest.mark.parametrize(
    ("encoder", "shape", "dtype", "frame_stack"),
    [
        ("mlp", (6,), np.float32, 1),
        ("mlp", (6,), np.float64, 2),
        ("minatar", (8, 8, 4), np.uint8, 2),
        ("minatar", (8, 8, 4), np.bool_, 1),
        (OWN, (8, 8, 4), np.float32, 1),
        (OWN, (8, 8, 4), np.uint8, 4),
        (OWN, (5, 3), np.bool_, 1),
        (OWN, (5, 3), np.int16, 3),
    ],
)
def test_rainbows_memory_is_known_before_it_is_taken(
    monkeypatch, encoder, shape, dtype, frame_stack, num_tasks
):
    monkeypatch.setitem(sys.modules, OWN.partition(":")[0], SimpleNamespace(Features=Features))
    space = gym.spaces.Box(0, 1, shape, dtype)
    config = replace(CONFIG, encoder=encoder, frame_stack=frame_stack)
    rainbow = Rainbow(space, gym.spaces.Discrete(2), config, seed=0, num_tasks=num_tasks)
    taken = sum(replay.nbytes for replay in rainbow.replays)
    assert kind_of(config).memory_nbytes(config, space, num_tasks) == taken
