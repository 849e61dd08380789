"""Claims that can be decided: a claim is data fixed beforehand, its verdict a function of cells.

A claim is a conjunction of components (`fvm_eval.claims.components`). It is

* supported where every component passes at alpha (intersection-union, so without correction);
* contradicted where some component's interval, adjusted over the components by Holm, lies beyond its
  threshold on the wrong side. One is enough, whether or not the others were run;
* otherwise undecided, with the reason and the number of seeds that would decide. Too few checkpoints never
  decide, whatever the numbers look like, and neither does a study whose preconditions (the pretraining
  learned) do not hold. Equality is never supported without assay sensitivity: in the same study a difference
  that must be there, typically pretraining's over scratch, was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from fvm_eval.claims.components import Component, ComponentVerdict, adjusted, assess
from fvm_eval.statistics.intervals import difference_interval, mean_interval

__all__ = [
    "Claim",
    "ClaimVerdict",
    "Component",
    "ComponentVerdict",
    "Label",
    "Precondition",
    "decide",
    "pretraining_learned",
    "unshown",
]

Label = Literal["supported", "contradicted", "undecided"]


@dataclass(frozen=True)
class Precondition:
    """Something without which a claim means nothing.

    Attributes:
        name: As in "the pretraining learned".
        holds: None where the data cannot say.
        reason: The numbers behind it.
    """

    name: str
    holds: bool | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement about a study, fixed before anything was trained. It holds if all its components do.

    Attributes:
        id: As in "C1".
        statement: The claim in a sentence.
        paper_says: What was published about it.
        components: Its parts.
        preconditions: Names of what must hold before the numbers mean anything.
        min_checkpoints: A component with fewer in any arm is too small to decide.
        assay: A difference that must be found before equality means anything.
    """

    id: str
    statement: str
    paper_says: str = ""
    components: Sequence[Component]
    preconditions: Sequence[str] = ()
    min_checkpoints: int = 5
    assay: Component | None = None

    def __post_init__(self) -> None:
        if not self.components:
            raise ValueError(f"claim {self.id} has no components; give at least one")
        if self.min_checkpoints < 2:
            raise ValueError(
                f"min_checkpoints={self.min_checkpoints}: one checkpoint has no spread; give 2 or more"
            )

    @property
    def of_equality(self) -> bool:
        """Whether a component claims that arms are equal, or one no worse."""
        return any(component.kind != "superiority" for component in self.components)


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
    """

    claim: Claim
    label: Label
    reason: str
    components: tuple[ComponentVerdict, ...]
    assay: ComponentVerdict | None = None
    seeds_needed: int | None = None

    def __str__(self) -> str:
        return f"{self.label}: {self.reason}" if self.label == "undecided" else self.label


def decide(
    claim: Claim,
    cells: Mapping[str, Mapping[str, pl.DataFrame]],
    preconditions: Mapping[str, Precondition],
    *,
    alpha: float = 0.05,
    score_bounds: Mapping[str, tuple[float, float]] | None = None,
) -> ClaimVerdict:
    """Returns the verdict on a claim.

    Args:
        claim: Fixed beforehand; for another margin, decide `replace`d components.
        cells: By summary and arm, columns fold, checkpoint, task, value. What is missing was not run.
        preconditions: By name; one that the claim names and this lacks does not hold.
        alpha: At most the chance of supporting a claim that is false, and of contradicting one that is true.
        score_bounds: By summary, lowest and highest possible value (`fvm_eval.statistics.contrast`).
    """
    bounds = score_bounds or {}

    def parts(components: Sequence[Component]) -> list[ComponentVerdict]:
        return [
            assess(
                component,
                cells.get(component.summary, {}),
                min_checkpoints=claim.min_checkpoints,
                alpha=alpha,
                score_bounds=bounds.get(component.summary),
            )
            for component in components
        ]

    assay = None if claim.assay is None else parts([claim.assay])[0]
    found = tuple(adjusted(parts(claim.components), alpha))
    untested = [
        preconditions.get(name, Precondition(name, None, "not tested in this study"))
        for name in claim.preconditions
    ]
    failed = [item for item in untested if item.holds is not True]
    label, reason = _conclusion(claim, found, assay, failed)
    needed = None
    if label == "undecided" and not failed:
        open_parts = [part for part in found if not part.passed] or [part for part in (assay,) if part]
        every = [part.seeds_needed for part in open_parts]
        known = [seeds for seeds in every if seeds is not None]
        needed = max(known) if known and len(known) == len(every) else None
    return ClaimVerdict(claim, label, reason, found, assay, needed)


def unshown(precondition: Precondition) -> str:
    """Returns the clause that says which precondition is in the way."""
    return f"{precondition.name}: not shown ({precondition.reason})"


def pretraining_learned(
    final: Sequence[float], random: Sequence[float], *, name: str = "the pretraining learned"
) -> Precondition:
    """Returns whether training return lies above random play, by a 95 % Welch interval.

    Args:
        final: Training return at the end of pretraining, one number a checkpoint.
        random: Returns of random play on the training tasks, one number an independent replicate (seed or
            episode); a single number is taken as exact.
        name: For the report.
    """
    if not final or not random:
        return Precondition(name, None, "no training return or no random play was given")
    gap = float(np.mean(final) - np.mean(random))
    if len(random) == 1:
        interval = mean_interval(_cells("trained", [value - random[0] for value in final]))
    else:
        interval = difference_interval(_cells("trained", final), _cells("random", random))
    if interval.low is None or interval.high is None:
        return Precondition(name, None, f"{gap:+.2g} over random play, no interval: {interval.note}")
    limits = f"{gap:+.2g} over random play, 95 % [{interval.low:.2g}, {interval.high:.2g}]"
    return Precondition(name, interval.low > 0, limits.replace("-", "−"))


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
    absent = dict.fromkeys(part.reason for part in found if part.doubt == "not run")
    if absent:
        return "undecided", "; ".join(absent)
    small = [part.reason for part in found if part.doubt == "too small"]
    if small:
        return "undecided", small[0]
    if failed:
        return "undecided", unshown(failed[0])
    still = [part for part in found if not part.passed]
    if still:
        first = still[0]
        several = f"{len(still)} of {len(found)} parts not shown, as {first.component.name}: "
        return "undecided", several * (len(found) > 1) + first.reason
    if claim.of_equality and not (assay is not None and assay.passed):
        why = "none was fixed beforehand" if assay is None else f"{assay.component.name}: "
        if assay is not None:
            why += assay.reason or f"not {assay.component.claimed}"
        return "undecided", f"no assay sensitivity ({why})"
    return "supported", "every part passes"


def _cells(name: str, values: Sequence[float]) -> pl.DataFrame:
    checkpoints = [f"{name}/{i}" for i in range(len(values))]
    return pl.DataFrame(
        {
            "fold": [0] * len(values),
            "checkpoint": checkpoints,
            "task": ["training"] * len(values),
            "value": [float(value) for value in values],
        }
    )
