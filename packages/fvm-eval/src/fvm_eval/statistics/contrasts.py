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
from dataclasses import replace
from itertools import combinations

import numpy as np
import polars as pl

from fvm_eval.statistics.estimates import Estimate, Term
from fvm_eval.statistics.variance import LARGEST, Arm, estimate, lacking, left_out

_UNIT = ["fold", "checkpoint"]
_ZERO = 1e-12
_OUTSIDE = 1e-9
EPISODES = "won_of"


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
    lost, tasks = _lost(cells, used)
    gaps = left_out(lost, tasks)
    if lost and lost >= tasks:
        fewest = min(cells[arm].select(_UNIT).n_unique() for arm in used)
        return Estimate((Term(Arm(math.nan, {}, (), (), fewest, f"not estimable: {gaps}", gaps=gaps)),))
    if lost:
        cells = {arm: cells[arm].filter(~pl.col("task").is_in(list(lost))) for arm in used}
    terms = []
    for arms in comparable(cells, weights):
        combined = _combined([cells[arm] for arm in arms], [used[arm] for arm in arms])
        bounds = episodes = None
        if score_bounds is not None:
            low, high = score_bounds
            ends = [sorted((used[arm] * low, used[arm] * high)) for arm in arms]
            bounds = sum(end[0] for end in ends), sum(end[1] for end in ends)
            _check_range([cells[arm] for arm in arms], score_bounds)
            episodes = _episodes(cells[arms[0]]) if len(arms) == 1 else None
        arm = replace(estimate(combined), gaps=gaps)
        terms.append(Term(arm, len(arms), bounds, episodes, used[arms[0]]))
    return Estimate(tuple(terms))


def _check_range(arms: Sequence[pl.DataFrame], bounds: tuple[float, float]) -> None:
    low, high = bounds
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"score_bounds={bounds}: expected two finite numbers, the lower one first")
    for arm in arms:
        outside = arm.filter((pl.col("value") < low - _OUTSIDE) | (pl.col("value") > high + _OUTSIDE))
        outside = outside.filter(pl.col("value").abs() < LARGEST)  # beyond: not estimable, and said so
        if len(outside):
            first = outside.row(0, named=True)
            raise ValueError(
                f"{first['value']} of {first['checkpoint']} on {first['task']} lies outside the range of "
                f"scores {bounds}"
            )


def _lost(cells: Mapping[str, pl.DataFrame], used: Mapping[str, float]) -> tuple[set[str], set[str]]:
    """Returns the tasks of which some arm's checkpoint lacks its cell, and all tasks.

    A task that an arm lacks altogether is no gap: such arms are refused.
    """
    rows = {
        arm: set(cells[arm].select(*_UNIT, "task").iter_rows())
        for arm in used
        if arm in cells and len(cells[arm])
    }
    tasks = {arm: {task for *_, task in mine} for arm, mine in rows.items()}
    lost: set[str] = set().union(*(lacking(cells[arm]) for arm in rows))
    for arm, other in combinations(rows, 2):
        if {row[:2] for row in rows[arm]} == {row[:2] for row in rows[other]}:  # paired
            lost |= {task for *_, task in rows[arm] ^ rows[other]} & tasks[arm] & tasks[other]
    return lost, set().union(*tasks.values())


def _episodes(cells: pl.DataFrame) -> int | None:
    """Returns of how many episodes the values are success rates; None where they are not."""
    if EPISODES not in cells.columns or cells[EPISODES].null_count():
        return None
    return int(cells[EPISODES].to_numpy().sum())


def comparable(cells: Mapping[str, pl.DataFrame], weights: Mapping[str, float]) -> list[list[str]]:
    """Returns the arms with a weight, grouped by shared checkpoints.

    Raises:
        ValueError: As `contrast`.
    """
    used = nonzero(weights)
    lacking = [arm for arm in used if arm not in cells or cells[arm].is_empty()]
    if not used or lacking:
        what = f"no cells of {', '.join(lacking)}" if lacking else "every weight is 0"
        raise ValueError(f"{what}: nothing to average")
    tasks = {arm: set(cells[arm]["task"]) for arm in used}
    shared, every = set.intersection(*tasks.values()), set.union(*tasks.values())
    if odd := sorted(every - shared):
        which = "one of the two methods was" if len(used) == 2 else "some of the arms were"
        raise ValueError(f"only {which} tested on {', '.join(odd[:5])}; compare on shared tasks")
    return _sharing({arm: set(cells[arm].select(_UNIT).iter_rows()) for arm in used})


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
            raise ValueError(
                f"{arm} shares some checkpoints with another arm but not all; compare them on shared ones"
            )
        if same:
            same[0].append(arm)
        else:
            groups.append([arm])
    return groups


def _combined(arms: Sequence[pl.DataFrame], weights: Sequence[float]) -> pl.DataFrame:
    """Returns the weighted sum within each checkpoint and task."""
    key = [*_UNIT, "task"]
    means = [arm.group_by(key).agg(pl.col("value").mean()) for arm in arms]
    total = means[0].with_columns(pl.col("value") * weights[0], size=(pl.col("value") * weights[0]).abs())
    for mean, weight in zip(means[1:], weights[1:], strict=True):
        added = mean.select(*key, added=pl.col("value") * weight)
        total = total.join(added, on=key).select(
            *key,
            value=pl.col("value") + pl.col("added"),
            size=pl.max_horizontal("size", pl.col("added").abs()),
        )
    # What is left of a sum of equal numbers is rounding, no spread; NaN <= NaN holds in Polars.
    left = pl.col("value").abs() <= _ZERO * pl.col("size")
    rounded = pl.when(left & pl.col("size").is_finite()).then(0.0).otherwise(pl.col("value"))
    total = total.select(*key, value=rounded)
    return total
