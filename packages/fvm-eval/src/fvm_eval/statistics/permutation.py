"""Exact tests by exchanging: signs of paired differences, or checkpoints of two methods."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_EXACT_SIGNS = 20
_EXACT_SPLITS = 1_000_000
_RESAMPLES, _CHUNK = 100_000, 5_000


def sign_flip(differences: Sequence[float], rng: np.random.Generator) -> float:
    """Returns the two-sided p value of the mean of paired differences, one a checkpoint.

    Exact for up to 20 checkpoints: the share of all 2^n choices of signs whose sum is at least as far from 0,
    never below 2 / 2^n. Beyond, from 100,000 random choices with the one that was seen.

    Args:
        differences: Symmetric around 0 if the methods are equal.
        rng: Draws the signs beyond 20 checkpoints.
    """
    values = np.asarray(differences, np.float64)
    seen, scale = float(np.sum(values)), float(np.sum(np.abs(values)))
    if len(values) <= _EXACT_SIGNS:
        sums = np.zeros(1)
        for value in values:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.mean(_as_far(sums, seen, scale)))
    signs = rng.choice([-1.0, 1.0], (_RESAMPLES, len(values)))
    far = _as_far(signs @ values, seen, scale).sum()
    return float((1 + far) / (1 + _RESAMPLES))


def permutation(left: Sequence[float], right: Sequence[float], rng: np.random.Generator) -> float:
    """Returns the two-sided p value of the difference in mean of two methods, one number a checkpoint.

    Exact where there are at most 1,000,000 ways to split the checkpoints; beyond, from 100,000 random splits
    with the one that was seen. Assumes that equal methods are also equally spread; Welch's test does not.

    Args:
        left: Means of one method's checkpoints.
        right: The other's.
        rng: Draws the splits where they are too many.
    """
    pool, size = np.array([*left, *right], np.float64), len(left)
    rest = len(pool) - size
    seen = pool[:size].sum() / size - pool[size:].sum() / rest
    scale = float(np.abs(pool).max())
    exact = math.comb(len(pool), size) <= _EXACT_SPLITS
    if exact:
        sums = _sums_of(pool, size)
    else:
        sums = np.concatenate([_random_sums(pool, size, _CHUNK, rng) for _ in range(_RESAMPLES // _CHUNK)])
    far = _as_far(sums / size - (pool.sum() - sums) / rest, seen, scale)
    return float(far.mean() if exact else (1 + far.sum()) / (1 + _RESAMPLES))


def _sums_of(values: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    """Returns the sum of every choice of so many of the values."""
    sums = [np.zeros(1), *[np.empty(0)] * size]  # by how many are chosen
    for value in values:
        for chosen in range(size, 0, -1):
            sums[chosen] = np.concatenate([sums[chosen], sums[chosen - 1] + value])
    return sums[size]


def _random_sums(
    values: npt.NDArray[np.float64], size: int, count: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Returns the sums of so many random choices of so many of the values."""
    chosen: npt.NDArray[np.float64] = rng.permuted(np.tile(values, (count, 1)), axis=1)[:, :size].sum(1)
    return chosen


def _as_far(statistics: npt.NDArray[np.float64], seen: float, scale: float) -> npt.NDArray[np.bool_]:
    """Returns which are at least as far from 0 as the one that was seen, however sums round."""
    return np.abs(statistics) >= abs(seen) - 1e-12 * scale
