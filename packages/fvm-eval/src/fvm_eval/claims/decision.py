"""The one function that decides: from a claim and cells to a verdict.

A claim is a conjunction of components (`fvm_eval.claims.components`). It is

* supported where every component passes at alpha (intersection-union, so without correction); "in part" where
  every component that was run passes, but not all were run;
* contradicted where some component's interval, adjusted over the components by Holm, lies beyond its
  threshold on the wrong side. One is enough, whether or not the others were run;
* otherwise undecided, with the reason and the number of seeds that would decide. Too few checkpoints never
  decide, whatever the numbers look like, and neither does a study whose preconditions (the pretraining
  learned, the rival's too) do not hold, or a table with holes or with values that are no numbers. Equality is
  never supported without assay sensitivity: in the same study a difference that must be there, typically
  pretraining's over scratch, was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from fvm_eval.claims.claim import Claim, Label, Unit
from fvm_eval.claims.components import Component, ComponentVerdict, adjusted, assess
from fvm_eval.claims.preconditions import Precondition, failing
from fvm_eval.statistics.estimates import Interval

_OPEN = ("not estimable", "gaps", "not learned", "rival", "no interval", "open")


@dataclass(frozen=True)
class ClaimVerdict:
    """What the data say about a claim.

    Attributes:
        claim: What was asked.
        label: The decision.
        reason: Why, in a clause; the part after "undecided: ".
        components: The verdict on each part, in order.
        assay: That on the claim's assay, if it has one.
        seeds_needed: Seeds per arm that would show each part that is open, the assay if it alone is, by
            itself with power .8; None where unknown or not needed.
        alpha: At which it was decided.
        units: By summary, what its numbers are shares of.
    """

    claim: Claim
    label: Label
    reason: str
    components: tuple[ComponentVerdict, ...]
    assay: ComponentVerdict | None = None
    seeds_needed: int | None = None
    alpha: float = 0.05
    units: Mapping[str, Unit] | None = None

    def __str__(self) -> str:
        return self.words

    @property
    def words(self) -> str:
        """The verdict in words, with the reason where it is not a plain yes or no."""
        return self.label if self.label in ("supported", "contradicted") else f"{self.label}: {self.reason}"

    @property
    def sentence(self) -> str:
        """The claim's sentence with the scope that was run."""
        in_part = self.claim.scope_in_part if self.label == "supported in part" else ""
        return self.claim.sentence(in_part or None)

    @property
    def deciding(self) -> ComponentVerdict:
        """The part that the verdict hangs on: what contradicts it, what is open, or the weakest."""
        wrong = [part for part in self.components if part.contradicted]
        if wrong:
            return min(wrong, key=lambda part: part.p_against or 0.0)
        still = [part for part in self.components if not part.passed and part.doubt != "not run"]
        passed = [part for part in self.components if part.passed]
        if still:
            return still[0]
        return max(passed, key=lambda part: part.p or 0.0) if passed else self.components[0]

    @property
    def interval(self) -> Interval:
        """The deciding part's."""
        part = self.deciding
        if part.interval is not None:
            return part.interval
        checkpoints = 0 if part.estimate is None else part.estimate.checkpoints
        return Interval(float("nan"), None, None, "none", checkpoints, note=part.reason)

    @property
    def measured(self) -> str:
        """The deciding part's number with its unit; empty where nothing was measured."""
        part = self.deciding
        if part.estimate is None:
            return ""
        unit = (self.units or {}).get(part.component.summary)
        plain = f"{part.estimate.mean:+.2f}".replace("-", "−")
        return plain if unit is None else unit.spoken(part.estimate.mean)


def decide(
    claim: Claim,
    cells: Mapping[str, Mapping[str, pl.DataFrame]],
    preconditions: Mapping[str, Precondition],
    *,
    alpha: float = 0.05,
    score_bounds: Mapping[str, tuple[float, float]] | None = None,
    units: Mapping[str, Unit] | None = None,
) -> ClaimVerdict:
    """Returns the verdict on a claim.

    Args:
        claim: Fixed beforehand; for another margin, decide `replace`d components.
        cells: By summary and arm, columns fold, checkpoint, task, value. What is missing was not run.
        preconditions: By name; one that the claim names and this lacks does not hold.
        alpha: At most the chance of supporting a claim that is false, and of contradicting one that is true;
            of a look among several, its own (`fvm_eval.claims.looks`).
        score_bounds: By summary, lowest and highest possible value (`fvm_eval.statistics.contrast`).
        units: By summary, what its numbers are shares of.
    """
    bounds = score_bounds or {}

    def parts(components: Sequence[Component]) -> list[ComponentVerdict]:
        return [
            assess(
                component,
                cells.get(component.summary, {}),
                min_checkpoints=claim.min_checkpoints,
                preconditions=preconditions,
                alpha=alpha,
                score_bounds=bounds.get(component.summary),
            )
            for component in components
        ]

    assay = None if claim.assay is None else parts([claim.assay])[0]
    found = tuple(adjusted(parts(claim.components), alpha))
    failed = failing(claim.preconditions, preconditions)
    label, reason = _conclusion(claim, found, assay, failed)
    needed = None
    if label == "undecided" and not failed:
        run = [part for part in found if part.doubt != "not run"]
        open_parts = [part for part in run if not part.passed] or [part for part in (assay,) if part and run]
        every = [part.seeds_needed for part in open_parts]
        known = [seeds for seeds in every if seeds is not None]
        needed = max(known) if known and len(known) == len(every) else None
    return ClaimVerdict(claim, label, reason, found, assay, needed, alpha, units)


def _conclusion(
    claim: Claim,
    found: Sequence[ComponentVerdict],
    assay: ComponentVerdict | None,
    failed: Sequence[Precondition],
) -> tuple[Label, str]:
    """Returns label and reason; what comes first is what a reader must know first."""
    wrong = [part.component.name for part in found if part.contradicted]
    if wrong and not failed:
        return "contradicted", f"beyond the threshold on the wrong side: {', '.join(wrong)}"
    absent = "; ".join(dict.fromkeys(part.reason for part in found if part.doubt == "not run"))
    run = [part for part in found if part.doubt != "not run"]
    if not run:
        return "undecided", absent
    small = [part.reason for part in run if part.doubt == "too small"]
    if small:
        return "undecided", small[0]
    if failed:
        return "undecided", failed[0].unshown
    still = [part for part in run if part.doubt in _OPEN]
    if still:
        first = still[0]
        several = f"{len(still)} of {len(run)} parts not shown, as {first.component.name}: "
        return "undecided", several * (len(run) > 1) + first.reason
    if claim.of_equality and not (assay is not None and assay.passed):
        why = "none was fixed beforehand" if assay is None else f"{assay.component.name}: "
        if assay is not None:
            why += assay.reason or f"not {assay.component.claimed}"
        return "undecided", f"no assay sensitivity ({why})"
    if absent:
        return "supported in part", f"{len(run)} of {len(found)} parts were run and pass; {absent}"
    return "supported", "every part passes"
