"""All pairs of methods: tests of equal means, adjusted for their number, and how often one beats another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import polars as pl

from fvm_eval.statistics.contrasts import SharedInPartError, contrast
from fvm_eval.statistics.estimates import Estimate, Interval
from fvm_eval.statistics.hypothesis import holm
from fvm_eval.statistics.improvement import probability_of_improvement

_TESTS = {"paired cluster-t": "paired t"}


@dataclass(frozen=True)
class Pair:
    """Two methods compared on the tasks that both were tested on.

    Attributes:
        left, right: Methods.
        difference: Mean of left minus mean of right.
        p: Two-sided, of equal means: Welch's t over checkpoints, the paired t where both share them; where an
            arm has neither spread nor range, of equal distributions by exact permutation; else None.
        p_holm: The same, adjusted for all pairs that have one.
        improvement: How often a run of left beats one of right on the same task.
    """

    left: str
    right: str
    difference: Estimate
    p: float | None
    p_holm: float | None
    improvement: Interval

    @property
    def test(self) -> str:
        """Which test gave p; a dash where none did."""
        how = self.difference.how
        if how == "none":
            return "–" if self.p is None else "permutation"
        return _TESTS.get(how, how)


def compare_pairs(
    cells: Mapping[str, pl.DataFrame], *, score_bounds: tuple[float, float] | None = None
) -> list[Pair]:
    """Returns the pairs of methods that were tested on the same tasks and share all checkpoints or none.

    Args:
        cells: By method, columns fold, checkpoint, task, value.
        score_bounds: As `fvm_eval.statistics.contrasts.contrast`.
    """
    pairs: list[Pair] = []
    for left, right in combinations(cells, 2):
        if set(cells[left]["task"]) != set(cells[right]["task"]):
            continue
        try:
            difference = contrast(cells, {left: 1.0, right: -1.0}, score_bounds=score_bounds)
        except SharedInPartError:
            continue
        improvement = probability_of_improvement(cells[left], cells[right])
        p = difference.p_different()
        pairs.append(
            Pair(left, right, difference, difference.p_exchanged if p is None else p, None, improvement)
        )
    tested = [(i, pair.p) for i, pair in enumerate(pairs) if pair.p is not None]
    for (i, _), p in zip(tested, holm([p for _, p in tested]), strict=True):
        pairs[i] = replace(pairs[i], p_holm=p)
    return pairs
