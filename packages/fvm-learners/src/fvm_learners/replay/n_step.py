"""Returns over n steps, as the rewards come in (Sutton 1988; Hessel et al. 2018, "multi-step learning").

    return_ = sum_{k < m} gamma^k reward_{t+k}     discount = gamma^m, 0 if the episode was done before t+m

with m = n, or less where no more rewards will follow.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple


class Closed(NamedTuple):
    """A step whose return is known; steps are named by the row they are kept in.

    Attributes:
        row: Of the step.
        return_: Discounted sum of its m rewards.
        discount: Of the value m steps on.
        next_row: Of the observation m steps on; of no use if `discount` is 0.
    """

    row: int
    return_: float
    discount: float
    next_row: int


class OpenSteps:
    """Steps of one slot, at most n, whose n rewards are not all known.

    Args:
        n_step: n.
        gamma: Discount of one step.
        steps: (row, reward), oldest first.
    """

    def __init__(self, n_step: int, gamma: float, steps: Iterable[tuple[int, float]] = ()) -> None:
        self.n_step, self.gamma = n_step, gamma
        self.steps = deque(steps)

    def append(self, row: int, reward: float) -> Closed | None:
        """Take one step more; the oldest, if it is n steps old and so bootstraps from this one."""
        closed = None
        if len(self.steps) == self.n_step:
            return_ = 0.0
            for _, later in reversed(self.steps):
                return_ = later + self.gamma * return_
            closed = Closed(self.steps.popleft()[0], return_, self.gamma**self.n_step, row)
        self.steps.append((row, reward))
        return closed

    def close(self, next_row: int, *, done: bool) -> list[Closed]:
        """All open steps; they bootstrap from `next_row` unless the episode is done."""
        closed = []
        return_, discount = 0.0, 0.0 if done else 1.0
        while self.steps:
            row, reward = self.steps.pop()
            return_, discount = reward + self.gamma * return_, self.gamma * discount
            closed.append(Closed(row, return_, discount, next_row))
        return closed
