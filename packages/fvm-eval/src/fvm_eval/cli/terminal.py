"""Words for the terminal, whatever it is: ASCII, closed, full. What was computed never depends on it."""

from __future__ import annotations

import os
from typing import TextIO

_PLAIN = str.maketrans(
    {"−": "-", "–": "-", "—": "-", "…": "...", "×": "x", "“": '"', "”": '"', "’": "'", "≥": ">=", "≤": "<="}
)


def say(text: str, stream: TextIO | None) -> bool:
    """Returns whether the text was written to the stream, which is None where it was closed; never raises.

    Letters that the stream's encoding lacks are replaced, signs by their ASCII neighbours. A stream that is
    closed or full gets nothing more, also not when Python ends.
    """
    if stream is None:
        return False
    try:
        stream.write(f"{_encodable(text, stream.encoding or 'ascii')}\n")
        stream.flush()
    except (OSError, ValueError):
        _silence(stream)
        return False
    return True


def _encodable(text: str, encoding: str) -> str:
    try:
        text.encode(encoding)
        return text
    except (UnicodeEncodeError, LookupError):
        pass
    letters = []
    for letter in text:
        try:
            letter.encode(encoding)
        except (UnicodeEncodeError, LookupError):
            letter = letter.translate(_PLAIN)
            letter = letter if letter.isascii() else "?"
        letters.append(letter)
    return "".join(letters)


def _silence(stream: TextIO) -> None:
    """Points the stream at nothing, so that what it still holds raises no error at the end."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
    except (OSError, ValueError):
        pass
