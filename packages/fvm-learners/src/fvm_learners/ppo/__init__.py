"""Proximal policy optimisation: `ppo.py` is the algorithm, `rollout.py` what it collects."""

from typing import TYPE_CHECKING

from fvm_learners.ppo.config import SMALL_CPU, TRAIN_PROCGEN, PPOConfig

if TYPE_CHECKING:
    from fvm_learners.ppo.ppo import PPO, ppo_loss

__all__ = ["PPO", "SMALL_CPU", "TRAIN_PROCGEN", "PPOConfig", "ppo_loss"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in ("PPO", "ppo_loss"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fvm_learners.ppo import ppo  # loads torch, which a config does not need

        return getattr(ppo, name)
