"""Intervals that respect the shared checkpoint.

All held-out scores of one checkpoint share its pretraining's luck, so the checkpoint is the unit: a mean's
standard error comes from the spread of checkpoint means, with Student's t for so few units. With tasks fixed,

    theta = sum_h w_h mean_h,  v_h = w_h^2 s_h^2 / n_h, var = sum_h v_h,  df = var^2 / sum_h v_h^2 / (n_h - 1)

where stratum h holds the n_h checkpoints that were tested on the same tasks (a fold; or, for scratch runs
that are checkpoints of their own, a task) and w_h is its share of the tasks. With one fold this is the
plain cluster-t interval. A difference of methods with separate checkpoints adds the variances, with
Welch-Satterthwaite degrees of freedom; methods that start from the same checkpoints are paired by
checkpoint. Both are contrasts (`fvm_eval.statistics.contrasts`).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

import polars as pl
from scipy import special

from fvm_eval.statistics.bounded import gaffke_limits
from fvm_eval.statistics.contrasts import contrast
from fvm_eval.statistics.estimates import FEW, Estimate, Interval
from fvm_eval.statistics.feasible import ASSUMED
from fvm_eval.statistics.variance import satterthwaite

__all__ = ["Interval", "both_intervals", "difference_interval", "mean_interval", "new_tasks_interval"]

_ROUNDING = 1e-9
_EQUAL = 1e-12


def mean_interval(
    cells: pl.DataFrame, *, level: float = 0.95, score_bounds: tuple[float, float] | None = None
) -> Interval:
    """Returns the task-equal mean of one method's cells with its interval over checkpoints, tasks fixed.

    Args:
        cells: Columns fold, checkpoint, task, value; one method.
        level: Two-sided coverage.
        score_bounds: Lowest and highest possible value; with few checkpoints, or none that differ, they
            decide how wide the interval must be (`fvm_eval.statistics.estimates`).
    """
    return contrast({"method": cells}, {"method": 1.0}, score_bounds=score_bounds).interval(level)


def difference_interval(
    left: pl.DataFrame,
    right: pl.DataFrame,
    *,
    level: float = 0.95,
    score_bounds: tuple[float, float] | None = None,
) -> Interval:
    """Returns mean(left) - mean(right) with its Welch interval, paired where both sides share checkpoints.

    Args:
        left: Cells of one method.
        right: Cells of another on the same tasks; its checkpoints are all the left's (paired) or all others.
        level: Two-sided coverage.
        score_bounds: As in `mean_interval`.

    Raises:
        ValueError: The methods were tested on different tasks, which would compare tasks, not methods; or
            they share some of their checkpoints but not all.
    """
    weights = {"left": 1.0, "right": -1.0}
    return contrast({"left": left, "right": right}, weights, score_bounds=score_bounds).interval(level)


def new_tasks_interval(
    left: pl.DataFrame,
    right: pl.DataFrame | None = None,
    *,
    level: float = 0.95,
    score_bounds: tuple[float, float] | None = None,
) -> Interval:
    """Returns the mean, or the difference, with an interval over new tasks of the population (tasks random).

    Two-way variance: checkpoints + tasks - residual, which both contain,

        var = sum v + s_t^2 / T - sum r,   s_t^2 the variance of the T task means (or task differences),

    with Satterthwaite degrees of freedom; where that is not above the larger of its first two terms, that
    term with its own (of runs from scratch, a checkpoint each, the t interval of the task means), of equal
    ones the fewer. Where neither varies and the scores have a range, the limits over checkpoints and those
    over tasks (Gaffke's) are combined as independent. Neither limit ever lies within those over these tasks.

    Args:
        left: Cells of one method.
        right: Cells of another on the same tasks, as in `difference_interval`; without it the mean of left.
        level: Two-sided coverage.
        score_bounds: As in `mean_interval`.
    """
    return both_intervals(left, right, level=level, score_bounds=score_bounds)[1]


def both_intervals(
    left: pl.DataFrame,
    right: pl.DataFrame | None = None,
    *,
    level: float = 0.95,
    score_bounds: tuple[float, float] | None = None,
) -> tuple[Interval, Interval]:
    """Returns the mean, or the difference, over these tasks and over new ones, from one estimate.

    Args:
        left: Cells of one method.
        right: Cells of another, as in `difference_interval`; without it the mean of left.
        level: Two-sided coverage.
        score_bounds: As in `mean_interval`.
    """
    sides = {"left": left} if right is None else {"left": left, "right": right}
    weights = {"left": 1.0, "right": -1.0} if right is not None else {"left": 1.0}
    found = contrast(sides, weights, score_bounds=score_bounds)
    return found.interval(level), _new_tasks(found, list(weights.values()), level, score_bounds)


def _new_tasks(
    found: Estimate, weights: Sequence[float], level: float, score_bounds: tuple[float, float] | None
) -> Interval:
    base, arms = found.interval(level), [term.arm for term in found.terms]
    note = next((arm.problem for arm in arms if arm.problem), "")
    by_task = [] if note else [sum(a.task_means[task] for a in arms) for task in sorted(arms[0].task_means)]
    if not note and len(by_task) < 2:
        note = "one task only: nothing is known of other tasks"
    if note:
        return replace(base, low=None, high=None, df=None, how="none", note=note, beside=None)
    tasks = (float(statistics.variance(by_task)) / len(by_task), len(by_task) - 1)
    largest = max(abs(value) for arm in arms for value in arm.task_means.values())
    if tasks[0] <= (_EQUAL * largest) ** 2:  # what equal means differ by is rounding
        tasks = (0.0, tasks[1])
    checkpoints = tuple(part for arm in arms for part in arm.parts)
    residual = tuple(part for arm in arms for part in arm.residual_parts)
    within = sum(v for v, _ in checkpoints)
    variance = within + tasks[0] - sum(v for v, _ in residual)
    parts = (*checkpoints, tasks, *residual)
    if variance <= (1 + _ROUNDING) * max(within, tasks[0]):
        # A residual that large would leave hardly a degree of freedom, and limits in the millions.
        variance = max(within, tasks[0])
        either = [parts for v, parts in ((within, checkpoints), (tasks[0], (tasks,))) if v > 0]
        equal = [parts for parts in either if sum(v for v, _ in parts) >= (1 - _ROUNDING) * variance]
        parts = min(equal, key=satterthwaite, default=())  # of equal ones the fewer degrees of freedom
    if variance > 0:
        df = variance**2 / sum(v**2 / df for v, df in parts)
        half = float(special.stdtrit(df, (1 + level) / 2)) * math.sqrt(variance)
        note = "; ".join(filter(None, (found.gaps, ASSUMED)))
        note = note if base.checkpoints < FEW else found.gaps
        whole = Interval(
            base.mean, base.mean - half, base.mean + half, "two-way", base.checkpoints, base.sd, df, note
        )
        limits = [(base.low, base.high), base.beside[:2] if base.beside else (None, None)]
        for low, high in limits:  # by its larger df it could come out narrower
            if low is not None and high is not None:
                whole = whole.widened_to(low, high)
        return whole.within(found.bounds)
    none = replace(
        base, low=None, high=None, df=None, how="none", note="neither tasks nor checkpoints differ"
    )
    if score_bounds is None or base.low is None or base.high is None:
        return none
    ends = [sorted((weight * score_bounds[0], weight * score_bounds[1])) for weight in weights]
    lowest, span = sum(end[0] for end in ends), sum(end[1] - end[0] for end in ends)
    low, high = (
        lowest + span * end
        for end in gaffke_limits([(value - lowest) / span for value in by_task], level=level)
    )
    below = math.hypot(base.mean - base.low, base.mean - low)
    above = math.hypot(base.high - base.mean, high - base.mean)
    note = "neither tasks nor checkpoints differ: limits from the scores' range alone"
    low, high = base.mean - below, base.mean + above
    return replace(base, low=low, high=high, how="MOVER", note=note, beside=None).within(found.bounds)
