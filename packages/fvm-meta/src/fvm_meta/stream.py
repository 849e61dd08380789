"""A stream of snapshots: one learner that trains on vector envs until its budget is spent.

A stream yields a snapshot after every update, and one exactly at each env step in `at`. A step that falls
inside a rollout is yielded before that rollout is collected, with the policy that collects it: where
snapshots fall never changes what is learned. The last rollout is shortened, so a budget is met and never
exceeded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from fvm_learners import Episode, Iteration
from fvm_learners.config_checks import is_count
from gymnasium.vector import VectorEnv
from torch import Tensor

from fvm_meta.given import check_state

State = dict[str, Any]  # nested; leaves are arrays, tensors or JSON values
Envs = VectorEnv[Any, Any, Any]


class Budget(Protocol):
    """What a stream may spend."""

    @property
    def env_steps(self) -> int: ...  # noqa: D102


class Policy(Protocol):
    """A frozen policy: acts, and never changes."""

    @property
    def weights(self) -> Mapping[str, Tensor]: ...  # noqa: D102

    def initial_state(self, num_envs: int) -> Any: ...  # noqa: D102

    def act(  # noqa: D102
        self,
        obs: np.ndarray[Any, Any],
        state: Any,
        episode_start: np.ndarray[Any, Any],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[np.ndarray[Any, Any], Any]: ...


class Learner(Protocol):
    """A base RL algorithm, as far as a paradigm needs to know it (`fvm_learners.PPO` is one).

    An iteration takes `iteration_env_steps` env steps, or `max_env_steps` if that is less; states are copies.
    """

    def iteration_env_steps(self, num_envs: int) -> int: ...  # noqa: D102

    def iteration(self, envs: Envs, max_env_steps: int | None = None) -> Iteration: ...  # noqa: D102

    def frozen_policy(self) -> Policy: ...  # noqa: D102

    def load_weights(self, weights: Mapping[str, Tensor]) -> None: ...  # noqa: D102

    def state_dict(self) -> State: ...  # noqa: D102

    def load_state_dict(self, state: State) -> None: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a stream says it has spent.

    Attributes:
        env_steps: On what it learns from.
        updates: Optimiser steps.
        episodes: That ended.
        demos: Demonstrations.
        retention_env_steps: On the tasks of a pretraining, to see again what is to be kept.
    """

    env_steps: int = 0
    updates: int = 0
    episodes: int = 0
    demos: int = 0
    retention_env_steps: int = 0


NOTHING = Spent()


def _not_resumable() -> State:
    raise ValueError("this snapshot was restored from weights alone and cannot be resumed from")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """An agent frozen at an env step of a stream.

    Attributes:
        env_step: Env steps spent in this stream when the policy was frozen.
        spent: Everything so far.
        policy: The frozen policy; stays as it is while the stream goes on.
        metrics: Numbers of the update that led here, by name; empty if none did.
        episodes: Training episodes of the rollout that led here (the online return), empty if none did;
            their `env_step` counts in this stream.
        resumable: Whether `state` can be had: some envs (ALE) can be saved only where they start afresh.
        state: Returns all that `resume` needs, a copy. Raises ValueError once the stream has gone on or
            ended: the learner and the envs are then no longer as they were.
    """

    env_step: int
    spent: Spent
    policy: Policy
    metrics: Mapping[str, float] = field(default_factory=dict)
    episodes: tuple[Episode, ...] = ()
    resumable: bool = True
    state: Callable[[], State] = _not_resumable


def train(
    learner: Learner,
    envs: Envs,
    budget: Budget,
    at: Sequence[int] = (),
    resume: State | None = None,
    spent: Spent = NOTHING,
) -> Iterator[Snapshot]:
    """Yields the snapshots of `learner` as it trains on `envs` until the budget is spent.

    Args:
        learner: Trained in place.
        envs: Closed when the stream ends.
        budget: Its `env_steps` must be a multiple of `envs.num_envs`.
        at: Env steps in [0, budget.env_steps] at which a snapshot is wanted exactly.
        resume: A `Snapshot.state()` of the same stream; it goes on after that snapshot.
        spent: Before its first env step.

    Raises:
        ValueError: Budget and number of envs do not fit, a step of `at` lies outside the budget, or `resume`
            is no state of a stream.
        TypeError: The budget has no env steps, `at` is no sequence, or the learner's iteration gave something
            else.
        RuntimeError: The learner took another number of env steps than it was told to.
    """
    ledger, last_yielded, running = spent, -1, True

    def snapshot(env_step: int, iteration: Iteration | None = None) -> Snapshot:
        taken = ledger

        def state() -> State:
            if ledger is not taken or not running:
                raise ValueError(
                    f"the stream has gone on or ended since its snapshot at env step {env_step}, whose "
                    "state is lost; call state() before asking for the next snapshot"
                )
            position = {"ledger": asdict(taken), "last_yielded": env_step}
            return {"learner": learner.state_dict(), "envs": envs_state(envs), **position}

        return Snapshot(
            env_step=env_step,
            spent=replace(taken, env_steps=env_step),
            policy=learner.frozen_policy(),
            metrics=iteration.metrics if iteration else {},
            episodes=iteration.episodes if iteration else (),
            resumable=can_save(envs),
            state=state,
        )

    try:
        check_steps(budget, envs.num_envs, at)
        wanted = sorted(set(at))
        if resume is not None:
            check_state(resume, ("learner", "envs", "ledger", "last_yielded"))
            learner.load_state_dict(resume["learner"])
            load_envs_state(envs, resume["envs"])
            ledger, last_yielded = Spent(**resume["ledger"]), resume["last_yielded"]
        if last_yielded < 0 and 0 in wanted:
            yield snapshot(0)
        while ledger.env_steps < budget.env_steps:
            start = ledger.env_steps
            size = min(learner.iteration_env_steps(envs.num_envs), budget.env_steps - start)
            for step in wanted:
                if max(start, last_yielded) < step < start + size:
                    yield snapshot(step)
            iteration: Any = learner.iteration(envs, size)
            if not isinstance(iteration, Iteration):
                raise TypeError(
                    f"{type(learner).__name__}.iteration gave {iteration!r}: let it return an "
                    "fvm_learners.Iteration"
                )
            if iteration.env_steps != size:
                raise RuntimeError(
                    f"{type(learner).__name__} took {iteration.env_steps} env steps, not the {size} due"
                )
            ledger = replace(
                ledger,
                env_steps=start + size,
                updates=ledger.updates + iteration.updates,
                episodes=ledger.episodes + len(iteration.episodes),
            )
            yield snapshot(ledger.env_steps, iteration)
    finally:
        running = False
        envs.close()


def check_steps(budget: Budget, num_envs: int, at: Sequence[int]) -> None:
    """Raises ValueError unless whole rows of `num_envs` steps fill the budget and `at` lies within it.

    Raises:
        ValueError: As said.
        TypeError: The budget has no `env_steps`, or `at` is no sequence.
    """
    if not hasattr(budget, "env_steps"):
        raise TypeError(
            f"budget={budget!r}: give an object with env_steps, such as fvm_meta.adapting.EnvSteps(1000)"
        )
    if not isinstance(at, Collection):
        raise TypeError(f"at={at!r}: give a sequence of env steps, such as (0, 1000)")
    steps = budget.env_steps
    if not is_count(steps, -sys.maxsize):
        raise ValueError(f"a budget of {steps!r} env steps: give a whole number of them")
    if steps < 0 or steps % num_envs:
        low = max(steps, 0) // num_envs * num_envs
        raise ValueError(
            f"a budget of {steps} env steps is not a whole number of steps of {num_envs} parallel envs; use "
            f"{low} or {low + num_envs}"
        )
    outside = [step for step in at if not (is_count(step, 0) and step <= steps)]
    if outside:
        raise ValueError(
            f"snapshots wanted at {outside}, outside the budget of {steps} env steps or no whole numbers"
        )


def can_save(envs: Envs) -> bool:
    """Whether `envs_state` gives the state of the envs as they are now."""
    return bool(getattr(envs, "can_save", hasattr(envs, "state_dict")))


def envs_state(envs: Envs) -> State:
    """Returns the whole state of vector envs that can save it.

    Raises:
        ValueError: They cannot.
    """
    if not hasattr(envs, "state_dict"):
        raise ValueError(
            f"{type(envs).__name__} has no state_dict(), so a run on it cannot be saved mid-stream"
        )
    state: State = envs.state_dict()
    return state


def load_envs_state(envs: Envs, state: State) -> None:
    """Puts vector envs into a state that `envs_state` returned."""
    envs.load_state_dict(state)  # type: ignore[attr-defined]
