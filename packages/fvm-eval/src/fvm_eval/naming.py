"""Names that others chose, of any characters, shown as text; counts with their nouns."""

from __future__ import annotations

import unicodedata

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def visible(name: str) -> str:
    """Returns a name with its control characters written out: it moves no cursor, breaks no page."""
    if not any(unicodedata.category(letter) in _HIDDEN for letter in name):
        return name
    return "".join(
        letter.encode("unicode_escape").decode() if unicodedata.category(letter) in _HIDDEN else letter
        for letter in name
    )


def plural(count: int, noun: str) -> str:
    """Returns "1 seed", "2 seeds"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
