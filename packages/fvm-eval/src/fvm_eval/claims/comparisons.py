"""The simplest claim: one method against another in one summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import polars as pl

from fvm_eval.claims.claim import Claim, Unit
from fvm_eval.claims.components import Component
from fvm_eval.claims.decision import ClaimVerdict, decide
from fvm_eval.claims.preconditions import Precondition

_SUMMARY = "Value at budget"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is claimed about two methods, stated before anything was trained.

    Attributes:
        left, right: Methods; the claim is about left minus right.
        estimand: A sentence that says what the difference is of.
        kind: "superiority" claims left - right > margin, "non-inferiority" left - right > -margin.
        margin: In normalised units; the smallest difference that matters.
        min_checkpoints: With fewer on either side the verdict is "undecided: too small".
        baseline: A method that left must beat by more than the margin before "no worse" means anything:
            two methods that learned nothing are equal too.
    """

    left: str
    right: str
    estimand: str
    kind: Literal["superiority", "non-inferiority"] = "superiority"
    margin: float = 0.10
    min_checkpoints: int = 5
    baseline: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("superiority", "non-inferiority"):
            raise ValueError(f"kind={self.kind!r}: expected superiority or non-inferiority")
        if not self.margin > 0:
            raise ValueError(f"margin={self.margin}: give the smallest difference that matters, above 0")
        if self.left == self.right:
            raise ValueError(f"left and right are both {self.left!r}; give two methods")
        self.claim()  # which checks the rest

    @property
    def threshold(self) -> float:
        """The difference above which the claim is true."""
        return self.margin if self.kind == "superiority" else -self.margin

    @property
    def statement(self) -> str:
        """The claim as an inequality."""
        return f"{self.left} − {self.right} {self.claim().components[0].claimed}"

    def claim(self, preconditions: Sequence[str] = ()) -> Claim:
        """Returns the comparison as a claim of one part."""
        weights = {self.left: 1.0, self.right: -1.0}
        name = f"{self.left} − {self.right}"
        above: dict[str, Any] = {
            "name": f"{self.left} − {self.baseline}",
            "weights": {self.left: 1.0, str(self.baseline): -1.0},
        }
        part = Component(name=name, summary=_SUMMARY, weights=weights, kind=self.kind, margin=self.margin)
        return Claim(
            id=name,
            statement=self.estimand,
            components=[part],
            preconditions=preconditions,
            min_checkpoints=self.min_checkpoints,
            assay=None if self.baseline is None else replace(part, kind="superiority", **above),
        )


def judge(
    comparison: Comparison,
    left: pl.DataFrame,
    right: pl.DataFrame,
    *,
    baseline: pl.DataFrame | None = None,
    preconditions: Sequence[Precondition] = (),
    alpha: float = 0.05,
    score_bounds: tuple[float, float] | None = None,
    unit: Unit | None = None,
) -> ClaimVerdict:
    """Returns the verdict on a comparison from the two methods' cells in normalised units.

    Args:
        comparison: Fixed beforehand.
        left: Columns fold, checkpoint, task, value.
        right: The same of the other method.
        baseline: The same of the comparison's baseline, if it names one.
        preconditions: All of them must hold.
        alpha: As in `fvm_eval.claims.decide`.
        score_bounds: Lowest and highest possible value; None where unknown.
        unit: What the values are shares of.
    """
    cells = {comparison.left: left, comparison.right: right}
    if comparison.baseline is not None and baseline is not None:
        cells[comparison.baseline] = baseline
    return decide(
        comparison.claim([item.name for item in preconditions]),
        {_SUMMARY: cells},
        {item.name: item for item in preconditions},
        alpha=alpha,
        score_bounds=None if score_bounds is None else {_SUMMARY: score_bounds},
        units=None if unit is None else {_SUMMARY: unit},
    )
