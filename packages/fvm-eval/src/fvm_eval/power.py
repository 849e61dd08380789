"""How many seeds would decide: power of Welch's two-sample t test from an observed spread."""

from __future__ import annotations

import math

from scipy import stats

_MAX_SEEDS = 100_000


def power(difference: float, sd_left: float, sd_right: float, seeds: int, *, level: float = 0.95) -> float:
    """Returns the chance that a two-sided test detects a true difference with `seeds` per method.

    Noncentral t with Welch-Satterthwaite degrees of freedom, n seeds a side:
    delta = difference / sqrt((s_l^2 + s_r^2) / n), df = (n - 1) (s_l^2 + s_r^2)^2 / (s_l^4 + s_r^4).
    """
    variance = sd_left**2 + sd_right**2
    if seeds < 2:
        return 0.0
    if difference == 0:
        return 1 - level
    if variance == 0:
        return 1.0
    delta = abs(difference) / math.sqrt(variance / seeds)
    df = (seeds - 1) * variance**2 / (sd_left**4 + sd_right**4)
    critical = float(stats.t.ppf((1 + level) / 2, df))
    if delta > critical + 10:  # far beyond, where the noncentral t is slow and 1 to every digit
        return 1.0
    return float(stats.nct.sf(critical, df, delta) + stats.nct.cdf(-critical, df, delta))


def seeds_needed(
    difference: float, sd_left: float, sd_right: float, *, target: float = 0.8, level: float = 0.95
) -> int | None:
    """Returns the fewest seeds per method that detect it with power `target`; None beyond 100,000."""
    if difference == 0:
        return None
    enough = 2
    while power(difference, sd_left, sd_right, enough, level=level) < target:
        enough *= 2
        if enough > _MAX_SEEDS:
            return None
    too_few = max(enough // 2, 1)
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if power(difference, sd_left, sd_right, middle, level=level) < target:
            too_few = middle
        else:
            enough = middle
    return enough
