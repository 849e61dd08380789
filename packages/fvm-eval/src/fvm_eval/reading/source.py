"""A table as it came: its columns untouched, and where each of its rows stands in the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

ROW, ORIGIN = "\x00row", "\x00origin"
"""Hidden columns: a row's number in its source from 0, and the source's number among several."""


@dataclass(frozen=True)
class Source:
    """What was found in one file or frame.

    Attributes:
        name: Of the file, for messages; "the frame" for a frame. Of several files, its path.
        frame: Columns as they came, text or typed, and `ROW`.
        line_of: From a row's number to its line in the file; None where there are no lines.
        said: What was recognised, in clauses.
        needs_path: Whether method, seed and task are not in the file, so that its path must say them.
        chosen: Whether `--map score=` has named a metric of this layout already.
        online: Whether scores were made while learning, not by evaluations of frozen agents.
        one_of_several: Whether a place in it must say in which file it is.
    """

    name: str
    frame: pl.DataFrame
    line_of: Callable[[int], int] | None = None
    said: Sequence[str] = field(default_factory=tuple)
    needs_path: bool = False
    chosen: bool = False
    online: bool = False
    one_of_several: bool = False

    def where(self, row: int) -> str:
        """Returns a row's place, as in "row 6 (line 7 of the file)"; rows of a file count from 1."""
        if self.line_of is None:
            return f"row {row} (counted from 0{f', of {self.name}' * self.one_of_several})"
        of = self.name if self.one_of_several else "the file"
        return f"row {row + 1} (line {self.line_of(row)} of {of})"

    @property
    def columns(self) -> list[str]:
        """Names of the columns, without the hidden ones."""
        return [name for name in self.frame.columns if name not in (ROW, ORIGIN)]


def numbered(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the frame with its rows' numbers."""
    return frame if ROW in frame.columns else frame.with_row_index(ROW)
