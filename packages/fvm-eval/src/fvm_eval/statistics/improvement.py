"""The probability of improvement: how often a run of one method beats one of another on the same task."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from scipy import special

from fvm_eval.statistics.aggregate import Array, Scores
from fvm_eval.statistics.contrasts import common, comparable, nothing_left
from fvm_eval.statistics.estimates import Interval
from fvm_eval.statistics.jackknife import leave_one_out
from fvm_eval.statistics.variance import (
    Rows,
    by_split,
    estimate_rows,
    rows_of,
    satterthwaite,
    splits_are_redrawn,
)


def probability_of_improvement(left: pl.DataFrame, right: pl.DataFrame, *, level: float = 0.95) -> Interval:
    """Returns P(left > right) + P(left = right) / 2, the mean over tasks, with its jackknife interval.

    On each task all pairs of runs are compared (Mann & Whitney's U over the number of pairs; Agarwal et al.
    2021). The interval leaves out checkpoints, of both methods at once where they share them or where each
    fold drew its tasks anew, and is one of the log odds: logit(p) -+ t se / (p (1 - p)). A plain interval
    covers .84 to .91 where the truth is .89.

    Args:
        left: Columns fold, checkpoint, task, value; one method.
        right: Another on the same tasks.
        level: Two-sided coverage.

    Raises:
        ValueError: As `fvm_eval.statistics.contrasts.contrast`.
    """
    rows = {"left": rows_of(left), "right": rows_of(right)}
    every = rows
    rows, _, gaps = common(rows)
    if gaps and not any(rows.values()):
        return nothing_left(every, gaps).interval(level)
    groups = comparable(rows, {"left": 1.0, "right": 1.0})
    arms = Scores.of_rows(rows["left"]), Scores.of_rows(rows["right"])
    found = estimate_rows(rows["left"], gaps), estimate_rows(rows["right"], gaps)
    pairs = []  # by task: which scores of left and right, and who wins
    for task in range(len(arms[0].task_names)):
        ours, theirs = (np.flatnonzero(arm.tasks == task) for arm in arms)
        a, b = arms[0].values[ours][:, None], arms[1].values[theirs][None, :]
        pairs.append((ours, theirs, (a > b) + 0.5 * (a == b)))

    by_task = np.array([wins.mean() for _, _, wins in pairs])
    value = float(by_task.mean())
    once = arms[0].once, arms[1].once

    def share(kept_left: Array, kept_right: Array) -> Array:
        kept = kept_left, kept_right
        touched = {task for arm, k in zip(arms, kept, strict=True) for task in arm.tasks[(k != 1).any(0)]}
        total = np.full(len(kept_left), by_task.sum())
        tasks = np.full(len(kept_left), len(pairs))
        for task in touched:
            ours, theirs, wins = pairs[task]
            w_left, w_right = kept_left[:, ours], kept_right[:, theirs]
            won = np.einsum("ri,ij,rj->r", w_left, wins, w_right)
            compared = w_left.sum(1) * w_right.sum(1)  # none where only the one left out had this task
            total += np.divide(won, compared, out=np.zeros_like(won), where=compared > 0) - by_task[task]
            tasks -= compared == 0
        means: Array = total / tasks
        return means

    fewest = min(arm.checkpoints for arm in found)
    problem = next((arm.problem for arm in found if arm.problem), "")
    if problem:
        return Interval(value, None, None, "none", fewest, note=problem)
    if len(groups) == 1 or same_splits(rows["left"], rows["right"]):
        parts = leave_one_out(arms, lambda kept: share(kept[0], kept[1]))
    else:
        parts = leave_one_out(arms[:1], lambda kept: share(kept[0], np.repeat(once[1], len(kept[0]), 0)))
        parts += leave_one_out(arms[1:], lambda kept: share(np.repeat(once[0], len(kept[0]), 0), kept[0]))
    variance = sum(part for part, _ in parts)
    clauses = [gaps] if gaps else []
    if variance == 0 or value in (0.0, 1.0):
        if value not in (0.0, 1.0):
            clauses.append("the same whichever checkpoint is left out: no spread, so no interval")
            return Interval(value, None, None, "none", fewest, note="; ".join(clauses))
        limit = ((1 - level) / 2) ** (1 / fewest)  # so many pairs of checkpoints, all won by one side
        low, high = (limit, 1.0) if value == 1 else (0.0, 1 - limit)
        clauses.append("one side wins throughout: exact limits, a pair of checkpoints counts as one trial")
        return Interval(value, low, high, "binomial", fewest, note="; ".join(clauses))
    df = satterthwaite(parts)
    half = float(special.stdtrit(df, (1 + level) / 2)) * math.sqrt(variance) / (value * (1 - value))
    middle = math.log(value / (1 - value))
    low, high = (_share(middle - half), _share(middle + half))
    return Interval(value, low, high, "jackknife, logit", fewest, df=df, note="; ".join(clauses))


def same_splits(left: Rows, right: Rows) -> bool:
    """Whether both arms ran on the same folds, each of which drew its tasks anew: the fold is the unit."""
    both = by_split(left), by_split(right)
    folds = [[fold for fold, _ in units] for units in both]
    return folds[0] == folds[1] and len(set(folds[0])) == len(folds[0]) and all(map(splits_are_redrawn, both))


def _share(logit: float) -> float:
    """Returns the share whose log odds these are."""
    return 0.5 * (1 + math.tanh(logit / 2))
