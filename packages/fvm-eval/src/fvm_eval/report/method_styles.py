"""How each method looks in every figure and table: a colour, dashes, a marker.

Colours are Okabe and Ito's (2008), told apart by the colour-blind. The training-set sizes of a family share
one style. Schedules of one method share a colour and differ in dashes and marker, so that the eye takes them
as one. On a page the colours become CSS variables, which follow its light or dark scheme.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fvm_eval.analysis.study_results import NEW_LEVELS, StudyResults

METHOD_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c00", "#7f4f9f")
_DASHES: tuple[tuple[float, ...], ...] = ((), (3.2, 1.4), (1.0, 1.2), (4.5, 1.2, 1.0, 1.2))
_MARKERS = ("o", "s", "^", "D")
VARIANTS = len(_DASHES)


@dataclass(frozen=True)
class MethodStyle:
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


def method_styles(study: StudyResults) -> dict[str, MethodStyle]:
    """Returns the style of every method, and of every arm that is drawn without being in the table."""
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
            found[family] = MethodStyle(place % len(METHOD_COLOURS), more % len(_DASHES))
    return {**found, **{name: found[study.family(name)] for name in names}}
