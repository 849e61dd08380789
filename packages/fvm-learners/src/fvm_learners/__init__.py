"""Reinforcement-learning algorithms, each in one readable file.

`PPO` learns on any Gymnasium vector env, feed-forward or recurrent, and gives its whole state as tensors and
JSON.
"""

from fvm_learners.frozen_policy import FrozenPolicy, Memory
from fvm_learners.gae import gae
from fvm_learners.minibatches import Batch
from fvm_learners.networks import ActorCritic
from fvm_learners.ppo import PPO, Iteration, LossTerm
from fvm_learners.ppo_config import SMALL_CPU, TRAIN_PROCGEN, PPOConfig
from fvm_learners.rollout import Episode

__all__ = [
    "PPO",
    "SMALL_CPU",
    "TRAIN_PROCGEN",
    "ActorCritic",
    "Batch",
    "Episode",
    "FrozenPolicy",
    "Iteration",
    "LossTerm",
    "Memory",
    "PPOConfig",
    "gae",
]
