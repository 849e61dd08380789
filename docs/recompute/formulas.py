"""Intervals and tests, written a second time from docs/statistics.md: polars, numpy, scipy, nothing of fvm.

An *arm* is a frame of cells: fold, checkpoint, task, value, perhaps won_of. Limits that have no formula of
their own here (Gaffke's) are computed in exact fractions, by another road than the package's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np
import polars as pl
from scipy import optimize, stats

FEW = 20
Ends = tuple[float, float]
UNIT = ["fold", "checkpoint"]


@dataclass
class Group:
    """Arms that start from the same checkpoints, combined: their strata, as means of checkpoints."""

    mean: float
    strata: list[tuple[float, np.ndarray]]  # (share of the tasks, means of its checkpoints)
    task_means: dict[str, float]
    residuals: list[tuple[float, int]]
    how: str
    bounds: Ends | None
    episodes: int

    @property
    def parts(self) -> list[tuple[float, int]]:
        """The variance, as (part, degrees of freedom)."""
        return [(w**2 * spread(u) / len(u), len(u) - 1) for w, u in self.strata]

    @property
    def variance(self) -> float:
        """Of the mean."""
        return sum(v for v, _ in self.parts)

    @property
    def checkpoints(self) -> int:
        """Fewest behind any task."""
        return min(len(u) for _, u in self.strata)

    def limits(self, level: float) -> Ends:
        """Returns the limits by themselves."""
        if self.how == "t":
            return student(self.mean, self.parts, level)
        assert self.bounds is not None
        low, span = self.bounds[0], self.bounds[1] - self.bounds[0]
        shares = [(w, (u - low) / span) for w, u in self.strata]
        units = np.concatenate([u for _, u in shares])
        if self.how == "Korn-Graubard":
            df = sum(n for _, n in self.parts)
            ends = korn_graubard(
                (self.mean - low) / span, self.variance / span**2, self.episodes, len(units), df, level
            )
            return low + span * ends[0], low + span * ends[1]
        if np.ptp([w / len(u) for w, u in shares]) < 1e-9:
            shares = [(1.0, units)]
        below = above = 0.0
        for weight, mine in shares:
            ends = gaffke(mine, level)
            below = np.hypot(below, weight * (mine.mean() - ends[0]))
            above = np.hypot(above, weight * (ends[1] - mine.mean()))
        return self.mean - span * below, self.mean + span * above


def spread(values: np.ndarray) -> float:
    """Returns the variance, 0 where it is rounding; NaN of one value."""
    if len(values) < 2:
        return float("nan")
    found = float(values.var(ddof=1))
    return found if found > (1e-12 * np.abs(values).max()) ** 2 else 0.0


def student(mean: float, parts: list[tuple[float, int]], level: float) -> Ends:
    """Returns t limits with Satterthwaite's degrees of freedom."""
    half = stats.t.ppf((1 + level) / 2, freedom(parts)) * np.sqrt(sum(v for v, _ in parts))
    return mean - half, mean + half


def freedom(parts: list[tuple[float, int]]) -> float:
    """Returns Satterthwaite's degrees of freedom."""
    return sum(v for v, _ in parts) ** 2 / sum(v**2 / n for v, n in parts)


def korn_graubard(p: float, v: float, episodes: int, clusters: int, df: float, level: float) -> Ends:
    """Returns the limits of a success rate from clustered episodes."""
    trials, tail = float(clusters), (1 - level) / 2
    if v > 0:
        middle = min(tail, 0.4999)  # where both quantiles are 0
        trials = (
            min(episodes, p * (1 - p) / v)
            * (stats.t.ppf(middle, episodes - 1) / stats.t.ppf(middle, df)) ** 2
        )
    low = 0.0 if p <= 0 else stats.beta.ppf(tail, p * trials, (1 - p) * trials + 1)
    high = 1.0 if p >= 1 else stats.beta.ppf(1 - tail, p * trials + 1, (1 - p) * trials)
    return float(low), float(high)


def gaffke(values: np.ndarray, level: float) -> Ends:
    """Returns Gaffke's limits of the mean of a population in [0, 1]."""
    values = np.clip(values, 0, 1)
    return 1 - _upper(1 - values, (1 - level) / 2), _upper(values, (1 - level) / 2)


def _upper(values: np.ndarray, tail: float) -> float:
    """Returns where the sum of values and 1, weighted by uniform spacings, has this much above it.

    P(sum > x) = sum over w_j > x of (w_j - x)^S / prod_(k != j) (w_j - w_k); equal values are moved apart
    by a billionth, which exact fractions bear.
    """
    knots = [Fraction(float(w)) + Fraction(i, 10**9) for i, w in enumerate([*np.sort(values), 1.0])]
    size = len(values)
    below = [prod((w - other for other in knots if other != w), start=Fraction(1)) for w in knots]

    def over(x: float) -> float:
        at = Fraction(x)
        terms = ((w - at) ** size / d for w, d in zip(knots, below, strict=True) if w > at)
        return float(sum(terms, start=Fraction(0))) - tail

    return float(optimize.brentq(over, float(knots[0]), float(knots[-1]), xtol=1e-10))


def strata_of(arm: pl.DataFrame) -> list[list[tuple[int, str]]]:
    """Returns the checkpoints tested on the same tasks; all of them where each drew tasks of its own."""
    units = arm.group_by(UNIT).agg(on=pl.col("task").unique().sort()).sort(UNIT)
    found: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for fold, checkpoint, on in units.iter_rows():
        found.setdefault(tuple(on), []).append((fold, checkpoint))
    return [list(units.select(UNIT).iter_rows())] if redrawn(arm) else list(found.values())


def redrawn(arm: pl.DataFrame) -> bool:
    """Returns whether splits were drawn anew: the report says so, or some share a part of their tasks."""
    if "redrawn" in arm.columns and arm["fold"].n_unique() > 1:
        return True
    sets = {frozenset(on) for (on,) in arm.group_by(UNIT).agg("task").select("task").iter_rows()}
    return any(a != b and a & b for a in sets for b in sets)


def group(arms: list[pl.DataFrame], weights: list[float], bounds: Ends | None) -> Group:
    """Returns the weighted sum of arms that share their checkpoints."""
    key = [*UNIT, "task"]
    frames = [
        arm.group_by(key).agg(value=pl.col("value").mean() * w) for arm, w in zip(arms, weights, strict=True)
    ]
    cells = pl.concat(frames).group_by(key).agg(pl.col("value").sum()).sort(key)
    assert all(len(frame) == len(cells) for frame in frames), "every arm has every cell"
    tasks = cells["task"].n_unique()
    by_unit = cells.group_by(UNIT, maintain_order=True).agg("task", "value")
    strata, residuals = [], []
    anew = all(map(redrawn, arms))
    if anew:
        strata.append((1.0, np.array([np.mean(values) for values in by_unit["value"].to_list()])))
    for _, mine in () if anew else by_unit.group_by("task", maintain_order=True):
        table = np.array(mine["value"].to_list())  # [checkpoints, tasks]
        n, m = table.shape
        strata.append((m / tasks, table.mean(1)))
        rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        part = (m / tasks) ** 2 * (rest**2).sum() / ((n - 1) * (m - 1) * n * m) if m > 1 else None
        residuals.append(
            (strata[-1][0] ** 2 * spread(table[:, 0]) / n, n - 1)
            if part is None
            else (part, (n - 1) * (m - 1))
        )
    means = dict(cells.group_by("task").agg(pl.col("value").mean()).iter_rows())
    ends = None
    if bounds is not None:
        ends = tuple(sum(f(w * bounds[0], w * bounds[1]) for w in weights) for f in (min, max))
    mean = float(np.mean(strata[0][1] if anew else list(means.values())))
    found = Group(mean, strata, means, residuals, "t", ends, 0)
    few = sum(len(u) for _, u in strata) < FEW
    won = "won_of" in arms[0].columns and not arms[0]["won_of"].null_count()
    if any(len(u) < 2 for _, u in strata):  # a task that one checkpoint alone was tested on
        found.how = "none"
    elif ends is not None and len(arms) == 1 and won:
        found.how, found.episodes = "Korn-Graubard", int(arms[0]["won_of"].sum())
    elif ends is not None and (found.variance == 0 or (few and len(arms) == 1)):
        found.how = "Gaffke"
    elif found.variance == 0:
        found.how = "none"
    return found


def groups(
    cells: Mapping[str, pl.DataFrame], weights: Mapping[str, float], bounds: Ends | None
) -> list[Group]:
    """Returns the arms of a contrast, those that share their checkpoints combined."""
    units: dict[frozenset[tuple[int, str]], list[str]] = {}
    for arm in weights:
        units.setdefault(frozenset(cells[arm].select(UNIT).iter_rows()), []).append(arm)
    return [group([cells[a] for a in arms], [weights[a] for a in arms], bounds) for arms in units.values()]


def interval(found: list[Group], level: float = 0.95) -> Ends | None:
    """Returns the limits of a sum: t throughout, or MOVER's from the limits of its groups."""
    if any(one.how == "none" for one in found):
        return None
    mean = sum(one.mean for one in found)
    if all(one.how == "t" for one in found):
        return student(mean, [part for one in found for part in one.parts], level)
    below = above = 0.0
    for one in found:
        low, high = one.limits(level)
        below, above = np.hypot(below, one.mean - low), np.hypot(above, high - one.mean)
    return mean - below, mean + above


def possible(found: list[Group]) -> Ends | None:
    """Returns between what the sum of groups lies whatever comes out; None where that is unknown."""
    known = [one.bounds for one in found if one.bounds is not None]
    return (sum(b[0] for b in known), sum(b[1] for b in known)) if len(known) == len(found) else None


def cut(limits: Ends | None, bounds: Ends | None) -> Ends | None:
    """Returns limits without what is impossible."""
    if limits is None or bounds is None:
        return limits
    return max(limits[0], bounds[0]), min(limits[1], bounds[1])


def over_new_tasks(found: list[Group], fixed: Ends | None) -> Ends | None:
    """Returns the limits for new tasks: checkpoints + tasks - residual, never within those of these tasks."""
    names = sorted(found[0].task_means)
    by_task = np.array([sum(one.task_means[task] for one in found) for task in names])
    if len(names) < 2 or fixed is None:
        return None
    tasks = (by_task.var(ddof=1) / len(names), len(names) - 1)
    checkpoints = [part for one in found for part in one.parts]
    residuals = [part for one in found for part in one.residuals]
    within = sum(v for v, _ in checkpoints)
    variance, parts = within + tasks[0] - sum(v for v, _ in residuals), [*checkpoints, tasks, *residuals]
    if variance <= (1 + 1e-9) * max(within, tasks[0]):
        variance = max(within, tasks[0])
        either = [
            one for one in (checkpoints, [tasks]) if 0 < (1 - 1e-9) * variance <= sum(v for v, _ in one)
        ]
        parts = min(either, key=freedom, default=[])  # of equal ones the fewer degrees of freedom
    mean = sum(one.mean for one in found)
    if variance == 0:  # nothing differs: what the scores' range alone allows
        return by_range(mean, by_task, fixed, possible(found))
    df = variance**2 / sum(v**2 / n for v, n in parts)
    half = stats.t.ppf(0.975, df) * np.sqrt(variance)
    inner = [fixed]
    if all(one.variance > 0 for one in found):
        inner.append(student(mean, checkpoints, 0.95))
    return min(mean - half, *(e[0] for e in inner)), max(mean + half, *(e[1] for e in inner))


def by_range(mean: float, by_task: np.ndarray, fixed: Ends, bounds: Ends | None) -> Ends | None:
    """Returns Gaffke's limits over tasks that agree, combined by MOVER with those of these tasks."""
    if bounds is None:
        return None
    low, span = bounds[0], bounds[1] - bounds[0]
    ends = [low + span * end for end in gaffke((by_task - low) / span, 0.95)]
    return mean - np.hypot(mean - fixed[0], mean - ends[0]), mean + np.hypot(fixed[1] - mean, ends[1] - mean)


def p_beyond(found: list[Group], threshold: float, sign: int) -> float | None:
    """Returns the one-sided p value of "the truth lies above" (sign 1) or "below" (-1) the threshold."""
    mean = sum(one.mean for one in found)
    if any(one.how == "none" for one in found):
        return None
    if all(one.how == "t" for one in found):
        parts = [part for one in found for part in one.parts]
        return float(
            stats.t.sf(sign * (mean - threshold) / np.sqrt(sum(v for v, _ in parts)), freedom(parts))
        )
    if mean == threshold:
        return 0.5
    if sign * (mean - threshold) < 0:
        opposite = p_beyond(found, threshold, -sign)
        return None if opposite is None else 1 - opposite

    def gap(log_p: float) -> float:
        ends = interval(found, 1 - 2 * 10**log_p)
        assert ends is not None
        return sign * (ends[0 if sign > 0 else 1] - threshold)

    if gap(-12.0) >= 0:
        return 0.0
    highest = float(np.log10(0.5))
    return 0.5 if gap(highest) <= 0 else float(10 ** optimize.brentq(gap, -12.0, highest, xtol=1e-8))


def jackknife(arm: pl.DataFrame, statistic: Callable[[pl.DataFrame], float]) -> tuple[float, Ends]:
    """Returns any statistic of an arm's runs with its t limits, by leaving out checkpoints."""
    parts = []
    for stratum in strata_of(arm):
        left = np.array(
            [
                statistic(arm.filter(~((pl.col("fold") == f) & (pl.col("checkpoint") == c))))
                for f, c in stratum
            ]
        )
        n = len(left)
        parts.append(((n - 1) / n * float(((left - left.mean()) ** 2).sum()), n - 1))
    value = statistic(arm)
    return value, student(value, parts, 0.95) if sum(v for v, _ in parts) > 0 else (np.nan, np.nan)


def holm(ps: list[float]) -> list[float]:
    """Returns p values adjusted for their number."""
    found, worst = [0.0] * len(ps), 0.0
    for rank, i in enumerate(np.argsort(ps, kind="stable")):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[i]))
        found[i] = worst
    return found
