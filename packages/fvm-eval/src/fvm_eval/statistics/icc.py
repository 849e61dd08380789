"""How much of the scores' spread a checkpoint's tasks share, from a pilot: the intra-checkpoint correlation.

The model is y_ct = task_t + c + e_ct with c of variance shared^2 and e of variance residual^2 (which holds
what a checkpoint is good at, the adaptation's luck and the evaluation's). Two-way analysis of variance, in a
stratum of n checkpoints tested on the same m tasks:

    MS_c = m s^2,  s^2 the variance of checkpoint means,    MS_e = the mean square of y_ct - y_c - y_t + y,
    shared^2 = s^2 - MS_e / m, not below 0,    residual^2 = MS_e,    icc = shared^2 / (shared^2 + residual^2)

Strata are pooled by their degrees of freedom. With tasks fixed this is ICC(3,1) of Shrout & Fleiss 1979.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import special

from fvm_eval.statistics.variance import by_split, check_numbers, lacking, rows_of, splits_are_redrawn, strata


@dataclass(frozen=True)
class CheckpointVariance:
    """What a pilot says about the spread of scores.

    Attributes:
        shared_sd: Of the error that all tasks of a checkpoint share.
        residual_sd: Of what is a run's own.
        icc: Share of the variance that is shared.
        low, high: Its 95 % limits, by F; None where folds have different numbers of tasks.
        checkpoints: All of them.
    """

    shared_sd: float
    residual_sd: float
    icc: float
    low: float | None
    high: float | None
    checkpoints: int

    def spread(self, tasks: int) -> float:
        """Returns the standard deviation of a checkpoint's mean over this many tasks, as `power` takes it."""
        return math.sqrt(self.shared_sd**2 + self.residual_sd**2 / tasks)


def checkpoint_variance(cells: pl.DataFrame) -> CheckpointVariance:
    """Returns shared and residual spread of one method's cells: columns fold, checkpoint, task, value.

    Raises:
        ValueError: No two checkpoints were tested on the same two tasks, those tested on some of the same
            tasks were not tested on all, or each fold drew its tasks anew.
    """
    rows = check_numbers(rows_of(cells))
    if not lacking(rows) and splits_are_redrawn(by_split(rows)):
        raise ValueError(
            "each split drew tasks of its own: what a checkpoint’s tasks share cannot be told from how tasks "
            "differ"
        )
    between = within = means_over_m = 0.0
    df_between = df_within = 0
    sizes = set()
    for stratum in strata(rows):
        tasks = sorted(rows[stratum[0]])
        if any(sorted(rows[cluster]) != tasks for cluster in stratum):
            raise ValueError("some checkpoints lack a task that others have; give a table without holes")
        table = np.array([[rows[cluster][task] for task in tasks] for cluster in stratum])  # [n, m]
        n, m = table.shape
        if n < 2 or m < 2:
            continue
        rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        between += (n - 1) * float(table.mean(1).var(ddof=1))
        within += float(np.square(rest).sum())
        means_over_m += (n - 1) / m
        df_between += n - 1
        df_within += (n - 1) * (m - 1)
        sizes.add(m)
    if not df_within:
        raise ValueError(
            "no two checkpoints were tested on the same two tasks: what they share cannot be told"
        )
    residual = within / df_within
    shared = max(0.0, (between - means_over_m * residual) / df_between)
    low: float | None = None
    high: float | None = None
    icc = shared / (shared + residual) if shared + residual > 0 else 0.0
    if len(sizes) == 1 and residual > 0:
        (m,) = sizes
        ratio = m * between / df_between / residual
        lowest = ratio / float(special.fdtri(df_between, df_within, 0.975))
        highest = ratio * float(special.fdtri(df_within, df_between, 0.975))
        low, high = (max(0.0, (f - 1) / (f + m - 1)) for f in (lowest, highest))
    return CheckpointVariance(math.sqrt(shared), math.sqrt(residual), icc, low, high, len(rows))
