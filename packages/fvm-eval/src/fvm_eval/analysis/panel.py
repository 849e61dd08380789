"""A figure that a study hands to its report: of what only the study knows, such as a method's schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A figure of the study's own.

    Attributes:
        name: Of its files.
        heading: Above it; what it shows, for those who cannot see it.
        caption: Below it.
        draw: Maps the analysis, and whether the page is narrow, to a matplotlib figure.
        folded: Whether the reader unfolds it.
    """

    name: str
    heading: str
    caption: str
    draw: Callable[[Any, bool], Any]
    folded: bool = False
