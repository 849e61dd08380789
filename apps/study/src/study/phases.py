"""A training as a study configures it: budget, envs and base learner, and where a method differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from study.learners import LearnerConfig

MOST = 10**6  # of anything that is counted in a grid: seeds, sizes, snapshots


def check_count(what: str, value: Any, least: int = 1, most: int = 10**15) -> None:
    """Raises ValueError unless a value is a whole number between two others."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{what} is {value!r}; give a whole number")
    if value < least:
        raise ValueError(f"{what} is {value}; it must be at least {least}")
    if value > most:
        raise ValueError(f"{what} is {_shown(value)}; it can be at most {most:,}")


def _shown(value: int) -> str:
    return (
        f"{value:,}" if value < 10**18 else f"about 1e{len(str(value)) - 1}" if value < 10**4000 else "huge"
    )


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One kind of training: pretraining, or adaptation."""

    env_steps: int  # budget of one run
    num_envs: int  # parallel envs
    learner: LearnerConfig
    # Env steps after which envs that cannot save their state begin afresh: a run can be resumed there.
    restart_every: int | None = None

    def __post_init__(self) -> None:
        if self.learner is None:
            return
        if isinstance(self.num_envs, int) and self.num_envs < 1:
            raise ValueError(f"num_envs is {self.num_envs}; a phase needs at least 1 parallel env")
        check_count("num_envs", self.num_envs, most=MOST)
        check_count("a budget of env steps", self.env_steps, least=-(10**15))
        if self.restart_every is not None:
            check_count("restart_every", self.restart_every)
        if self.env_steps < self.num_envs:
            raise ValueError(
                f"a budget of {self.env_steps} env steps is less than one step of {self.num_envs} "
                f"parallel envs; give at least {self.num_envs}"
            )
        if self.env_steps % self.num_envs:
            low = self.env_steps // self.num_envs * self.num_envs
            raise ValueError(
                f"a budget of {self.env_steps} env steps is not a whole number of steps of {self.num_envs} "
                f"parallel envs; use {low} or {low + self.num_envs}"
            )
        iteration = self.learner.num_steps * self.num_envs
        if self.restart_every is not None and self.restart_every % iteration:
            raise ValueError(
                f"restarts every {self.restart_every} env steps do not fall between iterations of "
                f"{iteration}; give a multiple"
            )

    def at(self, points: int) -> tuple[int, ...]:
        """Returns `points` + 1 env steps from 0 to the budget, evenly spaced in whole rows of envs."""
        rows = self.env_steps // self.num_envs
        return tuple(sorted({round(rows * i / points) * self.num_envs for i in range(points + 1)}))


NOTHING = Phase(env_steps=0, num_envs=0, learner=None)  # of a study in which players play, and nothing learns


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where a pretraining and the adaptations that follow it differ from the study's phases.

    Attributes:
        config: Fields of the paradigm's config.
        learner: Fields of the base learner's config, in both phases.
        pretrain, adapt: Fields of it in one of them.
        pretrain_env_steps: Budget of the pretraining, where it is not the phase's.
        pretrain_num_envs: Parallel envs of the pretraining, where they are not the phase's.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    learner: Mapping[str, Any] = field(default_factory=dict)
    pretrain: Mapping[str, Any] = field(default_factory=dict)
    adapt: Mapping[str, Any] = field(default_factory=dict)
    pretrain_env_steps: int | None = field(default=None, metadata={"since": 4})
    pretrain_num_envs: int | None = field(default=None, metadata={"since": 4})
