"""Claims of a study, decided at their own margin and at a second, smaller one; what pretraining cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from fvm_eval.analysis.study_results import LOG_SECONDS, MULTITASK, StudyResults
from fvm_eval.analysis.summaries import Summary
from fvm_eval.claims import Claim, ClaimVerdict, decide
from fvm_eval.claims.comparisons import Comparison, Verdict
from fvm_eval.claims.components import Component, ComponentVerdict
from fvm_eval.fairness import Check, check_size
from fvm_eval.statistics.intervals import Interval, difference_interval, mean_interval

MARGIN, SECOND_MARGIN = 0.10, 0.05


@dataclass(frozen=True)
class Decided:
    """A claim's verdict.

    Attributes:
        verdict: At the margins fixed beforehand.
        second: At a margin of .05 where it was .10; None for a claim without such a part.
    """

    verdict: ClaimVerdict
    second: ClaimVerdict | None = None

    @property
    def deciding(self) -> ComponentVerdict:
        """The part that the verdict hangs on: what contradicts it, what is open, or the weakest."""
        parts = self.verdict.components
        wrong = [part for part in parts if part.contradicted]
        if wrong:
            return min(wrong, key=lambda part: part.p_against or 0.0)
        still = [part for part in parts if not part.passed]
        if still:
            return still[0]
        return max(parts, key=lambda part: part.p or 0.0)


@dataclass(frozen=True)
class DeviceSeconds:
    """What one pretraining of a method took: geometric mean, and ratio to multi-task of the same size."""

    seconds: float
    ratio: Interval | None


def decide_claims(
    study: StudyResults, summaries: Sequence[Summary], bounds: tuple[float, float] | None
) -> tuple[Decided, ...]:
    """Returns the verdicts on the study's claims."""
    cells: dict[str, Mapping[str, pl.DataFrame]] = {s.name: s.cells for s in summaries}
    score_bounds = {} if bounds is None else {summary.name: bounds for summary in summaries}
    cells |= {name: by_arm(table) for name, table in study.cells.items()}
    preconditions = {item.name: item for item in study.preconditions}

    def verdict(claim: Claim) -> ClaimVerdict:
        return decide(claim, cells, preconditions, score_bounds=score_bounds)

    return tuple(
        Decided(verdict(claim), None if smaller is None else verdict(smaller))
        for claim, smaller in ((claim, at_second_margin(claim)) for claim in study.claims)
    )


def at_second_margin(claim: Claim) -> Claim | None:
    """Returns the claim with a margin of .05 where it was .10; None if that changes no part."""

    def smaller(part: Component) -> Component:
        of_scores = part.summary != LOG_SECONDS
        return replace(part, margin=SECOND_MARGIN) if of_scores and part.margin == MARGIN else part

    parts = [smaller(part) for part in claim.components]
    if parts == list(claim.components):
        return None
    return replace(claim, components=parts, assay=None if claim.assay is None else smaller(claim.assay))


def by_arm(table: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Returns a table of cells by arm, in order."""
    ordered = table.sort("method", "fold", "seed", "checkpoint", "task")
    return {str(name): arm for (name,), arm in ordered.group_by("method", maintain_order=True)}


def device_seconds(study: StudyResults) -> dict[str, DeviceSeconds]:
    """Returns what one pretraining took, by arm; empty where no device seconds were given."""
    if LOG_SECONDS not in study.cells:
        return {}
    arms = by_arm(study.cells[LOG_SECONDS])
    found = {}
    for arm, cells in arms.items():
        same = [
            other
            for other in arms
            if study.family(other) == MULTITASK and study.train_sizes.get(other) == study.train_sizes.get(arm)
        ]
        ratio = None
        if same and same[0] != arm and set(cells["task"]) == set(arms[same[0]]["task"]):
            logs = difference_interval(cells, arms[same[0]])
            low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
            ratio = Interval(math.exp(logs.mean), low, high, logs.how, logs.checkpoints, note=logs.note)
        found[arm] = DeviceSeconds(math.exp(mean_interval(cells).mean), ratio)
    return found


def check_decisions(study: StudyResults, verdicts: Sequence[Verdict], claims: Sequence[Decided]) -> Check:
    """Rule 10: what is too small says so; no claim or comparison was decided from too few checkpoints."""
    comparisons: Sequence[Comparison] = study.comparisons
    if not claims:
        return check_size(comparisons, verdicts)
    if comparisons:
        given = check_size(comparisons, verdicts)
        if given.status == "failed":
            return given
    small = 0
    for decided in claims:
        claim, parts = decided.verdict.claim, decided.verdict.components
        tiny = [p for p in parts if p.estimate and p.estimate.checkpoints < claim.min_checkpoints]
        small += bool(tiny)
        hasty = any(part.passed or part.contradicted for part in tiny)
        if hasty or (tiny and decided.verdict.label == "supported"):
            return Check(10, "failed", f"{claim.id} was decided from too few checkpoints")
    found = [decided.verdict.label for decided in claims]
    labels = ("supported", "contradicted", "undecided")
    counts = ", ".join(f"{found.count(label)} {label}" for label in labels if label in found)
    return Check(10, "passed", f"claims: {counts}; {small} of {len(claims)} with too few checkpoints")
