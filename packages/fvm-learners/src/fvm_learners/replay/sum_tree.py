"""Sampling in proportion to priorities that change, in logarithmically little of an array's length.

The tree has two levels, the priorities and the sums of `WIDTH` of them at a time, because numpy's cost is per
call: a binary tree over 100,000 priorities would take 17 calls where this takes one. Sums are computed anew
from the priorities below them, never added to, so they do not drift and need not be saved.
"""

import numpy as np
from numpy.typing import NDArray

WIDTH = 256


class SumTree:
    """Priorities >= 0 of `capacity` items, all 0 at first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._leaves = np.zeros((-(-capacity // WIDTH), WIDTH))
        self._sums = np.zeros(len(self._leaves))
        self.num_positive = 0

    @property
    def priorities(self) -> NDArray[np.float64]:
        """All priorities [capacity], a view."""
        return self._leaves.reshape(-1)[: self.capacity]

    @property
    def total(self) -> float:
        """Sum of all priorities."""
        return float(self._sums.sum())

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        return self._leaves.nbytes + self._sums.nbytes

    def set(self, items: NDArray[np.int64], priorities: NDArray[np.float64]) -> None:
        """Overwrite the priorities [M] of the items [M].

        An item may be listed twice if that does not change whether its priority is 0; its last one counts.

        Raises:
            ValueError: One is negative, NaN or infinite, which would spoil every later draw.
        """
        if not (np.isfinite(priorities) & (priorities >= 0)).all():
            raise ValueError(f"priorities {priorities}: give finite numbers, 0 or more")
        leaves = self._leaves.reshape(-1)
        self.num_positive += int((priorities > 0).sum()) - int((leaves[items] > 0).sum())
        leaves[items] = priorities
        blocks = items // WIDTH
        self._sums[blocks] = self._leaves[blocks].sum(axis=1)

    def sample(self, num: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Items [num] and the probability of each, one from each of `num` equal parts of the total.

        Stratified as in Schaul et al. 2016 (arXiv 1511.05952, appendix B.2.1). Never an item of priority 0.

        Raises:
            ValueError: All priorities are 0.
        """
        ends = np.cumsum(self._sums)
        total = ends[-1]
        if not total > 0:
            raise ValueError("nothing to sample: every priority is 0")
        target = (np.arange(num) + rng.random(num)) * (total / num)
        np.minimum(target, np.nextafter(total, 0), out=target)
        block = ends.searchsorted(target, side="right")
        inside = self._leaves[block].cumsum(axis=1)
        # Rounding may leave the target outside of its block, where only zeros are.
        rest = target - (ends[block] - self._sums[block])
        np.clip(rest, 0, np.nextafter(inside[:, -1], 0), out=rest)
        items = block * WIDTH + (inside <= rest[:, None]).sum(axis=1)
        return items, self._leaves.reshape(-1)[items] / total

    def load(self, priorities: NDArray[np.float64]) -> None:
        """Put back the first of `priorities`; the rest become 0."""
        self._leaves[:] = 0
        self._leaves.reshape(-1)[: len(priorities)] = priorities
        self._sums = self._leaves.sum(axis=1)
        self.num_positive = int((self._leaves > 0).sum())
