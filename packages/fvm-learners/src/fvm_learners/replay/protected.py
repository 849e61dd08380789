"""Transitions that nothing overwrites, of which every batch has a fixed share (episodic memory, EM).

    batch = round(share B) of these, uniformly, and the rest as ever      (Wolczyk et al. 2024, appendix B.3)

The authors put theirs into the replay and draw uniformly from all of it, so that the share is large while the
replay is filling and a tenth once it is full; here it is the same from the first update on. Uniformly: no
priority of theirs can decay, so what an agent predicts well already is not lost from sight.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

PROTECTED = -1
"""In place of the number of a task, of what comes from here."""


class Counted(Protocol):
    """A replay that says how many of its transitions can be drawn."""

    @property
    def num_transitions(self) -> int: ...  # noqa: D102


R = TypeVar("R", bound=Counted)


class Protected(Generic[R]):
    """A replay beside those of the tasks.

    Args:
        replay: Holds them, and is written to no more; it draws uniformly while nobody updates its priorities.
        share: Of each batch.
        batch_size: Of a batch.

    Attributes:
        count: Transitions of each batch that come from it.

    Raises:
        ValueError: That would be none of a batch, or all of it; or there are none.
    """

    def __init__(self, replay: R, share: float, batch_size: int) -> None:
        self.replay, self.share = replay, share
        self.count = round(share * batch_size)
        if not 0 < self.count < batch_size:
            raise ValueError(
                f"a share of {share} of batches of {batch_size} is {self.count} transitions: give one that "
                f"leaves 1 to {batch_size - 1} of a batch to either side"
            )
        if not replay.num_transitions:
            raise ValueError("there are no transitions to protect: give more env steps")


class OneForAll(Sequence[R]):
    """One replay for whatever task is played, in place of a replay a task."""

    def __init__(self, replay: R) -> None:
        self._replay = replay

    def __getitem__(self, task: Any) -> Any:
        return self._replay

    def __len__(self) -> int:
        return sys.maxsize
