"""What is claimed, as data that is fixed before anything is trained; nothing here looks at a result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from fvm_eval.claims.components import Component

Label = Literal["supported", "supported in part", "contradicted", "undecided"]
LABELS: tuple[Label, ...] = ("supported", "supported in part", "contradicted", "undecided")


@dataclass(frozen=True)
class Unit:
    """What a difference of 1 means: the whole of a stated range of scores.

    Attributes:
        name: Of a raw score, as in "points of return".
        low, high: The range that normalised scores are shares of.
    """

    name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (isfinite(self.low) and isfinite(self.high) and self.low < self.high):
            raise ValueError(f"range ({self.low}, {self.high}): expected two finite numbers, low < high")

    def spoken(self, difference: float) -> str:
        """Returns a difference in words, as in "+0.12 of the range 0 to 10, +1.2 points of return"."""
        raw = difference * (self.high - self.low)
        text = f"{difference:+.2f} of the range {self.low:g} to {self.high:g}, {raw:+.2g} {self.name}"
        return text.replace("-", "−")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement about a study, fixed before anything was trained. It holds if all its components do.

    Attributes:
        id: As in "C1".
        statement: The claim in a sentence.
        scope: Where it is claimed, as in "at 100, 1,000 and 10,000 levels"; ends the sentence.
        scope_in_part: The scope where only some parts were run, as in "at Reptile's chosen point"; without
            it the parts that were not run are named.
        paper_says: What was published about it.
        components: Its parts.
        preconditions: Names of what must hold before any of the numbers mean anything; what only one part
            needs stands with the part.
        min_checkpoints: A component with fewer in any arm is too small to decide.
        assay: A difference that must be found before equality means anything.
    """

    id: str
    statement: str
    scope: str = ""
    scope_in_part: str = ""
    paper_says: str = ""
    components: Sequence[Component]
    preconditions: Sequence[str] = ()
    min_checkpoints: int = 5
    assay: Component | None = None

    def __post_init__(self) -> None:
        if not self.components:
            raise ValueError(f"claim {self.id} has no components; give at least one")
        if not (self.min_checkpoints >= 2 and self.min_checkpoints % 1 == 0):
            raise ValueError(
                f"min_checkpoints={self.min_checkpoints}: one checkpoint has no spread; give 2 or more"
            )

    @property
    def of_equality(self) -> bool:
        """Whether a component claims that arms are equal, one no worse, or that nothing is gained."""
        return any(component.kind != "superiority" for component in self.components)

    def sentence(self, scope: str | None = None) -> str:
        """Returns the statement with its scope."""
        scope = self.scope if scope is None else scope
        return f"{self.statement.rstrip('.')}, {scope}." if scope else self.statement


def check_ids(claims: Iterable[Claim]) -> None:
    """Raises ValueError if two claims have one id: tables and pages tell them apart by it."""
    ids = [claim.id for claim in claims]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise ValueError(f"several claims are called {', '.join(twice)}; give each its own id")
