"""One method's estimate with the variance components its intervals need.

Strata are groups of checkpoints tested on the same tasks. In a stratum with n checkpoints, m of the T tasks
(w = m / T) and value y_ct of checkpoint c on task t:

    checkpoint part  v = w^2 s^2 / n,       s^2 the variance of checkpoint means,           n - 1 df
    residual part    r = w^2 MS_e / (n m),  MS_e that of y_ct - y_c - y_t + y,   (n - 1) (m - 1) df
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

Cluster = tuple[int, str]
Parts = tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Arm:
    """One method's task-equal mean and what its variance is made of.

    Attributes:
        mean: Mean of task means.
        task_means: Mean over checkpoints, by task.
        parts: (checkpoint part, df) of each stratum.
        residual_parts: (residual part, df) of each stratum where it can be had.
        checkpoints: Fewest checkpoints behind any task.
        problem: Why there is no variance; empty if there is.
    """

    mean: float
    task_means: Mapping[str, float]
    parts: Parts
    residual_parts: Parts
    checkpoints: int
    problem: str = ""

    @property
    def variance(self) -> float:
        """Variance of the mean with tasks fixed."""
        return sum(share for share, _ in self.parts)


def satterthwaite(parts: Parts) -> float:
    """Returns the degrees of freedom of a sum of independent variance parts."""
    return float(sum(v for v, _ in parts) ** 2 / sum(v**2 / df for v, df in parts))


def estimate(cells: pl.DataFrame) -> Arm:
    """Returns the estimate from one method's cells: columns fold, checkpoint, task, value.

    Raises:
        ValueError: There are none.
    """
    if cells.is_empty():
        raise ValueError("no cells: nothing to average")
    values = by_checkpoint(cells)
    by_task: dict[str, list[float]] = defaultdict(list)
    for row in values.values():
        for task, value in row.items():
            by_task[task].append(value)
    task_means = {task: float(np.mean(scores)) for task, scores in by_task.items()}
    mean = float(np.mean(list(task_means.values())))
    fewest = min(len(scores) for scores in by_task.values())
    if fewest < 2:
        alone = sum(len(scores) < 2 for scores in by_task.values())
        where = "one checkpoint only" if len(values) == 1 else f"one checkpoint only on {alone} of the tasks"
        problem = f"{where}: no spread, so no interval; run at least two seeds"
        return Arm(mean, task_means, (), (), fewest, problem)
    rounding = (1e-12 * max(abs(value) for scores in by_task.values() for value in scores)) ** 2
    parts, residual_parts = [], []
    for stratum in strata(values):
        # Influence of a checkpoint on the mean; zero-sum in its stratum. Equals w (y_c - y) / n when every
        # checkpoint of the stratum has the same tasks.
        influence = [
            sum((value - task_means[task]) / len(by_task[task]) for task, value in values[cluster].items())
            / len(by_task)
            for cluster in stratum
        ]
        count = len(stratum)
        share = count / (count - 1) * float(np.square(influence).sum())
        parts.append((share if share > rounding else 0.0, count - 1))
        if len({frozenset(values[cluster]) for cluster in stratum}) == 1:
            residual_parts.append(
                _residual([values[cluster] for cluster in stratum], len(by_task), parts[-1])
            )
    return Arm(mean, task_means, tuple(parts), tuple(residual_parts), fewest)


def by_checkpoint(cells: pl.DataFrame) -> dict[Cluster, dict[str, float]]:
    """Returns each checkpoint's value by task, several adaptations of it averaged; both in order."""
    merged = cells.group_by("fold", "checkpoint", "task").agg(pl.col("value").mean())
    values: dict[Cluster, dict[str, float]] = defaultdict(dict)
    for fold, checkpoint, task, value in merged.sort("fold", "checkpoint", "task").iter_rows():
        values[fold, checkpoint][task] = value
    return dict(values)


def strata(values: Mapping[Cluster, Mapping[str, float]]) -> list[list[Cluster]]:
    """Returns the checkpoints grouped so that groups share no task."""
    groups: list[tuple[set[str], list[Cluster]]] = []
    for cluster, tasks in values.items():
        joined: tuple[set[str], list[Cluster]] = (set(tasks), [cluster])
        apart = []
        for group in groups:
            if group[0] & joined[0]:
                joined = (group[0] | joined[0], group[1] + joined[1])
            else:
                apart.append(group)
        groups = [*apart, joined]
    return [members for _, members in groups]


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
