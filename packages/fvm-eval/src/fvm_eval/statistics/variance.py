"""One method's estimate with the variance components its intervals need.

Strata are groups of checkpoints tested on the same tasks. In a stratum with n checkpoints, m of the T tasks
(w = m / T) and value y_ct of checkpoint c on task t:

    checkpoint part  v = w^2 s^2 / n,       s^2 the variance of checkpoint means,           n - 1 df
    residual part    r = w^2 MS_e / (n m),  MS_e that of y_ct - y_c - y_t + y,   (n - 1) (m - 1) df

Cells that are absent by plan are no gaps: a fold is a split, so folds may hold out different tasks. Where
each fold draws its tasks anew from one pool the unit is a fold: the mean of its checkpoints over its own
tasks, since they share what is easy or hard about these; all are one stratum, whichever tasks their splits
happen to share. That they were drawn is known from the cells' column `redrawn`, or told from folds that share
some of their tasks; without either, folds that share none are a plan, as leave-one-out.

Within a fold every checkpoint that shares a task with another has the other's tasks too; where one lacks
some, only the tasks that all of them have are averaged, and `gaps` says so: half of the tasks by 2 of 8
checkpoints would make a .95 interval cover .82.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

Cluster = tuple[int, str]  # fold, checkpoint
Parts = tuple[tuple[float, int], ...]
Rows = dict[Cluster, dict[str, float]]
LARGEST = 1e75  # beyond it squares of variances are infinite
REDRAWN = "redrawn"


class Split(int):
    """The number of a fold that is known to have drawn its tasks anew from the pool of all folds."""


class NotEstimableError(ValueError):
    """A value is no number (NaN, infinite, too large to be squared twice): nothing can be estimated of it."""


@dataclass(frozen=True)
class Arm:
    """One method's task-equal mean and what its variance is made of.

    Attributes:
        mean: Mean of task means; NaN where it is not estimable.
        task_means: Mean over checkpoints, by task.
        parts: (checkpoint part, df) of each stratum.
        residual_parts: (residual part, df) of each stratum where it can be had.
        checkpoints: Fewest checkpoints behind any task.
        problem: Why there is no variance; empty if there is.
        units: Mean of each checkpoint over its tasks, by stratum.
        shares: Part of the tasks that each stratum was tested on.
        gaps: What was left out because a checkpoint lacks it; empty if nothing.
    """

    mean: float
    task_means: Mapping[str, float]
    parts: Parts
    residual_parts: Parts
    checkpoints: int
    problem: str = ""
    units: tuple[tuple[float, ...], ...] = ()
    shares: tuple[float, ...] = ()
    gaps: str = ""

    @property
    def variance(self) -> float:
        """Variance of the mean with tasks fixed."""
        return sum(share for share, _ in self.parts)


def satterthwaite(parts: Parts) -> float:
    """Returns the degrees of freedom of a sum of independent variance parts."""
    largest = max(v for v, _ in parts)  # so that squares neither vanish nor overflow
    scaled = [(v / largest, df) for v, df in parts]
    return float(sum(v for v, _ in scaled) ** 2 / sum(v**2 / df for v, df in scaled))


def estimate(cells: pl.DataFrame) -> Arm:
    """Returns the estimate from one method's cells: columns fold, checkpoint, task, value.

    Raises:
        ValueError: There are none.
    """
    return estimate_rows(rows_of(cells))


def estimate_rows(values: Rows, gaps: str = "") -> Arm:
    """Returns the estimate from each checkpoint's values by task, as `rows_of` has them.

    Args:
        values: By checkpoint and task.
        gaps: What was left out of them already (`left_out`).

    Raises:
        ValueError: There are none.
    """
    if not values:
        raise ValueError("no cells: nothing to average")
    lost, tasks = lacking(values), tasks_of(values)
    gaps = left_out(lost, tasks) or gaps
    if lost >= tasks:
        return Arm(float("nan"), {}, (), (), len(values), f"not estimable: {gaps}", gaps=gaps)
    values = without(values, lost)
    try:
        check_numbers(values)
    except NotEstimableError as error:
        return Arm(float("nan"), {}, (), (), len(values), str(error))
    values = by_split(values)
    by_task: dict[str, list[float]] = defaultdict(list)
    for row in values.values():
        for task, value in row.items():
            by_task[task].append(value)
    task_means = {task: float(np.mean(scores)) for task, scores in by_task.items()}
    mean = float(np.mean(list(task_means.values())))
    groups, redrawn = strata(values), splits_are_redrawn(values)
    units = tuple(tuple(float(np.mean(list(values[c].values()))) for c in group) for group in groups)
    shares = tuple(
        len({task for cluster in group for task in values[cluster]}) / len(by_task) for group in groups
    )
    if redrawn:
        mean = float(np.mean(units[0]))
    fewest = len(units[0]) if redrawn else min(len(scores) for scores in by_task.values())
    if fewest < 2:
        alone = sum(len(scores) < 2 for scores in by_task.values())
        where, more = f"one checkpoint only on {alone} of the tasks", "more seeds"
        if len(values) == 1:
            where, more = "one checkpoint only", "at least two seeds"
        if gaps:
            where, more = f"{gaps}; {where}", "what is missing"
        problem = f"{where}: no spread, so no interval; run {more}"
        return Arm(mean, task_means, (), (), fewest, problem, units, shares, gaps)
    rounding = (1e-12 * max(abs(value) for scores in by_task.values() for value in scores)) ** 2
    parts, residual_parts = [], []
    for stratum, own, weight in zip(groups, units, shares, strict=True):
        count = len(own)
        share = weight**2 * float(np.var(own, ddof=1)) / count
        parts.append((share if share > rounding else 0.0, count - 1))
        if not redrawn:
            rows = [values[cluster] for cluster in stratum]
            residual_parts.append(_residual(rows, len(by_task), parts[-1]))
    return Arm(mean, task_means, tuple(parts), tuple(residual_parts), fewest, "", units, shares, gaps)


def rows_of(cells: pl.DataFrame) -> Rows:
    """Returns each checkpoint's value by task, several adaptations of it averaged; both in order.

    A value that is missing is NaN, whatever it is averaged with.

    Args:
        cells: Columns fold, checkpoint, task, value, perhaps `redrawn` (`known_redrawn`).
    """
    found: dict[Cluster, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    number = Split if REDRAWN in cells.columns else int
    for fold, checkpoint, task, value in cells.select("fold", "checkpoint", "task", "value").rows():
        found[number(fold), checkpoint][task].append(math.nan if value is None else value)
    return {
        cluster: {task: sum(row[task]) / len(row[task]) for task in sorted(row)}
        for cluster, row in sorted(found.items())
    }


def known_redrawn(cells: pl.DataFrame, redrawn: bool | None) -> pl.DataFrame:
    """Returns the cells with the column that says so where their splits are known to be drawn anew."""
    return cells.with_columns(pl.lit(value=True).alias(REDRAWN)) if redrawn else cells


def tasks_of(values: Rows) -> set[str]:
    """Returns the tasks that any checkpoint was tested on."""
    return set[str]().union(*values.values())


def without(values: Rows, lost: set[str]) -> Rows:
    """Returns the values on all tasks but these; checkpoints without any are left out."""
    if not lost:
        return values
    kept = {c: {task: value for task, value in row.items() if task not in lost} for c, row in values.items()}
    return {cluster: row for cluster, row in kept.items() if row}


def check_numbers(values: Rows) -> Rows:
    """Returns the values, all of them numbers.

    Raises:
        NotEstimableError: One is none.
    """
    bad = [
        (checkpoint, task, value)
        for (_, checkpoint), row in values.items()
        for task, value in row.items()
        if not abs(value) < LARGEST
    ]
    if bad:
        lost = sum(any(not abs(value) < LARGEST for value in row.values()) for row in values.values())
        checkpoint, task, value = bad[0]
        raise NotEstimableError(
            f"not estimable: {lost} of {len(values)} checkpoints have a value that is no number, "
            f"as {checkpoint} on {task} ({value})"
        )
    return values


def by_split(values: Rows) -> Rows:
    """Returns the values, those of a fold's checkpoints averaged where each fold drew its tasks anew."""
    found: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (fold, _), row in values.items():
        for task, value in row.items():
            found[fold][task].append(value)
    names = {fold: (fold, name) for fold, name in reversed(values)}  # a fold's first checkpoint's
    averaged = {
        names[fold]: {task: sum(row[task]) / len(row[task]) for task in sorted(row)}
        for fold, row in found.items()
    }
    return averaged if splits_are_redrawn(averaged) else values


def strata(values: Mapping[Cluster, Mapping[str, float]]) -> list[list[Cluster]]:
    """Returns the checkpoints in groups within which they are alike: tested on the same tasks.

    Where splits are redrawn all are alike: each has tasks of its own, and which of them overlap is chance.
    """
    return [list(values)] if splits_are_redrawn(values) else overlapping(values)


def overlapping(values: Mapping[Cluster, Mapping[str, float]]) -> list[list[Cluster]]:
    """Returns the checkpoints grouped so that groups share no task."""
    members: dict[int, list[Cluster]] = {}  # of each group, by its last checkpoint's number
    reach: dict[int, set[str]] = {}  # its tasks
    group_of: dict[str, int] = {}  # the group that has a task
    for number, (cluster, tasks) in enumerate(values.items()):
        joined, theirs = [cluster], set(tasks)
        for group in sorted({group_of[task] for task in tasks if task in group_of}):
            joined = members.pop(group) + joined
            theirs |= reach.pop(group)
        members[number], reach[number] = joined, theirs
        group_of.update(dict.fromkeys(theirs, number))
    return list(members.values())


def splits_are_redrawn(values: Mapping[Cluster, Mapping[str, float]]) -> bool:
    """Returns whether each fold was drawn anew from one pool: known, or some share a part of their tasks."""
    known = {fold for fold, _ in values if isinstance(fold, Split)}
    return len(known) > 1 or any(
        len({frozenset(values[c]) for c in group}) > 1 for group in overlapping(values)
    )


def lacking(rows: Rows) -> set[str]:
    """Returns the tasks that some checkpoint of a fold lacks and another of that fold has.

    Checkpoints that share no task with others of their fold, as runs from scratch, lack nothing.
    """
    lost: set[str] = set()
    for fold in dict.fromkeys(fold for fold, _ in rows):
        mine = {cluster: row for cluster, row in rows.items() if cluster[0] == fold}
        for group in overlapping(mine):
            sets: list[set[str]] = [set(mine[cluster]) for cluster in group]
            lost |= set[str]().union(*sets) - sets[0].intersection(*sets)
    return lost


def left_out(lost: set[str], tasks: set[str]) -> str:
    """Returns the clause that says which tasks an estimate leaves out; empty where it leaves out none."""
    if not lost:
        return ""
    gone = sorted(lost)
    more = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
    which = f"{', '.join(gone[:3])}{more}"
    if lost >= tasks:
        why = f"some checkpoints lack {which}: no task is left that all of them have"
        return f"{why} (where each seed drew tasks of its own, a column fold must name its split)"
    return f"on {len(tasks - lost)} of {len(tasks)} tasks, since some checkpoints lack {which}"


def _residual(
    stratum: Sequence[Mapping[str, float]], num_tasks: int, checkpoint_part: tuple[float, int]
) -> tuple[float, int]:
    """Returns the residual part; with one task all spread is residual."""
    table = np.array([[row[task] for task in sorted(row)] for row in stratum])  # [n, m]
    n, m = table.shape
    if m == 1:
        return checkpoint_part
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    df = (n - 1) * (m - 1)
    return float((m / num_tasks) ** 2 * np.square(rest).sum() / df / (n * m)), df
