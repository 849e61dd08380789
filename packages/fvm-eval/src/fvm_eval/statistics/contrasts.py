"""Contrasts: linear combinations of the means of several arms, with the variance that sharing gives them.

    theta = sum_a w_a mean(a)

An arm is a method, or a method at a training-set size, a budget, a trial. Arms that start from the same
checkpoints share their luck: their values are first combined within each checkpoint and task (paired). Arms
with checkpoints of their own add their variances. A difference has the weights 1 and -1, an improvement from
the first trial to the last the same with both arms on one set of checkpoints, a slope those of
`slope_weights`, a ratio of costs those of a difference on logarithms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from fvm_eval.statistics.estimates import Estimate, Term
from fvm_eval.statistics.variance import estimate

_UNIT = ["fold", "checkpoint"]
_ZERO = 1e-12


def contrast(
    cells: Mapping[str, pl.DataFrame],
    weights: Mapping[str, float],
    *,
    score_bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Returns the estimate of sum_a w_a mean(a), tasks fixed.

    Args:
        cells: By arm, columns fold, checkpoint, task, value; all arms on the same tasks.
        weights: By arm; an arm of weight 0 plays no part.
        score_bounds: Lowest and highest possible value; gives an arm whose checkpoints all agree on one of
            them a binomial interval.

    Raises:
        ValueError: No weight differs from 0; an arm has no cells; arms were tested on different tasks, which
            would compare tasks, not methods; or they share some of their checkpoints but not all.
    """
    used = nonzero(weights)
    terms = []
    for arms in comparable(cells, weights):
        combined = _combined([cells[arm] for arm in arms], [used[arm] for arm in arms])
        extremes = None
        if score_bounds is not None and len(arms) == 1:
            at_extremes = set(cells[arms[0]]["value"].unique()) <= set(score_bounds)
            low, high = sorted(used[arms[0]] * bound for bound in score_bounds)
            extremes = (low, high) if at_extremes else None
        terms.append(Term(estimate(combined), len(arms), extremes))
    return Estimate(tuple(terms))


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
    # What is left of a sum of equal numbers is rounding, no spread.
    rounded = pl.when(pl.col("value").abs() <= _ZERO * pl.col("size")).then(0.0).otherwise(pl.col("value"))
    total = total.select(*key, value=rounded)
    if any(len(mean) != len(total) for mean in means):
        raise ValueError(
            "arms share some checkpoints and tasks but not all: a checkpoint lacks a task that it has in "
            "another arm; compare them on shared ones"
        )
    return total
