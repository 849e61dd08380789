"""How many seeds would decide: power from an observed or assumed spread of checkpoint means.

n seeds a method, independent methods (or groups of arms that share their checkpoints) with spreads s_g:

    se^2 = sum_g s_g^2 / n,   df = (n - 1) (sum_g s_g^2)^2 / sum_g s_g^4   (Welch-Satterthwaite)

A method whose every run is a checkpoint of its own has more degrees of freedom: its power is a little higher.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

_MAX_SEEDS = 100_000
_QUANTILES = (np.arange(2000) + 0.5) / 2000


def power(difference: float, spreads: Sequence[float], seeds: int, *, level: float = 0.95) -> float:
    """Returns the chance that a two-sided test detects a true difference; noncentral t.

    Args:
        difference: Distance of the truth from the threshold that is tested: of superiority, 0 or the margin;
            of non-inferiority of equals, the margin.
        spreads: Standard deviation of a checkpoint's mean, one for each method with checkpoints of its own.
        seeds: Per method.
        level: Of the interval that must lie beyond the threshold.
    """
    if seeds < 2:
        return 0.0
    if difference == 0:
        return 1 - level
    se, df = _precision(spreads, seeds)
    if se == 0:
        return 1.0
    delta = abs(difference) / se
    critical = float(special.stdtrit(df, (1 + level) / 2))
    if delta > critical + 10:  # far beyond, where the noncentral t is slow and 1 to every digit
        return 1.0
    return float(1 - special.nctdtr(df, delta, critical) + special.nctdtr(df, delta, -critical))


def equivalence_power(
    margin: float,
    spreads: Sequence[float],
    seeds: int,
    *,
    difference: float = 0.0,
    alpha: float = 0.05,
) -> float:
    """Returns the chance that two one-sided tests show a true difference to lie within the margin.

    Given the estimated standard error q se, q^2 ~ chi^2_df / df, the tests succeed where the estimated
    difference is within r = margin - t(1 - alpha, df) q se, so, for a true difference d, the mean over q of
    Phi((r - d) / se) - Phi((-r - d) / se).

    Args:
        margin: Half the width of what counts as equal.
        spreads: As in `power`.
        seeds: Per method.
        difference: The truth.
        alpha: Of each of the two tests; the interval of level 1 - 2 alpha must lie within the margin.
    """
    if seeds < 2:
        return 0.0
    se, df = _precision(spreads, seeds)
    if se == 0:
        return float(abs(difference) < margin)
    q = np.sqrt(2 * special.gammaincinv(df / 2, _QUANTILES) / df)
    room = margin / se - float(special.stdtrit(df, 1 - alpha)) * q
    room, away = np.maximum(room, 0), difference / se
    return float(np.mean(special.ndtr(room - away) - special.ndtr(-room - away)))


def seeds_needed(
    difference: float, spreads: Sequence[float], *, target: float = 0.8, level: float = 0.95
) -> int | None:
    """Returns the fewest seeds per method that detect it with power `target`; None beyond 100,000."""
    if difference == 0:
        return None
    return _fewest(lambda seeds: power(difference, spreads, seeds, level=level), target)


def equivalence_seeds_needed(
    margin: float,
    spreads: Sequence[float],
    *,
    difference: float = 0.0,
    target: float = 0.8,
    alpha: float = 0.05,
) -> int | None:
    """Returns the fewest seeds per method that show equality with power `target`.

    None beyond 100,000, and where the true difference is not within the margin.
    """
    if abs(difference) >= margin:
        return None
    return _fewest(
        lambda seeds: equivalence_power(margin, spreads, seeds, difference=difference, alpha=alpha), target
    )


def _precision(spreads: Sequence[float], seeds: int) -> tuple[float, float]:
    """Returns standard error and degrees of freedom."""
    variance = sum(spread**2 for spread in spreads)
    if variance == 0:
        return 0.0, seeds - 1.0
    return math.sqrt(variance / seeds), (seeds - 1) * variance**2 / sum(spread**4 for spread in spreads)


def _fewest(power_of: Callable[[int], float], target: float) -> int | None:
    enough = 2
    while power_of(enough) < target:
        enough *= 2
        if enough > _MAX_SEEDS:
            return None
    too_few = max(enough // 2, 1)
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if power_of(middle) < target:
            too_few = middle
        else:
            enough = middle
    return enough
