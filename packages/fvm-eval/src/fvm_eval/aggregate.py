"""One number for a method from its values on many tasks.

The mean is primary. An aggregate maps task means [T] to a float; those that trim tasks (interquartile mean,
median) answer another question and are secondary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

Aggregate = Callable[[npt.NDArray[np.float64]], float]


def task_means(cells: pl.DataFrame) -> pl.DataFrame:
    """Returns task, value, checkpoints of one method's cells, every checkpoint counted once."""
    by_checkpoint = cells.group_by("fold", "checkpoint", "task").agg(pl.col("value").mean())
    return by_checkpoint.group_by("task").agg(value=pl.col("value").mean(), checkpoints=pl.len()).sort("task")


def mean(values: npt.NDArray[np.float64]) -> float:
    """Returns the task-equal mean of task means [T]."""
    return float(np.mean(values))


AGGREGATES: Mapping[str, Aggregate] = {"mean": mean}
