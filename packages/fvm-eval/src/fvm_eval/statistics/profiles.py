"""Performance profiles: which share of a method's runs scores above each threshold (Agarwal et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from fvm_eval.statistics.aggregate import Scores
from fvm_eval.statistics.bootstrap import cluster_weights, widened, widening
from fvm_eval.statistics.variance import estimate


def performance_profile(
    cells: pl.DataFrame,
    thresholds: Sequence[float],
    *,
    rng: np.random.Generator,
    resamples: int = 2_000,
    level: float = 0.95,
) -> pl.DataFrame:
    """Returns threshold, share, low, high: the share of scores above it, with a pointwise band.

    The band is the widened cluster bootstrap's (`fvm_eval.statistics.bootstrap`), cut to [0, 1]; null where
    there is one checkpoint.

    Args:
        cells: Columns fold, checkpoint, task, value; one method.
        thresholds: In the unit of the values.
        rng: Draws the checkpoints.
        resamples: How many times.
        level: Two-sided coverage at each threshold.
    """
    scores, arm = Scores.of(cells), estimate(cells)
    above = (scores.values[:, None] > np.asarray(thresholds, np.float64)).astype(np.float64)  # [N, K]
    share = above.mean(0)
    profile = pl.DataFrame({"threshold": [float(t) for t in thresholds], "share": share})
    if arm.problem:
        missing = pl.lit(None, pl.Float64)
        return profile.with_columns(low=missing, high=missing)
    weights = cluster_weights(scores, resamples, rng)
    draws = weights @ above / weights.sum(1, keepdims=True)
    low, high = widened(share, draws, widening(arm, level=level), level=level)
    return profile.with_columns(low=pl.Series(np.maximum(low, 0.0)), high=pl.Series(np.minimum(high, 1.0)))
