"""Intervals that respect the shared checkpoint.

All held-out scores of one checkpoint share its pretraining's luck, so the checkpoint is the unit: a mean's
standard error comes from the spread of checkpoint means, with Student's t for so few units. With tasks fixed,

    theta = sum_h w_h mean_h,  v_h = w_h^2 s_h^2 / n_h, var = sum_h v_h,  df = var^2 / sum_h v_h^2 / (n_h - 1)

where stratum h holds the n_h checkpoints that were tested on the same tasks (a fold; or, for scratch runs
that are checkpoints of their own, a task) and w_h is its share of the tasks. With one fold this is the
plain cluster-t interval. A difference of methods with separate checkpoints adds the variances, with
Welch-Satterthwaite degrees of freedom; methods that start from the same checkpoints are paired by
checkpoint.

Where all checkpoints agree exactly the t interval would have no width. Scores that only take their lowest
and highest value then get an exact binomial bound (Clopper & Pearson 1934) with the checkpoint as the
trial, which is conservative; a difference with such an arm combines the arms' limits (Zou & Donner 2008).
Other scores get no interval.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace

import polars as pl
from scipy import stats

from fvm_eval.arms import estimate, satterthwaite


@dataclass(frozen=True)
class Interval:
    """A mean or difference with its interval.

    Attributes:
        mean: The estimate.
        low, high: Limits; None where none can be had, `note` says why.
        how: Which formula gave the limits.
        checkpoints: Fewest checkpoints behind any of its tasks (the smaller arm's, for a difference).
        sd: Spread of a checkpoint's mean, `sqrt(var * checkpoints)`; None if unknown.
        df: Degrees of freedom, None without a t interval.
        note: What a reader must know.
    """

    mean: float
    low: float | None
    high: float | None
    how: str
    checkpoints: int
    sd: float | None = None
    df: float | None = None
    note: str = ""

    @property
    def half_width(self) -> float | None:
        """Half the distance of the limits, None without them."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def mean_interval(
    cells: pl.DataFrame, *, level: float = 0.95, score_bounds: tuple[float, float] | None = None
) -> Interval:
    """Returns the task-equal mean of one method's cells with its interval over checkpoints, tasks fixed.

    Args:
        cells: Columns fold, checkpoint, task, value; one method.
        level: Two-sided coverage.
        score_bounds: Lowest and highest possible value; lets the interval of equal checkpoints be a
            binomial one.
    """
    arm = estimate(cells)
    if arm.problem:
        return Interval(arm.mean, None, None, "none", arm.checkpoints, note=arm.problem)
    if arm.variance > 0:
        df = satterthwaite(arm.parts)
        half = float(stats.t.ppf((1 + level) / 2, df)) * math.sqrt(arm.variance)
        sd = math.sqrt(arm.variance * arm.checkpoints)
        return Interval(arm.mean, arm.mean - half, arm.mean + half, "cluster-t", arm.checkpoints, sd, df)
    extremes = score_bounds is not None and set(cells["value"].unique()) <= set(score_bounds)
    if score_bounds is None or not extremes:
        note = "all checkpoints agree exactly: their spread says nothing"
        return Interval(arm.mean, None, None, "none", arm.checkpoints, 0.0, note=note)
    lowest, highest = score_bounds
    share = (arm.mean - lowest) / (highest - lowest)
    low, high = binomial_limits(share * arm.checkpoints, arm.checkpoints, level=level)
    note = "all checkpoints agree exactly: exact binomial limits, a checkpoint counts as one trial"
    scale = highest - lowest
    return Interval(
        arm.mean, lowest + scale * low, lowest + scale * high, "binomial", arm.checkpoints, 0.0, note=note
    )


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
    odd = sorted(set(left["task"]) ^ set(right["task"]))
    if odd:
        raise ValueError(
            f"only one of the two methods was tested on {', '.join(odd[:5])}; compare on shared tasks"
        )
    clusters = [set(cells.select("fold", "checkpoint").iter_rows()) for cells in (left, right)]
    if clusters[0] & clusters[1]:
        return _paired_interval(left, right, clusters[0] == clusters[1], level)
    arms = [estimate(left), estimate(right)]
    mean = arms[0].mean - arms[1].mean
    checkpoints = min(arm.checkpoints for arm in arms)
    for arm in arms:
        if arm.problem:
            return Interval(mean, None, None, "none", checkpoints, note=arm.problem)
    variance = arms[0].variance + arms[1].variance
    sd = math.sqrt(sum(arm.variance * arm.checkpoints for arm in arms) / 2)
    if all(arm.variance > 0 for arm in arms):
        df = satterthwaite(arms[0].parts + arms[1].parts)
        half = float(stats.t.ppf((1 + level) / 2, df)) * math.sqrt(variance)
        return Interval(mean, mean - half, mean + half, "Welch", checkpoints, sd, df)
    a, b = (mean_interval(cells, level=level, score_bounds=score_bounds) for cells in (left, right))
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Interval(mean, None, None, "none", checkpoints, sd, note=a.note or b.note)
    low = mean - math.hypot(a.mean - a.low, b.high - b.mean)
    high = mean + math.hypot(a.high - a.mean, b.mean - b.low)
    return Interval(mean, low, high, "combined limits", checkpoints, sd, note=a.note or b.note)


def _paired_interval(left: pl.DataFrame, right: pl.DataFrame, same: bool, level: float) -> Interval:
    key = ["fold", "checkpoint", "task"]
    sides = [cells.group_by(key).agg(pl.col("value").mean()) for cells in (left, right)]
    both = sides[0].join(sides[1], on=key, suffix="_right")
    if not same or not len(both) == len(sides[0]) == len(sides[1]):
        raise ValueError(
            "the two methods share some checkpoints and tasks but not all; compare them on shared ones"
        )
    return replace(
        mean_interval(both.with_columns(value=pl.col("value") - pl.col("value_right")), level=level),
        how="paired cluster-t",
    )


def binomial_limits(successes: float, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Returns Clopper-Pearson limits of a share; fractional successes are allowed (the Beta form extends)."""
    tail = (1 - level) / 2
    low = 0.0 if successes <= 0 else float(stats.beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes >= trials else float(stats.beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high


def new_tasks_interval(
    left: pl.DataFrame, right: pl.DataFrame | None = None, *, level: float = 0.95
) -> Interval:
    """Returns the mean, or the difference, with an interval over new tasks of the population (tasks random).

    Two-way variance: checkpoints + tasks - residual, which both contain,

        var = sum v + s_t^2 / T - sum r,   s_t^2 the variance of the T task means (or task differences),

    never below the larger of its first two terms; Satterthwaite degrees of freedom. Never narrower than the
    interval over these tasks.

    Args:
        left: Cells of one method.
        right: Cells of another on the same tasks, with checkpoints of its own; without it the mean of left.
        level: Two-sided coverage.
    """
    arms = [estimate(cells) for cells in (left, right) if cells is not None]
    base = (
        mean_interval(left, level=level) if right is None else difference_interval(left, right, level=level)
    )
    means = [arm.task_means for arm in arms]
    by_task = [means[0][task] - (means[1][task] if right is not None else 0.0) for task in sorted(means[0])]
    note = next((arm.problem for arm in arms if arm.problem), "")
    if len(by_task) < 2:
        note = "one task only: nothing is known of other tasks"
    if note or base.how == "paired cluster-t":
        return replace(base, low=None, high=None, df=None, how="none", note=note or "paired: not computed")
    tasks = (float(statistics.variance(by_task)) / len(by_task), len(by_task) - 1)
    checkpoints = tuple(part for arm in arms for part in arm.parts)
    residual = tuple(part for arm in arms for part in arm.residual_parts)
    within = sum(v for v, _ in checkpoints)
    variance = max(within + tasks[0] - sum(v for v, _ in residual), within, tasks[0])
    if variance <= 0:
        return replace(base, low=None, high=None, how="none", note="neither tasks nor checkpoints differ")
    df = variance**2 / sum(v**2 / df for v, df in (*checkpoints, tasks, *residual))
    half = float(stats.t.ppf((1 + level) / 2, df)) * math.sqrt(variance)
    half = max(half, base.half_width or 0.0)  # by its larger df it could come out narrower
    return Interval(base.mean, base.mean - half, base.mean + half, "two-way", base.checkpoints, base.sd, df)
