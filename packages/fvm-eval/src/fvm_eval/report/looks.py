"""How each method looks in every figure and table: a colour, dashes, a marker.

Colours are Okabe and Ito's (2008), told apart by the colour-blind. The training-set sizes of a family share
one look. Reptile's schedules share a colour and differ in dashes and marker, so that the eye takes them as
one method. On a page the colours become CSS variables, which follow its light or dark scheme.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fvm_eval.results import NEW_LEVELS, StudyResults

METHOD_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c00", "#7f4f9f")
_DASHES: tuple[tuple[float, ...], ...] = ((), (3.2, 1.4), (1.0, 1.2), (4.5, 1.2, 1.0, 1.2))
_MARKERS = ("o", "s", "^", "D")


@dataclass(frozen=True)
class Look:
    """What a method is drawn with.

    Attributes:
        index: Of its colour.
        variant: Of its dashes and marker.
    """

    index: int
    variant: int = 0

    @property
    def colour(self) -> str:
        """The colour on paper."""
        return METHOD_COLOURS[self.index]

    @property
    def dashes(self) -> tuple[float, ...]:
        """Lengths of dashes and gaps in line widths; empty if solid."""
        return _DASHES[self.variant]

    @property
    def linestyle(self) -> Any:
        """The same for matplotlib."""
        return (0, self.dashes) if self.dashes else "-"

    @property
    def marker(self) -> str:
        """Matplotlib's code of the marker."""
        return _MARKERS[self.variant]


def looks(study: StudyResults) -> dict[str, Look]:
    """Returns the look of every method, and of every arm that is drawn without being in the table."""
    names = dict.fromkeys(study.methods)
    if study.trials is not None:
        names |= dict.fromkeys(study.trials["method"].unique().sort())
    if NEW_LEVELS in study.cells:
        names |= dict.fromkeys(study.cells[NEW_LEVELS]["method"].unique().sort())
    scheduled = {study.family(method) for method in study.eps_schedules}
    colours: dict[str, dict[str, int]] = {}
    for name in names:
        family = study.family(name)
        variants = colours.setdefault("a schedule" if family in scheduled else family, {})
        variants.setdefault(family, len(variants))
    found = {}
    for place, variants in enumerate(colours.values()):
        for family, variant in variants.items():
            more = variant + place // len(METHOD_COLOURS)
            found[family] = Look(place % len(METHOD_COLOURS), more % len(_DASHES))
    return {name: found[study.family(name)] for name in names}


def family_label(study: StudyResults, method: str) -> str:
    """Returns the name of a method without its training-set size, for where that is written beside it."""
    family, size = study.family(method), study.train_sizes.get(method)
    if family != method and family in study.labels:
        return study.labels[family]
    if size is None:
        return study.label(method)
    return re.sub(rf"\s*\((?:{size}|{size:,})\b[^()]*\)$", "", study.label(method))


def sizes(study: StudyResults) -> list[int | None]:
    """Returns the training-set sizes of the table, one None if none was given."""
    found = sorted({study.train_sizes[method] for method in study.methods if method in study.train_sizes})
    return [*found] or [None]


def methods_of(study: StudyResults, size: int | None) -> list[str]:
    """Returns the methods of one training-set size, and those that belong to every size."""
    return [m for m in study.methods if size is None or study.train_sizes.get(m, size) == size]
