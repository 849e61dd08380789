"""A film that a study hands to its report."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Film:
    """An episode of an agent, to be looked at.

    Attributes:
        name: Of its file, of any characters.
        method: Whose agent plays.
        task: What it plays.
        caption: Below it.
        mp4: H.264.
    """

    name: str
    method: str
    task: str
    caption: str
    mp4: bytes = field(repr=False)
