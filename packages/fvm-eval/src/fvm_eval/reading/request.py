"""How a table is to be read: everything that the command line's options say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fvm_eval.reading.numerals import Mark
from fvm_eval.table import TableError


@dataclass(frozen=True, kw_only=True)
class Request:
    """How a table is to be read.

    Attributes:
        columns: Column of a role where it has another name, as in {"score": "episode_reward"}; "none" leaves
            an optional one out.
        constants: Roles that have one value in all rows.
        at: Env step at which runs are compared; None for the last one.
        bin: Width of bins of env steps; None for none.
        score_range: Lowest and highest possible score; others are refused.
        encoding: Of text files; None to find out.
        decimal: The decimal mark; None to find out.
        as_text: Whether the values of a text file stay texts until their column is known, which is slower and
            can say of each what is wrong with it.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    at: int | None = None
    bin: int | None = None
    score_range: tuple[float, float] | None = None
    encoding: str | None = None
    decimal: Mark | None = None
    as_text: bool = False

    def __post_init__(self) -> None:
        if self.score_range is not None:
            low, high = self.score_range
            if not (low < high and low > float("-inf") and high < float("inf")):
                raise TableError(f"--score-range {low:g} {high:g}: expected two finite numbers, LOW < HIGH")
        if self.at is not None and self.at < 0:
            raise TableError(f"--at {self.at}: expected an env step, 0 or more")
        if self.bin is not None and self.bin < 1:
            raise TableError(f"--bin {self.bin}: expected a number of env steps, 1 or more")
        if self.decimal not in (None, ".", ","):
            raise TableError(f"--decimal {self.decimal}: expected , or .")
