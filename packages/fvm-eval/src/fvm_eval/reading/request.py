"""How a table is to be read: everything that the command line's options say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real

from fvm_eval.reading.numerals import Mark
from fvm_eval.table import TableError

WIDEST = 2**53
_INF = float("inf")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


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
        for name, given in (("columns", self.columns), ("constants", self.constants)):
            if not isinstance(given, Mapping):
                raise TableError(f"{name}={given!r}: expected names by role, as in {{'score': 'return'}}")
            object.__setattr__(self, name, {str(role): str(value) for role, value in given.items()})
        if self.score_range is not None:
            ends = tuple(self.score_range)
            both = len(ends) == 2 and all(map(_is_number, ends))
            if not (both and -_INF < ends[0] < ends[1] < _INF):
                came = " ".join(f"{end:g}" if _is_number(end) else repr(end) for end in ends)
                raise TableError(f"--score-range {came}: expected two finite numbers, LOW < HIGH")
        if self.at is not None and not (_is_whole(self.at) and self.at >= 0):
            raise TableError(f"--at {self.at}: expected an env step, 0 or more")
        if self.bin is not None and not (_is_whole(self.bin) and 1 <= self.bin <= WIDEST):
            raise TableError(f"--bin {self.bin}: expected a number of env steps, 1 or more")
        if self.decimal not in (None, ".", ","):
            raise TableError(f"--decimal {self.decimal}: expected , or .")
