"""Training from scratch: the base learner on the test task alone, at the adaptation budget.

The baseline of every comparison; same network and action space as the pretrained agents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fvm_meta.paradigm import Paradigm
from fvm_meta.stream import Budget, Snapshot, State


class Scratch(Paradigm):
    """The base learner on the new task, from random weights."""

    name = "scratch"
    version = 1

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
        """Yields snapshots of a freshly initialised agent as it learns `task`.

        Raises:
            ValueError: A pretrained snapshot was given.
        """
        if snapshot is not None:
            raise ValueError("Scratch starts from random weights; a pretrained snapshot was given, use None")
        yield from self.fine_tune(None, task, budget, rng, at, demos, resume)
