"""The simplest claim: one method against another in one summary. Claims of several parts are in `claims`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from fvm_eval.claims.components import Component, assess
from fvm_eval.claims.verdict import Label, Precondition, unshown
from fvm_eval.statistics.intervals import Interval, difference_interval


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is claimed about two methods, stated before anything was trained.

    Attributes:
        left, right: Methods; the claim is about left minus right.
        estimand: A sentence that says what the difference is of.
        kind: "superiority" claims left - right > margin, "non-inferiority" left - right > -margin.
        margin: In normalised units; the smallest difference that matters.
        min_checkpoints: With fewer on either side the verdict is "undecided: too small".
    """

    left: str
    right: str
    estimand: str
    kind: Literal["superiority", "non-inferiority"] = "superiority"
    margin: float = 0.10
    min_checkpoints: int = 5

    def __post_init__(self) -> None:
        if self.kind not in ("superiority", "non-inferiority"):
            raise ValueError(f"kind={self.kind!r}: expected superiority or non-inferiority")
        if not self.margin > 0:
            raise ValueError(f"margin={self.margin}: give the smallest difference that matters, above 0")
        if self.min_checkpoints < 2:
            raise ValueError(
                f"min_checkpoints={self.min_checkpoints}: one checkpoint has no spread; give 2 or more"
            )

    @property
    def threshold(self) -> float:
        """The difference above which the claim is true."""
        return self.margin if self.kind == "superiority" else -self.margin

    @property
    def statement(self) -> str:
        """The claim as an inequality."""
        return f"{self.left} − {self.right} {self._component.claimed}"

    @property
    def _component(self) -> Component:
        weights = {"left": 1.0, "right": -1.0}
        return Component(name="", summary="", weights=weights, kind=self.kind, margin=self.margin)


@dataclass(frozen=True)
class Verdict:
    """What the data say about a comparison.

    Attributes:
        label: The decision.
        reason: Why, in a clause; the part after "undecided: " comes first.
        interval: Of left minus right, normalised.
        seeds_needed: Seeds per method that would detect a difference of one margin from the threshold with
            power .8 at the observed spread; None where unknown or not needed.
    """

    label: Label
    reason: str
    interval: Interval
    seeds_needed: int | None = None

    def __str__(self) -> str:
        return f"{self.label}: {self.reason}" if self.label == "undecided" else self.label


def judge(
    comparison: Comparison,
    left: pl.DataFrame,
    right: pl.DataFrame,
    *,
    preconditions: Sequence[Precondition] = (),
    score_bounds: tuple[float, float] | None = (0.0, 1.0),
) -> Verdict:
    """Returns the verdict on a comparison from the two methods' cells in normalised units."""
    interval = difference_interval(left, right, score_bounds=score_bounds)
    part = assess(
        comparison._component,
        {"left": left, "right": right},
        min_checkpoints=comparison.min_checkpoints,
        score_bounds=score_bounds,
    )
    failed = [item for item in preconditions if item.holds is not True]
    if part.doubt == "too small":
        return Verdict("undecided", part.reason, interval, part.seeds_needed)
    if failed:
        return Verdict("undecided", unshown(failed[0]), interval)
    if part.passed:
        return Verdict("supported", "the whole interval lies above the threshold", interval)
    if part.contradicted:
        return Verdict("contradicted", "the whole interval lies below the threshold", interval)
    return Verdict("undecided", part.reason, interval, part.seeds_needed)
