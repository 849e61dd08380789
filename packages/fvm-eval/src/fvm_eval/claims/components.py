"""Components of claims: a contrast of arms in one summary, and how it must lie.

    superiority: contrast > margin,     non-inferiority: contrast > -margin,
    no gain: contrast < margin,         equivalence: |contrast| < margin

A direction passes where the interval of level 1 - alpha lies beyond its threshold; equivalence where both
one-sided tests reject at alpha, that is where the interval of level 1 - 2 alpha lies within the margins
(Schuirmann 1987). The opposite holds where the interval of level 1 - alpha lies beyond the threshold on the
wrong side. p values are written so that each of these is p <= alpha. Margins are in the unit of the summary:
for scores, of the normalised range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

import polars as pl

from fvm_eval.claims.preconditions import Precondition, failing
from fvm_eval.statistics.contrasts import contrast, nonzero
from fvm_eval.statistics.estimates import FEW, Estimate, Interval
from fvm_eval.statistics.hypothesis import equivalence, holm, non_inferiority
from fvm_eval.statistics.power import equivalence_seeds_needed, seeds_needed

Kind = Literal["superiority", "non-inferiority", "no gain", "equivalence"]
Doubt = Literal[
    "", "not run", "not learned", "rival", "not estimable", "gaps", "too small", "no interval", "open"
]
_KINDS = ("superiority", "non-inferiority", "no gain", "equivalence")


@dataclass(frozen=True, kw_only=True)
class Component:
    """One part of a claim: a contrast of arms in one summary, and how it must lie.

    Attributes:
        name: For the report, as in "multi-task − Reptile, 1,000 levels".
        summary: Whose cells are compared, as in "Value at budget".
        weights: By arm (`fvm_eval.statistics.contrasts`).
        kind: Superiority claims contrast > margin, non-inferiority contrast > -margin, no gain contrast <
            margin, equivalence |contrast| < margin.
        margin: The smallest difference that matters; of superiority also 0.
        detect: Distance of the truth from the threshold of superiority at which the needed seeds are counted;
            the margin if not given, which a margin of 0 leaves unknown. Equality is counted at a true
            difference of 0.
        preconditions: Names of what must hold before this part's number means anything.
        rival_learned: Names of the preconditions of the arms that it is compared with: to beat an arm that
            did not learn shows nothing.
    """

    name: str
    summary: str
    weights: Mapping[str, float]
    kind: Kind = "superiority"
    margin: float
    detect: float | None = None
    preconditions: Sequence[str] = ()
    rival_learned: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"kind={self.kind!r}: expected {', '.join(_KINDS)}")
        if not (0 < self.margin < float("inf") or (self.kind == "superiority" and self.margin == 0)):
            raise ValueError(f"margin={self.margin}: give the smallest difference that matters, above 0")
        if self.detect is not None and not 0 < self.detect < float("inf"):
            raise ValueError(f"detect={self.detect}: give a distance from the threshold above 0")
        if not all(map(isfinite, self.weights.values())):
            raise ValueError(f"weights={dict(self.weights)}: give finite numbers")
        if not nonzero(self.weights):
            raise ValueError(f"weights={dict(self.weights)}: give some arm a weight other than 0")

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms with a weight, in order."""
        return tuple(nonzero(self.weights))

    @property
    def asked(self) -> list[object]:
        """What the part asks, as plain data: summary, weights, kind, margin, distance to be detected."""
        weights = {arm: f"{self.weights[arm]:.9g}" for arm in sorted(self.arms)}
        return [self.summary, weights, self.kind, f"{self.margin:.9g}", self.detect]

    @property
    def effect(self) -> float | None:
        """Distance from the threshold that matters: `detect`, or the margin where it is above 0."""
        return self.detect or self.margin or None

    @property
    def claimed(self) -> str:
        """How the contrast must lie, as "> +0.10" or "within ±0.05"."""
        if self.kind == "equivalence":
            return f"within ±{self.margin:.2f}"
        if self.kind == "non-inferiority":
            return f"> −{self.margin:.2f}"
        if self.kind == "no gain":
            return f"< +{self.margin:.2f}"
        return f"> +{self.margin:.2f}" if self.margin else "> 0"

    def p_for(self, estimate: Estimate) -> float | None:
        """Returns the p value: the component passes where it is <= alpha; None where the data give none."""
        if self.kind == "equivalence":
            return equivalence(estimate, self.margin)
        if self.kind == "non-inferiority":
            return _two_sided(non_inferiority(estimate, self.margin))
        if self.kind == "no gain":
            return _two_sided(estimate.p_below(self.margin))
        return _two_sided(estimate.p_above(self.margin))

    def p_against(self, estimate: Estimate) -> float | None:
        """Returns the p value of the opposite: that the contrast lies beyond the threshold's wrong side."""
        if self.kind == "equivalence":
            above, below = estimate.p_above(self.margin), estimate.p_below(-self.margin)
            return None if above is None or below is None else _two_sided(min(above, below))
        if self.kind == "no gain":
            return _two_sided(estimate.p_above(self.margin))
        sign = 1 if self.kind == "superiority" else -1
        return _two_sided(estimate.p_below(sign * self.margin))

    def settled(self, bounds: tuple[float, float] | None) -> str:
        """Returns why no data could pass, or none could contradict; empty where both are possible.

        Args:
            bounds: Lowest and highest possible value of the contrast; None where unknown.
        """
        if bounds is None:
            return ""
        low, high = bounds
        threshold = -self.margin if self.kind == "non-inferiority" else self.margin
        within = f"the contrast lies in {low:.2g} to {high:.2g} whatever comes out"
        if self.kind == "superiority" and high <= threshold:
            return f"nothing could pass: {within}"
        if self.kind == "equivalence":
            sure = -self.margin < low and high < self.margin
        else:
            sure = high < threshold if self.kind == "no gain" else low > threshold
        return f"nothing could contradict it: {within}" if sure else ""

    def seeds_needed(self, estimate: Estimate, *, alpha: float = 0.05, target: float = 0.8) -> int | None:
        """Returns the seeds per arm that would show the component with this power at the observed spread.

        The truth is taken to be where the component wants it (`detect` beyond its threshold, 0 for
        equality), or as near to that as the observed interval allows; None where the interval lies on the
        wrong side of the threshold, so that more seeds of the same would not show it.
        """
        interval = estimate.interval(1 - alpha)
        if not any(estimate.spreads) or self.effect is None or interval.low is None or interval.high is None:
            return None
        threshold = -self.margin if self.kind == "non-inferiority" else self.margin
        wanted = threshold + self.effect if self.kind == "superiority" else 0.0
        truth = min(max(wanted, interval.low), interval.high)
        if self.kind == "equivalence":
            needed = equivalence_seeds_needed(
                self.margin, estimate.spreads, difference=truth, target=target, alpha=alpha
            )
        else:
            distance = (threshold - truth) if self.kind == "no gain" else (truth - threshold)
            needed = seeds_needed(max(distance, 0.0), estimate.spreads, target=target, level=1 - alpha)
        if needed is not None and estimate.how in ("Gaffke", "MOVER"):
            return max(needed, FEW)  # with fewer, what rare failures could hide decides, not the spread
        return needed


@dataclass(frozen=True)
class ComponentVerdict:
    """What the data say about one component.

    Attributes:
        component: What was asked.
        estimate: The contrast; None where an arm was not run.
        interval: Of level 1 - alpha.
        p: Of the component (`Component.p_for`).
        p_against: Of its opposite, adjusted over the claim's components by Holm.
        passed, contradicted: The decision; too few checkpoints give neither.
        doubt: What kind of reason, empty where it passed or is contradicted.
        reason: Why neither, in a clause.
        seeds_needed: Seeds per arm that would show the component with power .8; None where unknown.
    """

    component: Component
    estimate: Estimate | None = None
    interval: Interval | None = None
    p: float | None = None
    p_against: float | None = None
    passed: bool = False
    contradicted: bool = False
    doubt: Doubt = ""
    reason: str = ""
    seeds_needed: int | None = None


def assess(
    component: Component,
    cells: Mapping[str, pl.DataFrame],
    *,
    min_checkpoints: int,
    preconditions: Mapping[str, Precondition] | None = None,
    alpha: float = 0.05,
    score_bounds: tuple[float, float] | None = None,
) -> ComponentVerdict:
    """Returns the verdict on one component by itself, from the cells of its summary by arm."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha}: expected a probability between 0 and 1")
    missing = [arm for arm in component.arms if arm not in cells or cells[arm].is_empty()]
    if missing:
        what = f"not run: {', '.join(missing)}" if cells else f"not measured: {component.summary}"
        return ComponentVerdict(component, doubt="not run", reason=what)
    try:
        estimate = contrast(cells, component.weights, score_bounds=score_bounds)
    except ValueError as error:  # as where a run is missing: one claim less, not no report
        return ComponentVerdict(component, doubt="no interval", reason=f"cannot be compared ({error})")
    if not isfinite(estimate.mean):
        return ComponentVerdict(component, doubt="not estimable", reason=estimate.note)
    if settled := component.settled(estimate.bounds):
        verdict = ComponentVerdict(component, estimate, estimate.interval(1 - alpha))
        return replace(verdict, doubt="no interval", reason=settled)
    needed = component.seeds_needed(estimate, alpha=alpha)
    verdict = ComponentVerdict(
        component,
        estimate,
        estimate.interval(1 - alpha),
        component.p_for(estimate),
        component.p_against(estimate),
        seeds_needed=None if needed is None else max(needed, min_checkpoints),
    )
    have = estimate.checkpoints
    if have < min_checkpoints:
        checkpoints = "checkpoint" if have == 1 else "checkpoints"
        reason = (
            f"too small ({have} {checkpoints} a method, at least {min_checkpoints} were required beforehand)"
        )
        return replace(verdict, doubt="too small", reason=reason)
    if estimate.gaps:
        return replace(verdict, doubt="gaps", reason=f"cells are missing (estimated {estimate.gaps})")
    if failed := failing(component.preconditions, preconditions or {}):
        return replace(verdict, doubt="not learned", reason=failed[0].unshown)
    if failed := failing(component.rival_learned, preconditions or {}):
        return replace(verdict, doubt="rival", reason=f"the rival did not learn ({failed[0].unshown})")
    if verdict.p is None or verdict.p_against is None or verdict.interval is None:
        return replace(verdict, doubt="no interval", reason=f"no interval ({estimate.note})")
    if verdict.p <= alpha:
        return replace(verdict, passed=True)
    if verdict.p_against <= alpha:
        return replace(verdict, contradicted=True)
    reason = "the interval contains the threshold"
    half = verdict.interval.half_width
    if component.effect is not None and half is not None and half > component.effect:
        what = "margin" if component.effect == component.margin else "difference to detect"
        reason = f"too small (the interval is wider than the {what} on either side)"
    return replace(verdict, doubt="open", reason=reason)


def adjusted(parts: Sequence[ComponentVerdict], alpha: float) -> list[ComponentVerdict]:
    """Returns a claim's verdicts, the p values of the opposites adjusted over the parts that were tested."""
    found = list(parts)
    tested = [
        (i, part.p_against)
        for i, part in enumerate(parts)
        if part.p_against is not None and part.doubt in ("", "open")
    ]
    for (i, _), p in zip(tested, holm([p for _, p in tested]), strict=True):
        found[i] = replace(found[i], p_against=p)
        if found[i].contradicted and p > alpha:
            reason = "beyond the threshold, but not after Holm's correction for the number of parts"
            found[i] = replace(found[i], contradicted=False, doubt="open", reason=reason)
    return found


def _two_sided(p: float | None) -> float | None:
    return None if p is None else min(1.0, 2 * p)
