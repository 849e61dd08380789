"""Transitions that nothing overwrites, of which every batch has a fixed share (episodic memory, EM).

    batch = round(share B) of these, uniformly, and the rest as ever      (Wolczyk et al. 2024, appendix B.3)

The authors put theirs into the replay and draw uniformly from all of it, so that the share is large while the
replay is filling and a tenth once it is full; here it is the same from the first update on. Uniformly: no
priority of theirs can decay, so what an agent predicts well already is not lost from sight.
"""

from __future__ import annotations

from fvm_learners.replay.replay import Replay

PROTECTED = -1
"""In place of the number of a task, of what comes from here."""


class Protected:
    """A replay beside those of the tasks.

    Args:
        replay: Holds them, and is written to no more.
        share: Of each batch.
        batch_size: Of a batch.

    Attributes:
        count: Transitions of each batch that come from it.

    Raises:
        ValueError: That would be none of a batch, or all of it; or there are none.
    """

    def __init__(self, replay: Replay, share: float, batch_size: int) -> None:
        self.replay, self.share = replay, share
        self.count = round(share * batch_size)
        if not 0 < self.count < batch_size:
            raise ValueError(
                f"a share of {share} of batches of {batch_size} is {self.count} transitions: give one that "
                f"leaves 1 to {batch_size - 1} of a batch to either side"
            )
        if not replay.num_transitions:
            raise ValueError("there are no transitions to protect: give more env steps")
