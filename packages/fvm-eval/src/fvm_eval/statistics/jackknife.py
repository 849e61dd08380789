"""The jackknife over checkpoints: intervals for aggregates that have no formula of their own.

Leaving out checkpoint i of the n_h of stratum h (those tested on the same tasks) gives theta_hi; each arm's

    var = sum_h (n_h - 1) / n_h sum_i (theta_hi - mean_i theta_hi)^2

has a part with n_h - 1 degrees of freedom for each stratum. Arms with checkpoints of their own add their
parts (Welch-Satterthwaite); a checkpoint that several arms share is left out of all of them at once. For the
mean this is the interval of `fvm_eval.statistics.contrasts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from fvm_eval.statistics.aggregate import Aggregate, Array, Scores
from fvm_eval.statistics.contrasts import common, comparable, nonzero, nothing_left
from fvm_eval.statistics.estimates import Estimate, Term
from fvm_eval.statistics.variance import Arm, Parts, Rows, estimate_rows, rows_of

_AGREE = "the same whichever checkpoint is left out: no spread, so no interval"


def jackknife(
    cells: Mapping[str, pl.DataFrame], weights: Mapping[str, float], aggregate: Aggregate
) -> Estimate:
    """Returns the estimate of sum_a w_a aggregate(a).

    The median of few tasks is not smooth; its interval is better from `fvm_eval.statistics.bootstrap`.

    Args:
        cells: By arm, columns fold, checkpoint, task, value; all arms on the same tasks.
        weights: By arm; an arm of weight 0 plays no part.
        aggregate: As in `fvm_eval.statistics.aggregate`.

    Raises:
        ValueError: As `fvm_eval.statistics.contrasts.contrast`.
    """
    rows = {arm: rows_of(cells[arm]) for arm in nonzero(weights) if arm in cells}
    every = rows
    rows, _, gaps = common(rows)
    if gaps and not any(rows.values()):
        return nothing_left(every, gaps)
    return Estimate(
        tuple(
            _term([rows[a] for a in arms], [weights[a] for a in arms], aggregate, gaps)
            for arms in comparable(rows, weights)
        )
    )


def leave_one_out(arms: Sequence[Scores], statistic: Callable[[list[Array]], Array]) -> Parts:
    """Returns the variance parts of a statistic of arms that share their checkpoints.

    Args:
        arms: With the same checkpoints in the same order.
        statistic: Maps each arm's weights [R, N] to R numbers.
    """
    parts = []
    for stratum in arms[0].strata:
        kept = [(arm.checkpoints[None, :] != np.array(stratum)[:, None]).astype(np.float64) for arm in arms]
        replicates = statistic(kept)
        count = len(stratum)
        share = (count - 1) / count * float(np.square(replicates - replicates.mean()).sum())
        rounding = (1e-12 * float(np.abs(replicates).max())) ** 2
        parts.append((share if share > rounding else 0.0, count - 1))
    return tuple(parts)


def _term(rows: Sequence[Rows], weights: Sequence[float], aggregate: Aggregate, gaps: str) -> Term:
    arms = [Scores.of_rows(mine) for mine in rows]

    def total(kept: list[Array]) -> Array:
        each = [w * aggregate(a, k) for w, a, k in zip(weights, arms, kept, strict=True)]
        return np.asarray(np.sum(each, axis=0), np.float64)

    value = float(total([arm.once for arm in arms])[0])
    found = [estimate_rows(mine, gaps) for mine in rows]
    fewest = min(arm.checkpoints for arm in found)
    problem = next((arm.problem for arm in found if arm.problem), "")
    parts = () if problem else leave_one_out(arms, total)
    if not problem and not any(share > 0 for share, _ in parts):
        problem = f"{gaps}; {_AGREE}" if gaps else _AGREE
    return Term(Arm(value, {}, parts, (), fewest, problem, gaps=gaps), len(arms))
