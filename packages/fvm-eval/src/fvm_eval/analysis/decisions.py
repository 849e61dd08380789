"""Claims of a study, decided at their own margin and at a second, smaller one; what pretraining cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from fvm_eval.analysis.study_results import ALPHA, LOG_SECONDS, StudyResults
from fvm_eval.analysis.summaries import Summary
from fvm_eval.claims import Claim, ClaimVerdict, Component, ComponentVerdict, Unit, decide
from fvm_eval.statistics.intervals import Interval, difference_interval, mean_interval

MARGIN, SECOND_MARGIN = 0.10, 0.05


@dataclass(frozen=True)
class Decided:
    """A claim's verdict.

    Attributes:
        verdict: At the margins fixed beforehand.
        second: At a margin of .05 where it was .10; None for a claim without such a part.
        unadjusted: At .05, as if this were the only look; None where it is.
    """

    verdict: ClaimVerdict
    second: ClaimVerdict | None = None
    unadjusted: ClaimVerdict | None = None

    @property
    def deciding(self) -> ComponentVerdict:
        """The part that the verdict hangs on: what contradicts it, what is open, or the weakest."""
        return self.verdict.deciding


@dataclass(frozen=True)
class DeviceSeconds:
    """What one pretraining took: geometric mean, and ratio to the last reference of the same size."""

    seconds: float
    ratio: Interval | None


def decide_claims(
    study: StudyResults, summaries: Sequence[Summary], bounds: tuple[float, float] | None
) -> tuple[Decided, ...]:
    """Returns the verdicts on the study's claims; none of a partial study."""
    if not study.complete:
        return ()
    cells: dict[str, Mapping[str, pl.DataFrame]] = {s.name: s.cells for s in summaries}
    score_bounds = {} if bounds is None else {summary.name: bounds for summary in summaries}
    score_bounds |= study.cell_bounds
    cells |= {name: by_arm(table) for name, table in study.cells.items()}
    preconditions = {item.name: item for item in study.preconditions}
    unit = unit_of(study)
    units = {} if unit is None else {summary.name: unit for summary in summaries}

    def verdict(claim: Claim, alpha: float) -> ClaimVerdict:
        return decide(claim, cells, preconditions, alpha=alpha, score_bounds=score_bounds, units=units)

    found = []
    for claim in study.claims:
        smaller = at_second_margin(claim)
        found.append(
            Decided(
                verdict(claim, study.level),
                None if smaller is None else verdict(smaller, study.level),
                None if math.isclose(study.level, ALPHA, rel_tol=1e-3) else verdict(claim, ALPHA),
            )
        )
    return tuple(found)


def unit_of(study: StudyResults) -> Unit | None:
    """Returns what normalised scores are shares of; None where tasks have ranges of their own."""
    ranges = {(study.score_ranges or {}).get(task) for task in study.tasks}
    only = next(iter(ranges)) if len(ranges) == 1 else None
    if only is None:
        return None
    name = "points of return" if study.score_name == "Episode return" else f"points of {study.score_name}"
    return Unit(name, *only)


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
            if [study.family(other)] == list(study.references[-1:])
            and study.train_sizes.get(other) == study.train_sizes.get(arm)
        ]
        ratio = None
        if same and same[0] != arm and set(cells["task"]) == set(arms[same[0]]["task"]):
            logs = difference_interval(cells, arms[same[0]])
            low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
            ratio = Interval(math.exp(logs.mean), low, high, logs.how, logs.checkpoints, note=logs.note)
        found[arm] = DeviceSeconds(math.exp(mean_interval(cells).mean), ratio)
    return found
