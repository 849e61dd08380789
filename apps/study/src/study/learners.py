"""The base learners that a study can use, by the type of their config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fvm_learners import PPO, PPOConfig

LearnerConfig = PPOConfig
LEARNERS: Mapping[str, tuple[type[Any], type[Any]]] = {"ppo": (PPOConfig, PPO)}


def name_of(config: LearnerConfig) -> str:
    """Returns the name of the learner that a config is for."""
    return next(name for name, (kind, _) in LEARNERS.items() if type(config) is kind)


def words_for(config: LearnerConfig) -> str:
    """Returns what sets trainings with this learner apart in their cost."""
    return "with memory" if config.recurrent else "without memory"


def spec_of(config: LearnerConfig) -> dict[str, Any]:
    """Returns what of a config goes into a job's spec: its fields, by the learner's name."""
    return {name_of(config): asdict(config)}


def read_spec(spec: Mapping[str, Any]) -> tuple[LearnerConfig, type[Any]]:
    """Returns the config in a phase's spec, and the learner it is for."""
    name = next(name for name in LEARNERS if name in spec)
    kind, learner = LEARNERS[name]
    return kind(**spec[name]), learner
