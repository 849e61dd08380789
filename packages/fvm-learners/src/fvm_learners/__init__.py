"""Reinforcement-learning algorithms, each in one readable file.

`PPO` and `Rainbow` learn on any Gymnasium vector env and give their whole state as tensors and JSON.
"""

from fvm_learners.frozen_policy import FrozenPolicy, Memory
from fvm_learners.iteration import Iteration, LossTerm
from fvm_learners.ppo import PPO
from fvm_learners.ppo_config import SMALL_CPU, TRAIN_PROCGEN, PPOConfig
from fvm_learners.rainbow import Rainbow
from fvm_learners.rainbow_config import DATA_EFFICIENT, RainbowConfig
from fvm_learners.rollout import Episode

__all__ = [
    "DATA_EFFICIENT",
    "PPO",
    "SMALL_CPU",
    "TRAIN_PROCGEN",
    "Episode",
    "FrozenPolicy",
    "Iteration",
    "LossTerm",
    "Memory",
    "PPOConfig",
    "Rainbow",
    "RainbowConfig",
]
