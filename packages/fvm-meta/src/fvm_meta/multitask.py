"""Multi-task pretraining, then fine-tuning (Mandi, Abbeel, James 2022, "MT").

    pretrain: each parallel env draws a task from the training set at every episode end;
              theta <- update of the base learner on the mixed rollout
    adapt:    theta_0 = pretrained weights, all of them fine-tuned by the base learner with a fresh optimiser

One policy and one value function for all tasks; neither is told the task's id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fvm_meta.paradigm import Paradigm
from fvm_meta.stream import Budget, Snapshot, Spent, State, train


class MultiTask(Paradigm):
    """One policy trained on all training tasks at once, then fine-tuned on the new one."""

    name = "multitask"
    version = 1

    def pretrain(
        self,
        tasks: Sequence[Any],
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (),
        resume: State | None = None,
        demos: Sequence[Sequence[Any]] = (),
    ) -> Iterator[Snapshot]:
        """Yields snapshots of one policy as it learns all `tasks` at once."""
        learner, envs = self.start(tasks, rng, on_episode_end="resample")
        spent = Spent(demos=self.show(learner, envs, *demos))
        yield from train(learner, envs, budget, at, resume, spent)
