"""The contract of every way to carry knowledge from training tasks to a new one.

A paradigm pretrains on a set of tasks and adapts to one task. Both are streams of snapshots, so a caller may
stop, evaluate, save and resume wherever it likes:

    for snapshot in paradigm.pretrain(tasks, budget, rng): ...
    for snapshot in paradigm.adapt(snapshot, task, budget, rng, at=(0, 1024, 2048)): ...

A stream yields a snapshot after every update, and one exactly at each env step in `at`. A step that falls inside
a rollout is yielded before that rollout is collected, with the policy that collects it: where snapshots fall
never changes what is learned. The last rollout is shortened, so a budget is met and never exceeded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from fvm_learners import Episode, Iteration, LossTerm
from gymnasium.vector import VectorEnv
from torch import Tensor

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
    """A base RL algorithm, as far as a paradigm needs to know it (`fvm_learners.PPO` is one)."""

    def iteration_env_steps(self, num_envs: int) -> int: ...  # noqa: D102

    def iteration(self, envs: Envs, max_env_steps: int | None = None) -> Iteration: ...  # noqa: D102

    def frozen_policy(self) -> Policy: ...  # noqa: D102

    def load_weights(self, weights: Mapping[str, Tensor]) -> None: ...  # noqa: D102

    def state_dict(self) -> State: ...  # noqa: D102

    def load_state_dict(self, state: State) -> None: ...  # noqa: D102


class MakeLearner(Protocol):
    """Builds a learner with a fresh optimiser for these spaces."""

    def __call__(  # noqa: D102
        self, observation_space: Any, action_space: Any, *, seed: int, loss_term: LossTerm | None = None
    ) -> Learner: ...


class MakeEnvs(Protocol):
    """Builds a vector env over these tasks; `on_episode_end` is "resample" or "stay"."""

    def __call__(self, tasks: Sequence[Any], *, seed: int, on_episode_end: str) -> Envs: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What a stream says it has spent: env steps, optimiser steps, finished episodes, demonstrations."""

    env_steps: int = 0
    updates: int = 0
    episodes: int = 0
    demos: int = 0


def _not_resumable() -> State:
    raise ValueError("this snapshot was restored from weights alone and cannot be resumed from")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """An agent frozen at an env step of a stream.

    Attributes:
        env_step: Env steps spent in this stream when the policy was frozen.
        ledger: Everything spent so far.
        policy: The frozen policy; stays as it is while the stream goes on.
        metrics: Numbers of the update that led here, by name; empty if none did.
        episodes: Training episodes that ended since the snapshot before (the online return); `env_step` counts
            in this stream.
        state: Returns all that `resume` needs. Call it before the stream moves on.
    """

    env_step: int
    ledger: Ledger
    policy: Policy
    metrics: Mapping[str, float] = field(default_factory=dict)
    episodes: tuple[Episode, ...] = ()
    state: Callable[[], State] = _not_resumable


def train(
    learner: Learner, envs: Envs, budget: Budget, at: Sequence[int] = (), resume: State | None = None
) -> Iterator[Snapshot]:
    """Yields the snapshots of `learner` as it trains on `envs` until the budget is spent.

    Args:
        learner: Trained in place.
        envs: Closed when the stream ends.
        budget: Its `env_steps` must be a multiple of `envs.num_envs`.
        at: Env steps in [0, budget.env_steps] at which a snapshot is wanted exactly.
        resume: A `Snapshot.state()` of the same stream; it goes on after that snapshot.

    Raises:
        ValueError: Budget and number of envs do not fit, a step of `at` lies outside the budget, or the envs
            cannot save their state and `Snapshot.state()` was called.
    """
    check_steps(budget, envs.num_envs, at)
    wanted, ledger, last_yielded = sorted(set(at)), Ledger(), -1
    if resume is not None:
        learner.load_state_dict(resume["learner"])
        load_envs_state(envs, resume["envs"])
        ledger, last_yielded = Ledger(**resume["ledger"]), resume["last_yielded"]

    def snapshot(env_step: int, iteration: Iteration | None = None) -> Snapshot:
        position = {"ledger": vars(ledger), "last_yielded": env_step}
        return Snapshot(
            env_step=env_step,
            ledger=replace(ledger, env_steps=env_step),
            policy=learner.frozen_policy(),
            metrics=iteration.metrics if iteration else {},
            episodes=iteration.episodes if iteration else (),
            state=lambda: {"learner": learner.state_dict(), "envs": envs_state(envs), **position},
        )

    try:
        if last_yielded < 0 and 0 in wanted:
            yield snapshot(0)
        while ledger.env_steps < budget.env_steps:
            start = ledger.env_steps
            size = min(learner.iteration_env_steps(envs.num_envs), budget.env_steps - start)
            for step in wanted:
                if start < step < start + size and step > last_yielded:
                    yield snapshot(step)
            iteration = learner.iteration(envs, size)
            ledger = replace(
                ledger,
                env_steps=start + iteration.env_steps,
                updates=ledger.updates + iteration.updates,
                episodes=ledger.episodes + len(iteration.episodes),
            )
            yield snapshot(ledger.env_steps, iteration)
    finally:
        envs.close()


def check_steps(budget: Budget, num_envs: int, at: Sequence[int]) -> None:
    """Raises ValueError unless whole rows of `num_envs` steps fill the budget and `at` lies within it."""
    if budget.env_steps < 0 or budget.env_steps % num_envs:
        low = max(budget.env_steps, 0) // num_envs * num_envs
        raise ValueError(
            f"a budget of {budget.env_steps} env steps is not a whole number of steps of {num_envs} parallel envs; "
            f"use {low} or {low + num_envs}"
        )
    outside = [step for step in at if not 0 <= step <= budget.env_steps]
    if outside:
        raise ValueError(f"snapshots wanted at {outside}, outside the budget of {budget.env_steps} env steps")


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


class Paradigm:
    """Base of all paradigms: how to build envs and learners, and plain fine-tuning as the way to adapt.

    A subclass overrides `pretrain`, or `adapt`, or both. Fine-tuning starts from the snapshot's weights with a
    fresh optimiser and fresh normalisers, in every paradigm alike.
    """

    def __init__(self, make_learner: MakeLearner, make_envs: MakeEnvs, config: Any = None) -> None:
        self.make_learner = make_learner
        self.make_envs = make_envs
        self.config = config

    def pretrain(
        self,
        tasks: Sequence[Any],
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (),
        resume: State | None = None,
    ) -> Iterator[Snapshot]:
        """Yields snapshots of an agent that learns from the training tasks. This one learns nothing."""
        yield from ()

    def adapt(
        self,
        snapshot: Snapshot | None,
        task: Any,
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (0,),
        demos: Sequence[Any] = (),
        resume: State | None = None,
    ) -> Iterator[Snapshot]:
        """Yields snapshots of the agent as it adapts to `task`. This one fine-tunes all parameters."""
        yield from self.fine_tune(snapshot, task, budget, rng, at, demos, resume)

    def fine_tune(
        self,
        snapshot: Snapshot | None,
        task: Any,
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (0,),
        demos: Sequence[Any] = (),
        resume: State | None = None,
        loss_term: LossTerm | None = None,
    ) -> Iterator[Snapshot]:
        """Yields snapshots of the base learner on one task, from the snapshot's weights if there is one.

        Raises:
            ValueError: Demonstrations were given; an on-policy learner has no use for them.
        """
        if len(demos):
            raise ValueError(
                f"{len(demos)} demonstrations given, but an on-policy learner takes none; use demos=()"
            )
        learner, envs = self.start([task], rng, "stay", loss_term)
        if snapshot is not None:
            learner.load_weights(snapshot.policy.weights)
        yield from train(learner, envs, budget, at, resume)

    def start(
        self,
        tasks: Sequence[Any],
        rng: np.random.Generator,
        on_episode_end: str,
        loss_term: LossTerm | None = None,
    ) -> tuple[Learner, Envs]:
        """Returns a fresh learner and vector envs over `tasks`, each seeded by its own child of `rng`."""
        env_seed, learner_seed = (int(child.integers(2**31)) for child in rng.spawn(2))
        envs = self.make_envs(tasks, seed=env_seed, on_episode_end=on_episode_end)
        learner = self.make_learner(
            envs.single_observation_space, envs.single_action_space, seed=learner_seed, loss_term=loss_term
        )
        return learner, envs
