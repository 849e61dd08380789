"""Reptile off-policy: inner loops on one task's replay instead of on rollouts (`reptile.py` has the method).

    all envs collect as in multi-task training; for every k updates that are due:
        draw a task; theta_k = k updates on batches of its replay from theta, with a fresh optimiser
        theta <- theta + eps * (theta_k - theta)
        target network <- theta, where its period ended within those updates

So there are as many updates per env step as in multi-task training, and one outer step for k of them; the
authors of Mandi, Abbeel, James 2022 spend k updates at every env step. With `meta_batch` tasks the k updates
of each are due before their mean displacement is taken. The
target network is copied after the outer step, as the authors do, so it is theta and never theta_k.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from fvm_learners import Episode, Iteration
from fvm_learners.replay.samplers import LearnerView, TaskBalanced
from torch import Tensor

from fvm_meta.capabilities import ReplayLearner
from fvm_meta.given import spawned
from fvm_meta.reptile import Reptile, ReptileConfig, mean_metrics, reptile_step
from fvm_meta.stream import Budget, Envs, Policy, Snapshot, Spent, State, train


class OneTask(TaskBalanced):
    """A sampler whose batches come from one task at a time."""

    task = 0

    def batch(self, learner: LearnerView, rng: np.random.Generator) -> Any:
        """A prioritised batch of that task."""
        return learner.make_batch([self.task], rng)


class ReplayLoop:
    """A learner that collects from all tasks, and learns from one task's replay after another.

    Args:
        learner: Trained in place; holds theta between iterations.
        sampler: The learner's.
        budget: Over which eps is annealed.
        config: See `ReptileConfig`.
        rng: Draws the tasks.
    """

    def __init__(
        self,
        learner: ReplayLearner,
        sampler: OneTask,
        budget: Budget,
        config: ReptileConfig,
        rng: np.random.Generator,
    ) -> None:
        self.learner, self.sampler, self.budget, self.config, self.rng = learner, sampler, budget, config, rng
        self.seen: set[int] = set()

    def iteration_env_steps(self, num_envs: int) -> int:
        """Env steps of a full iteration."""
        return self.learner.iteration_env_steps(num_envs)

    def iteration(self, envs: Envs, max_env_steps: int | None = None) -> Iteration:
        """The learner's rows, each followed by the outer steps then due."""
        env_steps = self.iteration_env_steps(envs.num_envs)
        rows = min(env_steps, max_env_steps or env_steps) // envs.num_envs
        outer_updates = self.config.inner_updates * self.config.meta_batch
        episodes: list[Episode] = []
        history: list[dict[str, float]] = []
        for _ in range(rows):
            episodes += self.learner.collect(envs, 1)
            while self.learner.updates_due >= outer_updates:
                history += self._outer_step()
        metrics = mean_metrics(history)
        if history:
            metrics |= {"eps": self._eps(), "distinct_tasks": float(len(self.seen))}
        return Iteration(rows * envs.num_envs, len(history), metrics, tuple(episodes))

    def _eps(self) -> float:
        return self.config.eps(min(1.0, self.learner.env_step / self.budget.env_steps))

    def _outer_step(self) -> list[dict[str, float]]:
        """One step of theta; the metrics of the updates behind it."""
        policy = self.learner.policy
        theta = _copy(policy.state_dict())
        adapted: list[Mapping[str, Tensor]] = []
        history: list[dict[str, float]] = []
        for _ in range(self.config.meta_batch):
            self.sampler.task = int(self.rng.choice(self.learner.ready_tasks))
            self.seen.add(self.sampler.task)
            policy.load_state_dict(theta)
            if self.config.inner_optimiser == "fresh":
                self.learner.reset_optimiser()
            history += [self.learner.update(copy_target=False) for _ in range(self.config.inner_updates)]
            adapted.append(_copy(policy.state_dict()))
        policy.load_state_dict(reptile_step(theta, adapted, self._eps()))
        if self.learner.target_due:
            self.learner.copy_to_target()
        return history

    def frozen_policy(self) -> Policy:
        """The policy of theta."""
        return self.learner.frozen_policy()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Overwrite theta."""
        self.learner.load_weights(weights)

    def state_dict(self) -> State:
        """Everything but the envs."""
        return {
            "learner": self.learner.state_dict(),
            "rng": self.rng.bit_generator.state,
            "seen": sorted(self.seen),
        }

    def load_state_dict(self, state: State) -> None:
        """Go on as the loop that gave `state`."""
        self.learner.load_state_dict(state["learner"])
        self.rng.bit_generator.state = state["rng"]
        self.seen = set(state["seen"])


class ReplayReptile(Reptile):
    """Reptile for a learner with a replay for each task."""

    name = "reptile-replay"
    version = 2

    def pretrain(
        self,
        tasks: Sequence[Any],
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (),
        resume: State | None = None,
        demos: Sequence[Sequence[Any]] = (),
    ) -> Iterator[Snapshot]:
        """Yields snapshots of theta; `metrics` counts the distinct tasks seen.

        Raises:
            ValueError: The learner has no replays.
        """
        (draws,) = spawned(rng, 1)
        sampler = OneTask()
        learner, envs = self.start(
            tasks, rng, on_episode_end="resample", sampler=sampler, needs=ReplayLearner
        )
        loop = ReplayLoop(learner, sampler, budget, self.config, draws)
        spent = Spent(demos=self.show(learner, envs, *demos))
        yield from train(loop, envs, budget, at, resume, spent)


def _copy(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}
