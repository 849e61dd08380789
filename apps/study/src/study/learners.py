"""The base learners that a study can use, by the type of their config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from fvm_learners import PPO, PPOConfig
from fvm_learners.rainbow import Rainbow
from fvm_learners.rainbow.config import RainbowConfig
from fvm_learners.replay.replay_size import replay_nbytes

LearnerConfig = PPOConfig | RainbowConfig
CONFIGS: Mapping[str, type[PPOConfig] | type[RainbowConfig]] = {"ppo": PPOConfig, "rainbow": RainbowConfig}


def name_of(config: LearnerConfig) -> str:
    """Returns the name of the learner that a config is for."""
    return next(name for name, kind in CONFIGS.items() if type(config) is kind)


def words_for(config: LearnerConfig) -> str:
    """Returns what sets trainings with this learner apart in their cost."""
    if isinstance(config, RainbowConfig):
        return "with a latent" if config.latent_size else "without a latent"
    return "with memory" if config.recurrent else "without memory"


def spec_of(config: LearnerConfig) -> dict[str, Any]:
    """Returns what of a config goes into a job's spec: its fields, by the learner's name."""
    return {name_of(config): asdict(config)}


def read_spec(spec: Mapping[str, Any]) -> LearnerConfig:
    """Returns the config in a phase's spec."""
    name = next(name for name in CONFIGS if name in spec)
    return CONFIGS[name](**{field: _tuple(value) for field, value in spec[name].items()})


def as_measured(config: LearnerConfig, num_envs: int, *, learns: bool) -> LearnerConfig:
    """Returns a config whose first iterations are as costly as later ones: with updates at once, or none."""
    if isinstance(config, RainbowConfig):
        at_once = min(config.learn_start, config.num_steps * num_envs // 2)
        return replace(config, learn_start=at_once if learns else config.replay_capacity)
    return config


def replays_nbytes(config: LearnerConfig, observation_space: Any, num_tasks: int) -> int:
    """Returns the memory of a learner's replays once they are full; 0 where there are none."""
    if not isinstance(config, RainbowConfig):
        return 0
    dtype = torch.float32 if config.encoder == "mlp" else torch.uint8
    capacity = config.replay_capacity // num_tasks
    return num_tasks * replay_nbytes(capacity, observation_space.shape, dtype, config.frame_stack)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def make(
    config: LearnerConfig,
    observation_space: Any,
    action_space: Any,
    *,
    seed: int,
    device: str,
    hooks: Sequence[Any] = (),
    num_tasks: int = 1,
    sampler: Any = None,
) -> PPO | Rainbow:
    """Returns a learner; one on-policy has no use for tasks and samplers."""
    spaces = observation_space, action_space
    if isinstance(config, PPOConfig):
        return PPO(*spaces, config, seed=seed, device=device, hooks=hooks)
    kept = {"hooks": hooks, "num_tasks": num_tasks, "sampler": sampler}
    return Rainbow(*spaces, config, seed=seed, device=device, **kept)
