"""The cluster bootstrap over checkpoints: draw checkpoints with all their scores, never single runs.

Percentile intervals of S clusters are too narrow: they use the variance with divisor S and the normal
distribution. Their half-widths are therefore widened by

    sqrt(S / (S - 1)) t(.975, df) / 1.96,   df = S - 1 for one stratum, else Satterthwaite's of the mean

which for the mean gives the width of the cluster-t interval, and for other aggregates keeps their skew.
Checkpoints are drawn within strata (those tested on the same tasks).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy import special

from fvm_eval.statistics.aggregate import Aggregate, Array, Scores
from fvm_eval.statistics.estimates import Interval
from fvm_eval.statistics.variance import Arm, estimate, satterthwaite

_AT_ONCE = 4_000_000


def bootstrap(
    cells: pl.DataFrame,
    aggregates: Mapping[str, Aggregate],
    *,
    rng: np.random.Generator,
    resamples: int = 10_000,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Returns each aggregate of one method's cells with its widened percentile interval.

    Args:
        cells: Columns fold, checkpoint, task, value; one method.
        aggregates: By name, as `fvm_eval.statistics.aggregate.AGGREGATES`; all from the same draws.
        rng: Draws the checkpoints.
        resamples: How many times.
        level: Two-sided coverage.
    """
    scores, arm = Scores.of(cells), estimate(cells)
    values = {name: float(aggregate(scores, scores.once)[0]) for name, aggregate in aggregates.items()}
    if arm.problem:
        return {
            n: Interval(v, None, None, "none", arm.checkpoints, note=arm.problem) for n, v in values.items()
        }
    draws: dict[str, list[Array]] = {name: [] for name in aggregates}
    for size in _batches(resamples, len(scores.values)):
        weights = cluster_weights(scores, size, rng)
        for name, aggregate in aggregates.items():
            draws[name].append(aggregate(scores, weights))
    factor = widening(arm, level=level)
    intervals = {}
    for name, value in values.items():
        low, high = widened(np.array([value]), np.concatenate(draws[name])[:, None], factor, level=level)
        if low[0] == high[0]:
            note = "every draw of checkpoints gives the same value: no interval"
            intervals[name] = Interval(value, None, None, "none", arm.checkpoints, note=note)
        else:
            how = "widened cluster bootstrap"
            intervals[name] = Interval(value, float(low[0]), float(high[0]), how, arm.checkpoints)
    return intervals


def cluster_weights(scores: Scores, resamples: int, rng: np.random.Generator) -> Array:
    """Returns how often each score is drawn [R, N] when checkpoints are, with replacement, within strata."""
    counts = np.empty((resamples, sum(map(len, scores.strata))))
    for stratum in scores.strata:
        size = len(stratum)
        counts[:, list(stratum)] = rng.multinomial(size, np.full(size, 1 / size), resamples)
    weights: Array = counts[:, scores.checkpoints]
    return weights


def widening(arm: Arm, *, level: float = 0.95) -> float:
    """Returns the factor for half-widths of the percentile intervals of a method with a spread."""
    df = satterthwaite(arm.parts) if arm.variance > 0 else float(sum(df for _, df in arm.parts))
    fewest = min(df for _, df in arm.parts) + 1
    t, z = float(special.stdtrit(df, (1 + level) / 2)), float(special.ndtri((1 + level) / 2))
    return math.sqrt(fewest / (fewest - 1)) * t / z


def widened(value: Array, draws: Array, factor: float, *, level: float = 0.95) -> tuple[Array, Array]:
    """Returns the percentile limits of draws [R, K], moved away from the values [K] by the factor."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return value - factor * (value - low), value + factor * (high - value)


def _batches(resamples: int, cells: int) -> list[int]:
    """Returns how many draws to make at once, so that their weights take tens of megabytes."""
    size = max(1, _AT_ONCE // cells)
    return [min(size, resamples - done) for done in range(0, resamples, size)]
