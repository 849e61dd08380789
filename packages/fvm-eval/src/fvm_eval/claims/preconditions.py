"""Preconditions: what must hold before a claim means anything, tested first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


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

    @property
    def unshown(self) -> str:
        """The clause that says that it is in the way."""
        return f"{self.name}: not shown ({self.reason})"


def failing(names: Sequence[str], known: Mapping[str, Precondition]) -> list[Precondition]:
    """Returns those that do not hold; one that was not tested does not."""
    tested = [known.get(name, Precondition(name, None, "not tested in this study")) for name in names]
    return [item for item in tested if item.holds is not True]
