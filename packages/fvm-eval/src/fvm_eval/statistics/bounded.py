"""Limits for scores that lie in a known range: Gaffke's for any, Korn and Graubard's for success rates.

t intervals of few checkpoints assume that nothing rare is missing from the sample. Where one seed in ten
fails, 43 % of studies of 8 seeds hold no failure, and no look at the sample can tell. A known range bounds
what was not seen.

Gaffke 2005, for z_(1) <= ... <= z_(S) in [0, 1] and sorted uniforms U_(1) <= ... <= U_(S):

    upper limit = the quantile of  1 - sum_i U_(i) (z_(i+1) - z_(i)),  z_(S+1) = 1;  the lower by symmetry

It covers at least the nominal level in every simulation known; that it always does is unproven. All zeros
give 1 - .025^(1/S), the exact binomial limit.

Korn & Graubard 1998, for a share p of N episodes in S clusters with shares p_s:

    v = sum (p_s - p)^2 / (S (S - 1)),  n* = min(N, p (1 - p) / v) (t_{N-1} / t_{S-1})^2,
    limits = Clopper & Pearson's of n* p successes in n* trials
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from scipy import special

from fvm_eval.statistics.roots import root

_EQUAL = 1e-12  # values closer than that differ by rounding


def gaffke_limits(values: Sequence[float], *, level: float = 0.95) -> tuple[float, float]:
    """Returns the two-sided limits of the mean of a population in [0, 1] from independent values of it.

    Raises:
        ValueError: There is no value, or one lies outside [0, 1].
    """
    if not len(values) or not all(-1e-6 <= value <= 1 + 1e-6 for value in values):
        raise ValueError(f"values {list(values)[:5]}: expected at least one, all of them in [0, 1]")
    inside = tuple(float(min(max(value, 0.0), 1.0)) for value in sorted(values))
    tail = (1 - level) / 2
    mirrored = tuple(1 - value for value in reversed(inside))
    return 1 - _upper(mirrored, tail), _upper(inside, tail)


def _upper(values: tuple[float, ...], tail: float) -> float:
    if values[-1] - values[0] < _EQUAL:
        return 1 - (1 - values[0]) * float(tail ** (1 / len(values)))
    share_below = _gaffke(values)
    return root(lambda x: share_below(x) - (1 - tail), values[0], 1.0)


@lru_cache(maxsize=256)
def _gaffke(values: tuple[float, ...]) -> Callable[[float], float]:
    """Returns the distribution of the upper limit: a sum of the values and 1, weighted by uniform spacings.

    The spacings' joint distribution makes its density the B-spline whose knots are the values and 1 (Curry &
    Schoenberg 1966), so no draws are needed.
    """
    from scipy import interpolate  # here, as in `roots.py`

    knots = np.array([*values, 1.0])
    whole = (knots[-1] - knots[0]) / len(values)  # the integral of any B-spline of these ends and order
    integral = interpolate.BSpline.basis_element(knots, extrapolate=False).antiderivative()
    return lambda x: min(float(integral(x)) / whole, 1.0) if knots[0] < x < 1 else float(x >= 1)


def korn_graubard_limits(
    share: float,
    variance: float,
    *,
    episodes: int,
    clusters: int,
    df: float | None = None,
    level: float = 0.95,
) -> tuple[float, float]:
    """Returns the two-sided limits of a success rate from clustered episodes.

    Args:
        share: p, the mean of the clusters' shares.
        variance: v, of p.
        episodes: N.
        clusters: S; the independent runs, which are the trials where v is 0.
        df: Of v where it is not S - 1, as with several strata.
        level: Two-sided coverage.
    """
    df = clusters - 1 if df is None else df
    trials = float(clusters)
    if variance > 0:
        tail = min((1 - level) / 2, 0.4999)  # at the middle both quantiles are 0
        ratio = float(special.stdtrit(max(episodes - 1, 1), tail) / special.stdtrit(df, tail))
        trials = min(float(episodes), share * (1 - share) / variance) * ratio**2
    return binomial_limits(share * trials, trials, level=level)


def binomial_limits(successes: float, trials: float, *, level: float = 0.95) -> tuple[float, float]:
    """Returns Clopper-Pearson limits of a share; fractional counts are allowed (the Beta form extends)."""
    tail = (1 - level) / 2
    low = 0.0 if successes <= 0 else float(special.betaincinv(successes, trials - successes + 1, tail))
    high = 1.0
    if successes < trials:
        high = 1 - float(special.betaincinv(trials - successes, successes + 1, tail))
    return low, high
