"""One number for a method from its scores on many tasks: mean, interquartile mean, median, optimality gap.

The mean is primary. The others answer other questions and are secondary: the interquartile mean trims the
hardest and the easiest tasks, the median sees one or two tasks. Definitions as in Agarwal et al. 2021
(rliable 1.2.0).

An aggregate takes the scores and a weight for each [R, N] and returns R numbers: whole weights say how often
a score was drawn, so a bootstrap is one call, and leaving a checkpoint out another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from fvm_eval.statistics.variance import (
    Rows,
    by_split,
    check_numbers,
    lacking,
    rows_of,
    splits_are_redrawn,
    strata,
    without,
)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """One method's scores, one for each checkpoint and task it was tested on.

    Attributes:
        values: Scores [N].
        tasks: Number of each score's task [N]; in the order of `task_names`.
        checkpoints: Number of each score's checkpoint [N], in the order of (fold, checkpoint); of its fold,
            where splits are redrawn.
        task_names: Tasks in order.
        strata: Numbers of the checkpoints that were tested on the same tasks; all, where splits are redrawn.
        shares: Each score's part of its fold's mean [N], which is the unit where splits are redrawn. None
            elsewhere.
    """

    values: Array
    tasks: npt.NDArray[np.int64]
    checkpoints: npt.NDArray[np.int64]
    task_names: tuple[str, ...]
    strata: tuple[tuple[int, ...], ...]
    shares: Array | None = None

    @classmethod
    def of(cls, cells: pl.DataFrame) -> Scores:
        """Returns the scores of cells: columns fold, checkpoint, task, value; adaptations are averaged.

        Raises:
            ValueError: There are none.
        """
        if cells.is_empty():
            raise ValueError("no cells: nothing to aggregate")
        return cls.of_rows(rows_of(cells))

    @classmethod
    def of_rows(cls, rows: Rows) -> Scores:
        """Returns the scores of each checkpoint's values by task.

        Tasks that some checkpoint lacks are left out, unless no other is left.

        Raises:
            NotEstimableError: One is no number.
        """
        rows = check_numbers(without(rows, lacking(rows)) or rows)
        names = sorted({task for row in rows.values() for task in row})
        number = {name: i for i, name in enumerate(names)}
        units = by_split(rows)
        redrawn = splits_are_redrawn(units)
        index = {cluster: i for i, cluster in enumerate(units)}
        of_fold = {fold: i for i, (fold, _) in enumerate(units)}
        flat = [
            (value, number[task], index.get(cluster, of_fold[cluster[0]]))
            for cluster, row in rows.items()
            for task, value in row.items()
        ]
        values, tasks, checkpoints = zip(*flat, strict=True)
        sizes = [len(row) for row in units.values()]
        again = Counter(zip(checkpoints, tasks, strict=True))  # how many checkpoints of a fold have its task
        shares = [1 / sizes[c] / again[c, task] for c, task in zip(checkpoints, tasks, strict=True)]
        return cls(
            np.array(values, np.float64),
            np.array(tasks, np.int64),
            np.array(checkpoints, np.int64),
            tuple(names),
            tuple(tuple(sorted(index[cluster] for cluster in group)) for group in strata(units)),
            np.array(shares) if redrawn else None,
        )

    @property
    def once(self) -> Array:
        """The weights [1, N] that count every score once."""
        return np.ones((1, len(self.values)))


Aggregate = Callable[[Scores, Array], Array]


def task_means(scores: Scores, weights: Array) -> Array:
    """Returns the weighted mean of each task [R, T]; NaN where none of its scores was drawn."""
    order = np.argsort(scores.tasks, kind="stable")
    starts = np.searchsorted(scores.tasks[order], np.arange(len(scores.task_names)))
    drawn = weights[:, order]
    count = np.add.reduceat(drawn, starts, axis=1)
    drawn *= scores.values[order]
    total = np.add.reduceat(drawn, starts, axis=1)
    means: Array = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return means


def mean(scores: Scores, weights: Array) -> Array:
    """Returns the mean of task means [R]; of checkpoints' means where each fold drew its tasks anew."""
    if scores.shares is None:
        return np.asarray(task_means(scores, weights).mean(1), np.float64)
    drawn = weights * scores.shares
    return np.asarray(drawn @ scores.values / drawn.sum(1), np.float64)


def median(scores: Scores, weights: Array) -> Array:
    """Returns the median of task means [R], of the tasks of which a score was drawn."""
    return np.asarray(np.nanmedian(task_means(scores, weights), axis=1), np.float64)


def iqm(scores: Scores, weights: Array) -> Array:
    """Returns the mean of the middle half of all scores, whatever their task [R]; whole weights.

    A quarter of the scores, rounded down, is cut off either end.
    """
    order = np.argsort(scores.values, kind="stable")
    rank = np.cumsum(weights[:, order], axis=1)
    total = weights.sum(1, keepdims=True)
    cut = np.floor(total / 4)
    np.clip(rank, cut, total - cut, out=rank)
    inside = np.diff(rank, axis=1, prepend=cut)
    means: Array = inside @ scores.values[order] / (total - 2 * cut)[:, 0]
    return means


def optimality_gap(scores: Scores, weights: Array, *, gamma: float = 1.0) -> Array:
    """Returns by how much scores fall short of gamma, those above it counting as gamma; task-equal [R]."""
    return mean(replace(scores, values=np.maximum(gamma - scores.values, 0.0)), weights)


AGGREGATES: Mapping[str, Aggregate] = {
    "Mean": mean,
    "IQM": iqm,
    "Median": median,
    "Optimality gap": optimality_gap,
}
