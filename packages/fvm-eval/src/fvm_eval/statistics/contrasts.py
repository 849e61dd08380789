"""Contrasts: linear combinations of the means of several arms, with the variance that sharing gives them.

    theta = sum_a w_a mean(a)

An arm is a method, or a method at a training-set size, a budget, a trial. Arms that start from the same
checkpoints share their luck: their values are first combined within each checkpoint and task (paired). Arms
with checkpoints of their own add their variances. A difference has the weights 1 and -1, an improvement from
the first trial to the last the same with both arms on one set of checkpoints, a slope those of
`slope_weights`, a ratio of costs those of a difference on logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import polars as pl

from fvm_eval.statistics.estimates import Estimate, Term
from fvm_eval.statistics.variance import (
    LARGEST,
    Arm,
    Rows,
    estimate_rows,
    lacking,
    left_out,
    rows_of,
    tasks_of,
    without,
)

_ZERO = 1e-12
_OUTSIDE = 1e-9
EPISODES = "won_of"


class SharedInPartError(ValueError):
    """Arms share some of their checkpoints but not all: neither pairing nor independence is true of them."""


def contrast(
    cells: Mapping[str, pl.DataFrame],
    weights: Mapping[str, float],
    *,
    score_bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Returns the estimate of sum_a w_a mean(a), tasks fixed.

    Args:
        cells: By arm, columns fold, checkpoint, task, value; all arms on the same tasks. A column
            `won_of`, the number of episodes, marks a value as the share of episodes that were won.
        weights: By arm; an arm of weight 0 plays no part.
        score_bounds: Lowest and highest possible value; without them few checkpoints get a t interval,
            which assumes that rare failures do not exist, and checkpoints that agree exactly get none.

    Raises:
        ValueError: No weight differs from 0; an arm has no cells; arms were tested on different tasks, which
            would compare tasks, not methods; or they share some of their checkpoints but not all.
    """
    used = nonzero(weights)
    rows = {arm: rows_of(cells[arm]) for arm in used if arm in cells}
    every = rows
    rows, lost, gaps = common(rows)
    if gaps and not any(rows.values()):
        return nothing_left(every, gaps)
    terms = []
    for arms in comparable(rows, weights):
        combined = _combined([rows[arm] for arm in arms], [used[arm] for arm in arms])
        bounds = episodes = None
        if score_bounds is not None:
            low, high = score_bounds
            ends = [sorted((used[arm] * low, used[arm] * high)) for arm in arms]
            bounds = sum(end[0] for end in ends), sum(end[1] for end in ends)
            _check_range([cells[arm] for arm in arms], lost, score_bounds)
            episodes = _episodes(cells[arms[0]], lost) if len(arms) == 1 else None
        terms.append(Term(estimate_rows(combined, gaps), len(arms), bounds, episodes, used[arms[0]]))
    return Estimate(tuple(terms))


def nothing_left(rows: Mapping[str, Rows], gaps: str) -> Estimate:
    """Returns what is known of arms that have no task in common: that there is no estimate, and why."""
    arm = Arm(math.nan, {}, (), (), min(map(len, rows.values())), f"not estimable: {gaps}", gaps=gaps)
    return Estimate((Term(arm),))


def _check_range(arms: Sequence[pl.DataFrame], lost: set[str], bounds: tuple[float, float]) -> None:
    low, high = bounds
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"score_bounds={bounds}: expected two finite numbers, the lower one first")
    for arm in arms:
        values = arm["value"].cast(pl.Float64).to_numpy()
        outside = (values < low - _OUTSIDE) | (values > high + _OUTSIDE)
        outside &= np.abs(values) < LARGEST  # beyond: not estimable, and said so
        for place in np.flatnonzero(outside):
            row = arm.row(int(place), named=True)
            if row["task"] not in lost:
                raise ValueError(
                    f"{row['value']} of {row['checkpoint']} on {row['task']} lies outside the range of "
                    f"scores {bounds}"
                )


def common(rows: Mapping[str, Rows]) -> tuple[dict[str, Rows], set[str], str]:
    """Returns the values on tasks that no checkpoint lacks, the tasks left out, and the clause that says so.

    A task that an arm lacks altogether is no gap: such arms are refused.
    """
    tasks = {arm: tasks_of(mine) for arm, mine in rows.items()}
    lost: set[str] = set().union(*map(lacking, rows.values()))
    for arm, other in combinations(rows, 2):
        if rows[arm].keys() == rows[other].keys():  # paired
            apart = (rows[arm][cluster].keys() ^ rows[other][cluster].keys() for cluster in rows[arm])
            lost |= set().union(*apart) & tasks[arm] & tasks[other]
    kept = {arm: without(mine, lost) for arm, mine in rows.items()}
    return kept, lost, left_out(lost, set().union(*tasks.values()))


def _episodes(cells: pl.DataFrame, lost: set[str]) -> int | None:
    """Returns of how many episodes the values are success rates; None where they are not."""
    if EPISODES not in cells.columns:
        return None
    if lost:
        cells = cells.filter(~pl.col("task").is_in(list(lost)))
    return None if cells[EPISODES].null_count() else int(cells[EPISODES].to_numpy().sum())


def comparable(rows: Mapping[str, Rows], weights: Mapping[str, float]) -> list[list[str]]:
    """Returns the arms with a weight, grouped by shared checkpoints.

    Args:
        rows: By arm, each checkpoint's values (`fvm_eval.statistics.variance.rows_of`).
        weights: By arm.

    Raises:
        ValueError: As `contrast`.
    """
    used = nonzero(weights)
    empty = [arm for arm in used if not rows.get(arm)]
    if not used or empty:
        what = f"no cells of {', '.join(empty)}" if empty else "every weight is 0"
        raise ValueError(f"{what}: nothing to average")
    tasks = {arm: tasks_of(rows[arm]) for arm in used}
    shared, every = set.intersection(*tasks.values()), set.union(*tasks.values())
    if odd := sorted(every - shared):
        which = "one of the two methods was" if len(used) == 2 else "some of the arms were"
        raise ValueError(f"only {which} tested on {', '.join(odd[:5])}; compare on shared tasks")
    return _sharing({arm: set(rows[arm]) for arm in used})


def nonzero(weights: Mapping[str, float]) -> dict[str, float]:
    """Returns the weights that differ from 0 by more than rounding."""
    largest = max((abs(weight) for weight in weights.values()), default=0.0)
    return {arm: weight for arm, weight in weights.items() if abs(weight) > _ZERO * largest}


def slope_weights(positions: Mapping[str, float]) -> dict[str, float]:
    """Returns the weights of the least-squares slope through the arms' means: (x - mean x) / sum of squares.

    Args:
        positions: Each arm's x, as in log10 of its number of training levels.

    Raises:
        ValueError: Fewer than two different positions.
    """
    x = np.array(list(positions.values()), np.float64)
    if len(set(positions.values())) < 2:
        raise ValueError(f"positions {dict(positions)}: a slope needs two different ones")
    centred = x - x.mean()
    slopes = centred / np.square(centred).sum()
    return {arm: float(weight) for arm, weight in zip(positions, slopes, strict=True)}


def _sharing(units: Mapping[str, set[tuple[int, str]]]) -> list[list[str]]:
    """Returns the arms grouped by shared checkpoints."""
    groups: list[list[str]] = []
    for arm, mine in units.items():
        same = [group for group in groups if units[group[0]] == mine]
        if not same and any(units[group[0]] & mine for group in groups):
            raise SharedInPartError(
                f"{arm} shares some checkpoints with another arm but not all; compare them on shared ones"
            )
        if same:
            same[0].append(arm)
        else:
            groups.append([arm])
    return groups


def _combined(arms: Sequence[Rows], weights: Sequence[float]) -> Rows:
    """Returns the weighted sum within each checkpoint and task."""
    total: Rows = {}
    for cluster, row in arms[0].items():
        total[cluster] = {}
        for task in row:
            if all(task in arm[cluster] for arm in arms):
                added = [arm[cluster][task] * weight for arm, weight in zip(arms, weights, strict=True)]
                value, size = sum(added), max(map(abs, added))
                # What is left of a sum of equal numbers is rounding, no spread.
                left = math.isfinite(size) and abs(value) <= _ZERO * size
                total[cluster][task] = 0.0 if left else value
    return total
