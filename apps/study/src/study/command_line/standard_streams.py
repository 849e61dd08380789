"""Standard output and error as a courtesy: in any encoding, closed, full or read by `head`, work is done."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class Courteous(io.TextIOBase):
    """A text stream that shows what its terminal can show, and falls silent once that goes away."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What rich asks before it draws boxes."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What becomes of a character that the encoding lacks."""
        return "replace"

    def writable(self) -> bool:
        """Whether anything can be written: always, be it to nobody."""
        return True

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        try:
            return self._stream is not None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        """Returns the descriptor below."""
        if self._stream is None:
            raise io.UnsupportedOperation("nobody listens")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Writes what the encoding has, "?" for the rest."""
        if self._stream is not None:
            try:
                self._stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
            except (OSError, ValueError):
                self._fall_silent()
        return len(text)

    def flush(self) -> None:
        """Writes what is still to be written."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._fall_silent()

    def _fall_silent(self) -> None:
        """Leads the descriptor to where everything fits, so that no later flush of it complains."""
        stream, self._stream = self._stream, None
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
            os.close(nowhere)


@contextmanager
def courteous() -> Iterator[None]:
    """While open, writing to standard output or error never fails."""
    before: dict[str, Any] = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    for name, stream in before.items():
        setattr(sys, name, Courteous(stream))
    try:
        yield
    finally:
        for name, stream in before.items():
            getattr(sys, name).flush()
            setattr(sys, name, stream)


def open_missing() -> None:
    """Leads closed standard descriptors nowhere, lest the next file that is opened becomes one of them."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest one that is free
