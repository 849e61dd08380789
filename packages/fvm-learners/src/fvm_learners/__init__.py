"""Reinforcement-learning algorithms, each in one readable folder.

`PPO` and `Rainbow` learn on any Gymnasium vector env and give their whole state as tensors and JSON.
A name is loaded when it is first used, so that a config can be made without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fvm_learners.agent import Agent, load_agent
    from fvm_learners.episodes import Episode
    from fvm_learners.hooks import Hook
    from fvm_learners.iteration import Iteration
    from fvm_learners.ppo.config import SMALL_CPU, TRAIN_PROCGEN, PPOConfig
    from fvm_learners.ppo.ppo import PPO
    from fvm_learners.rainbow.config import DATA_EFFICIENT, RainbowConfig
    from fvm_learners.rainbow.rainbow import Rainbow

__all__ = [
    "DATA_EFFICIENT",
    "PPO",
    "SMALL_CPU",
    "TRAIN_PROCGEN",
    "Agent",
    "Episode",
    "Hook",
    "Iteration",
    "PPOConfig",
    "Rainbow",
    "RainbowConfig",
    "load_agent",
]

_MODULES = {
    "DATA_EFFICIENT": "rainbow.config",
    "PPO": "ppo.ppo",
    "SMALL_CPU": "ppo.config",
    "TRAIN_PROCGEN": "ppo.config",
    "Agent": "agent",
    "Episode": "episodes",
    "Hook": "hooks",
    "Iteration": "iteration",
    "PPOConfig": "ppo.config",
    "Rainbow": "rainbow.rainbow",
    "RainbowConfig": "rainbow.config",
    "load_agent": "agent",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
