"""An estimate of a mean or contrast from checkpoints, its interval, and its one-sided p values.

An estimate is a sum of independent terms. A term is an arm, or several arms that start from the same
checkpoints; its variance is a sum of parts with their degrees of freedom (`fvm_eval.statistics.variance`).
Where every term has a spread, the interval is Welch's: the variances add, with Satterthwaite degrees of
freedom.

Where all checkpoints of a term agree exactly its t interval would have no width. Scores that only take their
lowest and highest value then get an exact binomial bound (Clopper & Pearson 1934) with the checkpoint as
the trial, which is conservative; a sum with such a term combines its terms' limits (Zou & Donner 2008),

    low = mean - sqrt(sum_g (mean_g - low_g)^2),   high = mean + sqrt(sum_g (high_g - mean_g)^2).

Other scores get no interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import optimize, stats

from fvm_eval.statistics.variance import Arm, satterthwaite

_SMALLEST_P = 1e-12


@dataclass(frozen=True)
class Interval:
    """A mean or difference with its interval.

    Attributes:
        mean: The estimate.
        low, high: Limits; None where none can be had, `note` says why.
        how: Which formula gave the limits.
        checkpoints: Fewest checkpoints behind any of its tasks (the smaller arm's, for a difference).
        sd: Spread of a checkpoint's mean, `sqrt(var * checkpoints)`, root mean square over arms with
            checkpoints of their own; None if unknown.
        df: Degrees of freedom, None without a t interval.
        note: What a reader must know.
    """

    mean: float
    low: float | None
    high: float | None
    how: str
    checkpoints: int
    sd: float | None = None
    df: float | None = None
    note: str = ""

    @property
    def half_width(self) -> float | None:
        """Half the distance of the limits, None without them."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Term:
    """An independent part of an estimate: one arm, or arms that start from the same checkpoints.

    Attributes:
        arm: Their weighted sum.
        arms: How many.
        extremes: Lowest and highest possible value, where every checkpoint scored one of them throughout.
    """

    arm: Arm
    arms: int = 1
    extremes: tuple[float, float] | None = None

    @property
    def spread(self) -> float:
        """Standard deviation of a checkpoint's mean."""
        return math.sqrt(self.arm.variance * self.arm.checkpoints)

    def limits(self, level: float) -> tuple[float, float] | None:
        """Returns the two-sided limits, None where the checkpoints agree and nothing bounds them."""
        mean = self.arm.mean
        if self.arm.variance > 0:
            half = float(stats.t.ppf((1 + level) / 2, satterthwaite(self.arm.parts)))
            half *= math.sqrt(self.arm.variance)
            return mean - half, mean + half
        if self.extremes is None:
            return None
        lowest, highest = self.extremes
        trials = self.arm.checkpoints
        share = (mean - lowest) / (highest - lowest)
        low, high = binomial_limits(share * trials, trials, level=level)
        return lowest + (highest - lowest) * low, lowest + (highest - lowest) * high


@dataclass(frozen=True)
class Estimate:
    """A sum of independent terms: the number, and how sure it is."""

    terms: tuple[Term, ...]

    @property
    def mean(self) -> float:
        """The estimate."""
        return math.fsum(term.arm.mean for term in self.terms)

    @property
    def checkpoints(self) -> int:
        """Fewest checkpoints behind any task of any arm."""
        return min(term.arm.checkpoints for term in self.terms)

    @property
    def spreads(self) -> tuple[float, ...]:
        """Standard deviation of a checkpoint's mean, by term; empty where some term has one checkpoint."""
        return () if self._problem else tuple(term.spread for term in self.terms)

    @property
    def se(self) -> float | None:
        """Standard error; None where some term has one checkpoint."""
        return None if self._problem else math.sqrt(sum(term.arm.variance for term in self.terms))

    @property
    def df(self) -> float | None:
        """Degrees of freedom; None without a t interval."""
        if self.how not in ("cluster-t", "paired cluster-t", "Welch"):
            return None
        return satterthwaite(tuple(part for term in self.terms for part in term.arm.parts))

    @property
    def how(self) -> str:
        """Which formula gives the interval."""
        if self._problem:
            return "none"
        agreeing = [term for term in self.terms if not term.arm.variance > 0]
        if not agreeing:
            alone = "cluster-t" if self.terms[0].arms == 1 else "paired cluster-t"
            return alone if len(self.terms) == 1 else "Welch"
        if any(term.extremes is None for term in agreeing):
            return "none"
        return "binomial" if len(self.terms) == 1 else "combined limits"

    @property
    def note(self) -> str:
        """What a reader must know; empty where the interval is a t interval."""
        if self._problem:
            return self._problem
        for term in self.terms:
            if not term.arm.variance > 0:
                exact = "exact binomial limits, a checkpoint counts as one trial"
                why = "their spread says nothing" if term.extremes is None else exact
                return f"all checkpoints agree exactly: {why}"
        return ""

    def interval(self, level: float = 0.95) -> Interval:
        """Returns the two-sided interval of this coverage."""
        limits, spreads = self._limits(level), self.spreads
        low, high = (None, None) if limits is None else limits
        sd = math.sqrt(sum(s**2 for s in spreads) / len(spreads)) if spreads else None
        return Interval(self.mean, low, high, self.how, self.checkpoints, sd, self.df, self.note)

    def p_above(self, threshold: float) -> float | None:
        """Returns the p value of "the truth lies above the threshold"; None where none can be had.

        One-sided: the p at which the lower limit of the interval of level 1 - 2 p meets the threshold.
        """
        return self._p(threshold, above=True)

    def p_below(self, threshold: float) -> float | None:
        """Returns the p value of "the truth lies below the threshold", as `p_above`."""
        return self._p(threshold, above=False)

    def p_different(self, value: float = 0.0) -> float | None:
        """Returns the two-sided p value of "the truth is not this value"; None where none can be had."""
        above, below = self.p_above(value), self.p_below(value)
        return None if above is None or below is None else min(1.0, 2 * min(above, below))

    def _p(self, threshold: float, *, above: bool) -> float | None:
        sign = 1.0 if above else -1.0
        df, se = self.df, self.se
        if df is not None and se is not None:
            return float(stats.t.sf(sign * (self.mean - threshold) / se, df))
        if self.how == "none":
            return None
        if sign * (self.mean - threshold) <= 0:
            opposite = 0.5 if self.mean == threshold else self._p(threshold, above=not above)
            return None if opposite is None else 1 - opposite

        def distance(p: float) -> float:
            limits = self._limits(1 - 2 * p)
            assert limits is not None, "there is an interval at every level or at none"
            return sign * (limits[0 if above else 1] - threshold)

        if distance(_SMALLEST_P) >= 0:
            return 0.0
        return 0.5 if distance(0.5) <= 0 else float(optimize.brentq(distance, _SMALLEST_P, 0.5))

    @property
    def _problem(self) -> str:
        return next((term.arm.problem for term in self.terms if term.arm.problem), "")

    def _limits(self, level: float) -> tuple[float, float] | None:
        df, se, mean = self.df, self.se, self.mean
        if df is not None and se is not None:
            half = float(stats.t.ppf((1 + level) / 2, df)) * se
            return mean - half, mean + half
        if self.how == "none":
            return None
        below, above = 0.0, 0.0
        for term in self.terms:
            limits = term.limits(level)
            assert limits is not None, "a term without limits makes the estimate one without"
            below, above = (
                math.hypot(below, term.arm.mean - limits[0]),
                math.hypot(above, limits[1] - term.arm.mean),
            )
        return mean - below, mean + above


def binomial_limits(successes: float, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Returns Clopper-Pearson limits of a share; fractional successes are allowed (the Beta form extends)."""
    tail = (1 - level) / 2
    low = 0.0 if successes <= 0 else float(stats.beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes >= trials else float(stats.beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high
