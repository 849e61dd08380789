"""An estimate of a mean or contrast from checkpoints, its interval, and its one-sided p values.

An estimate is a sum of independent terms. A term is an arm, or several arms that start from the same
checkpoints; its variance is a sum of parts with their degrees of freedom (`fvm_eval.statistics.variance`).
What decides a term's limits:

* success rates, scores that are shares of episodes won: Korn and Graubard's (`fvm_eval.statistics.bounded`);
* an arm whose scores have a known range, with fewer than 20 checkpoints or without any spread: Gaffke's;
* anything else with a spread: Student's t. Arms that share their checkpoints are differences, which are far
  less skewed than scores, so t is theirs unless they have no spread;
* neither spread nor range: no limits, since what was not seen may be as far off as it likes. What can be
  said is exact: how many others may score something else (binomial), and of two arms how likely chance alone
  parts their checkpoints so (`Estimate.p_exchanged`).

Where every term has t limits, so has the sum, by Welch and Satterthwaite. Otherwise the terms' limits are
combined (MOVER, Zou & Donner 2008):

    low = mean - sqrt(sum_g (mean_g - low_g)^2),   high = mean + sqrt(sum_g (high_g - mean_g)^2)

Where t does not decide, its limits stand beside those that do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import special

from fvm_eval.statistics.bounded import binomial_limits, gaffke_limits, korn_graubard_limits
from fvm_eval.statistics.feasible import doubts
from fvm_eval.statistics.permutation import permutation
from fvm_eval.statistics.roots import root
from fvm_eval.statistics.variance import Arm, satterthwaite

FEW = 20  # checkpoints below which rare failures decide what an interval is worth
_SMALLEST_P = 1e-12
_T = ("cluster-t", "paired cluster-t", "Welch")


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
        beside: Limits and name of the t interval where another one decides; None where it does not exist.
    """

    mean: float
    low: float | None
    high: float | None
    how: str
    checkpoints: int
    sd: float | None = None
    df: float | None = None
    note: str = ""
    beside: tuple[float, float, str] | None = None

    @property
    def half_width(self) -> float | None:
        """Half the distance of the limits, None without them."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    def widened_to(self, low: float, high: float) -> Interval:
        """Returns the interval, its limits moved out to these where they lie further in."""
        if self.low is None or self.high is None:
            return self
        return replace(self, low=min(self.low, low), high=max(self.high, high))

    def within(self, bounds: tuple[float, float] | None) -> Interval:
        """Returns the interval, its limits cut to what is possible: what lies beyond cannot be the truth."""
        if bounds is None:
            return self
        lowest, highest = bounds

        def cut(low: float, high: float) -> tuple[float, float]:
            return min(max(low, lowest), highest), max(min(high, highest), lowest)

        beside = None if self.beside is None else (*cut(*self.beside[:2]), self.beside[2])
        if self.low is None or self.high is None:
            return replace(self, beside=beside)
        low, high = cut(self.low, self.high)
        return replace(self, low=low, high=high, beside=beside)


@dataclass(frozen=True)
class Term:
    """An independent part of an estimate: one arm, or arms that start from the same checkpoints.

    Attributes:
        arm: Their weighted sum.
        arms: How many.
        bounds: Lowest and highest possible value; None where unknown.
        episodes: How many episodes the values are success rates of; None where they are not.
        weight: By which a single arm's values were multiplied.
    """

    arm: Arm
    arms: int = 1
    bounds: tuple[float, float] | None = None
    episodes: int | None = None
    weight: float = 1.0

    @property
    def spread(self) -> float:
        """Standard deviation of a checkpoint's mean."""
        return math.sqrt(self.arm.variance * self.arm.checkpoints)

    @property
    def how(self) -> str:
        """Which formula gives the limits."""
        if self.arm.problem:
            return "none"
        few = sum(map(len, self.arm.units)) < FEW or (not self._equal_units and self.arm.checkpoints < FEW)
        if self.bounds is not None and self.arms == 1 and self.episodes is not None:
            return "Korn-Graubard"
        if self.bounds is not None and (not self.arm.variance > 0 or (few and self.arms == 1)):
            return "Gaffke"
        if self.arm.variance > 0:
            return "cluster-t" if self.arms == 1 else "paired cluster-t"
        return "none"

    def limits(self, level: float) -> tuple[float, float] | None:
        """Returns the two-sided limits; None where there are none."""
        how, mean = self.how, self.arm.mean
        if how == "none":
            return None
        if self.bounds is None or how.endswith("cluster-t"):
            half = -float(special.stdtrit(satterthwaite(self.arm.parts), (1 - level) / 2))
            half *= math.sqrt(self.arm.variance)
            return mean - half, mean + half
        lowest, span = self.bounds[0], self.bounds[1] - self.bounds[0]
        if how == "Korn-Graubard":
            assert self.episodes is not None
            low, high = korn_graubard_limits(
                min(max((mean - lowest) / span, 0.0), 1.0),
                self.arm.variance / span**2,
                episodes=self.episodes,
                clusters=sum(map(len, self.arm.units)),
                df=float(sum(df for _, df in self.arm.parts)),
                level=level,
            )
            return lowest + span * low, lowest + span * high
        groups = [[(unit - lowest) / span for unit in units] for units in self.arm.units]
        if self._equal_units:  # runs of several strata, pooled: conservative (Hoeffding 1956)
            groups = [[unit for group in groups for unit in group]]
        weights = [1.0] if self._equal_units else self.arm.shares
        below = above = 0.0
        for weight, group in zip(weights, groups, strict=True):
            low, high = gaffke_limits(group, level=level)
            middle = math.fsum(group) / len(group)
            below, above = (
                math.hypot(below, weight * (middle - low)),
                math.hypot(above, weight * (high - middle)),
            )
        return mean - span * below, mean + span * above

    @property
    def _equal_units(self) -> bool:
        """Whether all checkpoints weigh the same, so that strata may be pooled."""
        weights = [s / len(u) for s, u in zip(self.arm.shares, self.arm.units, strict=True)]
        return not weights or max(weights) - min(weights) <= 1e-9 * max(weights)


@dataclass(frozen=True)
class Estimate:
    """A sum of independent terms: the number, and how sure it is."""

    terms: tuple[Term, ...]

    @property
    def mean(self) -> float:
        """The estimate; NaN where it is not estimable."""
        return math.fsum(term.arm.mean for term in self.terms)

    @property
    def checkpoints(self) -> int:
        """Fewest checkpoints behind any task of any arm."""
        return min(term.arm.checkpoints for term in self.terms)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Lowest and highest possible value; None where unknown."""
        ends = [term.bounds for term in self.terms if term.bounds is not None]
        if len(ends) < len(self.terms):
            return None
        return math.fsum(low for low, _ in ends), math.fsum(high for _, high in ends)

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
        """Degrees of freedom; None where the interval that decides is no t interval."""
        return self._t_df if self.how in _T else None

    @cached_property
    def how(self) -> str:
        """Which formula gives the interval."""
        found = {term.how for term in self.terms}
        if "none" in found:
            return "none"
        if len(self.terms) == 1:
            return found.pop()
        return "Welch" if found <= set(_T) else "MOVER"

    @property
    def note(self) -> str:
        """What a reader must know, in clauses."""
        if self._problem:
            return self._problem
        clauses = [term.arm.gaps for term in self.terms if term.arm.gaps]
        if self.how == "none":
            clauses += self._unbounded
        elif any(not term.arm.variance > 0 for term in self.terms):
            clauses.append("all checkpoints agree exactly: limits from the scores' range alone")
        sizes = [sum(map(len, term.arm.units)) or term.arm.checkpoints for term in self.terms]
        if self.how in _T and min(sizes) < FEW:
            single = self.how == "cluster-t" and all(term.bounds is None for term in self.terms)
            clauses.append(doubts(min(sizes), most=max(sizes), one_arm=single))
        return "; ".join(dict.fromkeys(clauses))

    @property
    def _unbounded(self) -> list[str]:
        """Why there are no limits, and what is known all the same."""
        floor = [term for term in self.terms if term.how == "none"]
        agreeing = min(sum(map(len, term.arm.units)) for term in floor)
        others = binomial_limits(0, agreeing)[1]
        clauses = [
            "all checkpoints agree exactly and no range of scores is known: of further ones a share of up "
            f"to {others:.2f} may differ (exact, of {agreeing}), by any amount"
        ]
        if self.p_exchanged is not None:
            clauses.append(f"equal arms would part so with p = {self.p_exchanged:.2g} (exact permutation)")
        return clauses

    @cached_property
    def p_exchanged(self) -> float | None:
        """The two-sided p value of "both arms draw from one distribution", by exchanging their checkpoints.

        Of two arms with checkpoints of their own, all on the same tasks, where the spread allows no other
        test; None elsewhere. It gives no interval, since the arms are not spread alike.
        """
        alone = [term for term in self.terms if term.arms == 1 and len(term.arm.units) == 1]
        if self.how != "none" or self._problem or len(self.terms) != 2 or len(alone) != 2:
            return None
        left, right = ([unit / term.weight for unit in term.arm.units[0]] for term in alone)
        if alone[0].weight != -alone[1].weight or min(len(left), len(right)) < 2:
            return None
        return permutation(left, right, np.random.default_rng(0))

    @property
    def gaps(self) -> str:
        """What was left out of the estimate because some checkpoint lacks it; empty if nothing."""
        return next((term.arm.gaps for term in self.terms if term.arm.gaps), "")

    def interval(self, level: float = 0.95) -> Interval:
        """Returns the two-sided interval of this coverage, no limit beyond what is possible."""
        limits, spreads = self._limits(level), self.spreads
        low, high = (None, None) if limits is None else limits
        sd = math.sqrt(sum(s**2 for s in spreads) / len(spreads)) if spreads else None
        beside = None
        if self.how not in _T and self._t_df is not None:
            beside = (*self._t_limits(level), "t")
        found = Interval(self.mean, low, high, self.how, self.checkpoints, sd, self.df, self.note, beside)
        return found.within(self.bounds)

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
            return float(special.stdtr(df, -sign * (self.mean - threshold) / se))
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
        return 0.5 if distance(0.5) <= 0 else root(distance, _SMALLEST_P, 0.5, rtol=1e-7)

    @property
    def _problem(self) -> str:
        return next((term.arm.problem for term in self.terms if term.arm.problem), "")

    @property
    def _t_df(self) -> float | None:
        """Degrees of freedom of the t interval; None where some term has no spread."""
        if self._problem or not all(term.arm.variance > 0 for term in self.terms):
            return None
        return satterthwaite(tuple(part for term in self.terms for part in term.arm.parts))

    def _t_limits(self, level: float) -> tuple[float, float]:
        df, se = self._t_df, self.se
        assert df is not None, "asked only where there is a t interval"
        assert se is not None, "degrees of freedom come with a standard error"
        half = -float(special.stdtrit(df, (1 - level) / 2)) * se
        return self.mean - half, self.mean + half

    def _limits(self, level: float) -> tuple[float, float] | None:
        if self.how in _T:
            return self._t_limits(level)
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
        return self.mean - below, self.mean + above
