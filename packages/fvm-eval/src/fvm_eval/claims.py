"""Claims that can be decided: a comparison is data fixed beforehand, its verdict a function of an interval.

A verdict is "supported", "contradicted" or "undecided: <reason>". Too few checkpoints never decide,
whatever the numbers look like, and neither does a study whose preconditions (the pretraining learned) do
not hold. Margins and limits are in units of the normalised score range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from fvm_eval.intervals import Interval, difference_interval, mean_interval
from fvm_eval.power import seeds_needed


@dataclass(frozen=True)
class Precondition:
    """Something without which a comparison means nothing.

    Attributes:
        name: As in "the pretraining learned".
        holds: None where the data cannot say.
        reason: The numbers behind it.
    """

    name: str
    holds: bool | None
    reason: str


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
        return f"{self.left} − {self.right} > {self.threshold:+.2f}".replace("-0", "−0")


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

    label: Literal["supported", "contradicted", "undecided"]
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
    sides = [mean_interval(cells, score_bounds=score_bounds) for cells in (left, right)]
    spreads = [side.sd for side in sides if side.sd is not None]
    needed = seeds_needed(comparison.margin, *spreads) if len(spreads) == 2 and any(spreads) else None
    if needed is not None:
        needed = max(needed, comparison.min_checkpoints)
    if interval.checkpoints < comparison.min_checkpoints:
        have, least = interval.checkpoints, comparison.min_checkpoints
        reason = f"too small ({have} {_plural(have)} a method, at least {least} were required beforehand)"
        return Verdict("undecided", reason, interval, needed)
    failed = [item for item in preconditions if item.holds is not True]
    if failed:
        return Verdict("undecided", f"{failed[0].name}: not shown ({failed[0].reason})", interval)
    if interval.low is None or interval.high is None:
        return Verdict("undecided", f"no interval ({interval.note})", interval)
    if interval.low > comparison.threshold:
        return Verdict("supported", "the whole interval lies above the threshold", interval)
    if interval.high < comparison.threshold:
        return Verdict("contradicted", "the whole interval lies below the threshold", interval)
    if (interval.high - interval.low) / 2 > comparison.margin:
        reason = "too small (the interval is wider than the margin on either side)"
        return Verdict("undecided", reason, interval, needed)
    return Verdict("undecided", "the interval contains the threshold", interval, needed)


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
        return Precondition(name, None, f"{gap:+.3g} over random play, no interval: {interval.note}")
    limits = f"{gap:+.3g} over random play, 95 % [{interval.low:.3g}, {interval.high:.3g}]"
    return Precondition(name, interval.low > 0, limits)


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


def _plural(checkpoints: int) -> str:
    return "checkpoint" if checkpoints == 1 else "checkpoints"
