"""What every learner here gives and takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fvm_learners.autoreset import Envs, num_envs_of
from fvm_learners.config_checks import is_count
from fvm_learners.episodes import Episode

State = dict[str, Any]


@dataclass(frozen=True)
class Iteration:
    """Some env steps and the updates that follow them.

    Attributes:
        env_steps: Taken in this iteration, all slots together (NEXT_STEP's reset rows included).
        updates: Optimiser steps in this iteration.
        metrics: Means over the updates; those of a hook's term as `<hook>/<metric>`.
        episodes: That ended in this iteration.

    Raises:
        TypeError: A metric is no single number, or an episode no `Episode`.
    """

    env_steps: int
    updates: int
    metrics: dict[str, float]
    episodes: tuple[Episode, ...]

    def __post_init__(self) -> None:
        for episode in self.episodes:
            if not isinstance(episode, Episode):
                raise TypeError(f"{episode!r} is no fvm_learners.Episode: give one for each that ended")
        metrics: dict[str, Any] = dict(self.metrics)
        for name, value in list(metrics.items()):
            if type(value) is float:
                continue
            number = value.detach() if isinstance(value, Tensor) else value
            if not isinstance(number, Real | Tensor | np.ndarray) or getattr(number, "ndim", False):
                raise TypeError(f"the metric {name!r} is {value!r}: give a number, a mean over the updates")
            metrics[name] = float(number)
            object.__setattr__(self, "metrics", metrics)


def means(history: Sequence[dict[str, Tensor]]) -> dict[str, float]:
    """Each metric's mean over the optimiser steps that have it; a hook's term may be left out of some."""
    names = dict.fromkeys(name for metrics in history for name in metrics)
    return {
        name: float(torch.stack([metrics[name] for metrics in history if name in metrics]).mean())
        for name in names
    }


def _check_steps(name: str, value: Any) -> None:
    if not is_count(value, at_least=0):
        raise ValueError(f"{name}={value!r}: give a whole number of 0 or more, as int(1e6)")


class IteratedLearner:
    """What every learner does with its iterations.

    Attributes:
        config: Its `num_steps` rows make a full iteration.
        env_step: Env steps taken so far.
    """

    config: Any
    env_step: int

    def iteration(self, envs: Envs, max_env_steps: int | None = None) -> Iteration:
        """Returns what one iteration did, shortened to at most `max_env_steps`."""
        raise NotImplementedError

    def learn(self, envs: Envs, env_steps: int) -> Iterator[Iteration]:
        """Yields iterations until fewer than `num_envs` of `env_steps` are left.

        Raises:
            ValueError: `env_steps` is no whole number.
        """
        _check_steps("env_steps", env_steps)
        end, num_envs = self.env_step + env_steps, num_envs_of(envs)
        while end - self.env_step >= num_envs:
            yield self.iteration(envs, end - self.env_step)

    def iteration_env_steps(self, num_envs: int) -> int:
        """Returns the env steps of a full iteration on this many envs."""
        return int(self.config.num_steps) * num_envs

    def _num_rows(self, num_envs: int, max_env_steps: int | None) -> int:
        """Steps of all envs in the next iteration."""
        if max_env_steps is None:
            return int(self.config.num_steps)
        _check_steps("max_env_steps", max_env_steps)
        if max_env_steps < num_envs:
            raise ValueError(
                f"max_env_steps={max_env_steps} is less than one step of {num_envs} envs: use fewer envs"
            )
        return min(int(self.config.num_steps), max_env_steps // num_envs)
