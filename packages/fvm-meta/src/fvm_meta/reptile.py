"""Reptile (Nichol, Achiam, Schulman 2018, arXiv 1803.02999, algorithm 1; several tasks as in section 3.2).

    repeat: draw a task; theta_k = k updates of the base learner on it from theta, with a fresh optimiser
            theta <- theta + eps * (theta_k - theta)

or, with `meta_batch` tasks, the mean of their displacements. eps changes linearly with the env steps spent.
Adaptation is plain fine-tuning from theta. On-policy, an update is a rollout and the epochs on it, so k = 3
with 3 epochs of 8 minibatches are 72 Adam steps.

*The step size is the question.* Mandi, Abbeel, James 2022 print theta <- eps (theta_old - theta_k), a slip.
Their code computes theta_k + e (theta_old - theta_k), which is Reptile with eps = 1 - e: on RLBench e runs
from .1 to 0, on Atari from 1 to 0. With eps near 1 Reptile is training on one task after another.

Only parameters are interpolated; the reward normaliser goes on through all tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from fvm_learners import Iteration
from fvm_learners.config_checks import check_counts, is_number
from torch import Tensor

from fvm_meta.capabilities import InnerLearner
from fvm_meta.given import spawned
from fvm_meta.paradigm import Paradigm
from fvm_meta.stream import Budget, Envs, Policy, Snapshot, Spent, State, train

Weights = Mapping[str, Tensor]

EPS_SCHEDULES: Mapping[str, tuple[float, float]] = {
    "as_printed": (0.1, 0.0),  # the paper's schedule for RLBench, read as Reptile's eps
    "authors": (0.9, 1.0),  # what their code does with it
    "authors_atari": (0.0, 1.0),  # what their Atari code does
    "tuned": (0.5, 0.0),  # what tuning on validation tasks starts from; Nichol et al. anneal to 0 as well
}


@dataclass(frozen=True, kw_only=True)
class ReptileConfig:
    """Settings of Reptile's outer loop.

    Attributes:
        eps_schedule: Eps at the first and at the last env step; 1 moves theta all the way.
        inner_updates: k, the base learner's updates on one task. More: theta_k lies nearer to the task's own
            optimum and says less about the others.
        meta_batch: Tasks whose displacements are averaged, one after another, each on that share of the envs.
        inner_optimiser: "fresh" for each inner loop, or "kept" from one to the next.
    """

    eps_schedule: tuple[float, float] = EPS_SCHEDULES["tuned"]
    inner_updates: int = 3
    meta_batch: int = 1
    inner_optimiser: Literal["fresh", "kept"] = "fresh"

    def __post_init__(self) -> None:
        ends = self.eps_schedule if isinstance(self.eps_schedule, tuple | list) else ()
        if len(ends) != 2 or not all(is_number(eps) and 0 <= eps <= 1 for eps in ends):
            raise ValueError(f"eps_schedule={self.eps_schedule!r}: give a start and an end from 0 to 1")
        check_counts(self, ("inner_updates", "meta_batch"))
        if self.inner_optimiser not in ("fresh", "kept"):
            raise ValueError(f"inner_optimiser={self.inner_optimiser!r}: give 'fresh' or 'kept'")

    def eps(self, frac: float) -> float:
        """Step size after this fraction of the budget."""
        start, end = self.eps_schedule
        return start + (end - start) * frac


def reptile_step(theta: Weights, adapted: Sequence[Weights], eps: float) -> dict[str, Tensor]:
    """Returns theta + eps * (mean over tasks of theta_k - theta)."""
    moved = {}
    for name, old in theta.items():
        displacement = sum((weights[name] - old for weights in adapted), start=old.new_zeros(()))
        moved[name] = old + eps / len(adapted) * displacement
    return moved


def mean_metrics(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Returns each metric's mean over those that have it: a hook's term may sit out some updates."""
    names = dict.fromkeys(name for metrics in history for name in metrics)
    return {name: float(np.mean([part[name] for part in history if name in part])) for name in names}


class OuterLoop:
    """A learner whose iteration is one outer step: an inner loop on each of `meta_batch` tasks.

    Args:
        learner: Trained in place; holds theta between iterations.
        tasks: To draw from.
        budget: Over which eps is annealed.
        config: See `ReptileConfig`.
        rng: Draws the tasks.
    """

    def __init__(
        self,
        learner: InnerLearner,
        tasks: Sequence[Any],
        budget: Budget,
        config: ReptileConfig,
        rng: np.random.Generator,
    ) -> None:
        self.learner, self.tasks, self.budget, self.config, self.rng = learner, tasks, budget, config, rng
        self.env_step = 0
        self.seen: set[int] = set()

    def iteration_env_steps(self, num_envs: int) -> int:
        """Env steps of a full outer step."""
        return self._inner_env_steps(num_envs) * self.config.meta_batch

    def _inner_env_steps(self, num_envs: int) -> int:
        return self.learner.iteration_env_steps(num_envs) * self.config.inner_updates

    def iteration(self, envs: Envs, max_env_steps: int | None = None) -> Iteration:
        """One outer step; what is left of a budget goes to fewer tasks or shorter inner loops."""
        left = self.iteration_env_steps(envs.num_envs) if max_env_steps is None else max_env_steps
        eps = self.config.eps(self.env_step / self.budget.env_steps)
        theta = self.learner.frozen_policy().weights
        adapted: list[Weights] = []
        inner: list[Iteration] = []
        while left > 0:
            share = min(left, self._inner_env_steps(envs.num_envs))
            inner += self._inner_loop(envs, theta, share)
            adapted.append(self.learner.frozen_policy().weights)
            left -= share
        self.learner.load_weights(reptile_step(theta, adapted, eps))
        spent = sum(iteration.env_steps for iteration in inner)
        self.env_step += spent
        metrics = mean_metrics([part.metrics for part in inner])
        return Iteration(
            env_steps=spent,
            updates=sum(iteration.updates for iteration in inner),
            metrics={**metrics, "eps": eps, "distinct_tasks": float(len(self.seen))},
            episodes=tuple(episode for iteration in inner for episode in iteration.episodes),
        )

    def _inner_loop(self, envs: Envs, theta: Weights, env_steps: int) -> list[Iteration]:
        """The base learner's iterations on one task, from theta."""
        position = int(self.rng.integers(len(self.tasks)))
        self.seen.add(position)
        everywhere = np.ones(envs.num_envs, dtype=bool)
        moves = {"tasks": [self.tasks[position]] * envs.num_envs, "reset_mask": everywhere}
        _, info = envs.reset(options=moves)
        if not np.all(np.equal(info.get("task_index", -1), position)):
            raise ValueError(
                f"{type(envs).__name__} did not move to task {position} when it was reset with "
                "options={'tasks': ..., 'reset_mask': ...}: use envs like fvm_envs.make_vec's"
            )
        self.learner.load_weights(theta)
        self.learner.restart()
        if self.config.inner_optimiser == "fresh":
            self.learner.reset_optimiser()
        iterations = []
        while env_steps > 0:
            iterations.append(self.learner.iteration(envs, env_steps))
            env_steps -= iterations[-1].env_steps
            strays = {episode.task_index for episode in iterations[-1].episodes} - {position}
            if strays:
                raise ValueError(
                    f"{type(envs).__name__} was moved to task {position} and played an episode of task "
                    f"{min(strays)} in the same inner loop: let a reset with a seed, and the ends of "
                    "episodes with on_episode_end='stay', keep each slot's task"
                )
        return iterations

    def frozen_policy(self) -> Policy:
        """The policy of theta."""
        return self.learner.frozen_policy()

    def load_weights(self, weights: Weights) -> None:
        """Overwrite theta."""
        self.learner.load_weights(weights)

    def state_dict(self) -> State:
        """Everything but the envs."""
        return {
            "learner": self.learner.state_dict(),
            "rng": self.rng.bit_generator.state,
            "env_step": self.env_step,
            "seen": sorted(self.seen),
        }

    def load_state_dict(self, state: State) -> None:
        """Go on as the loop that gave `state`."""
        self.learner.load_state_dict(state["learner"])
        self.rng.bit_generator.state = state["rng"]
        self.env_step, self.seen = state["env_step"], set(state["seen"])


class Reptile(Paradigm):
    """Weights from which a few updates on any training task go far; then fine-tuned on the new one."""

    name = "reptile"
    version = 1
    Config = ReptileConfig
    config: ReptileConfig

    def pretrain(
        self,
        tasks: Sequence[Any],
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (),
        resume: State | None = None,
        demos: Sequence[Sequence[Any]] = (),
    ) -> Iterator[Snapshot]:
        """Yields snapshots of theta, one an outer step; `metrics` counts the distinct tasks seen.

        Raises:
            ValueError: The learner cannot begin an inner loop anew, has no use for demonstrations, or makes
                its batches from the replays of several tasks.
        """
        (draws,) = spawned(rng, 1)
        learner, envs = self.start(tasks, rng, "stay", needs=InnerLearner, split=self.config.meta_batch)
        if (replays := len(getattr(learner, "replays", ()))) > 1:
            envs.close()
            raise ValueError(
                f"an inner loop of Reptile learns from one task, and {type(learner).__name__} makes its "
                f"batches from the replays of {replays}: use fvm_meta.replay_reptile.ReplayReptile"
            )
        spent = Spent(demos=self.show(learner, envs, *demos))
        loop = OuterLoop(learner, tasks, budget, self.config, draws)
        yield from train(loop, envs, budget, at, resume, spent)
