"""Names that look like one and are two: a blank too many, a letter of another alphabet's width, 1 and 1.0."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import pairwise

import polars as pl

from fvm_eval.naming import visible
from fvm_eval.table import TableError


def refuse_lookalikes(rows: pl.DataFrame) -> list[str]:
    """Returns what must be said of methods and tasks whose names differ in capitals or signs alone.

    Raises:
        TableError: Two names look alike: they differ in what nobody sees, or are one number.
    """
    said = []
    for role in ("method", "task"):
        names = sorted(rows[role].unique().to_list())
        if (pair := _same(names, _seen)) is not None:
            first, second = (ascii(name) for name in pair)
            raise TableError(
                f"{role}s {first} and {second} look alike and would be counted as two; write them one way"
            )
        if (pair := _same(names, _spoken)) is not None:
            first, second = map(visible, pair)
            said.append(f"{role}s {first!r} and {second!r} are two here: their names differ in signs alone")
    return said


def _same(names: Sequence[str], of: Callable[[str], str]) -> tuple[str, str] | None:
    keyed = sorted((of(name), name) for name in names)
    return next(((a, b) for (key, a), (other, b) in pairwise(keyed) if key == other), None)


def _seen(name: str) -> str:
    """Returns what a reader sees: compatible letters, no invisible ones, single blanks, a number."""
    text = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    text = " ".join(text.split())
    number = re.fullmatch(r"\+?(-?)0*(\d+)(?:\.0*)?", text)
    return "".join(number.groups()) if number else text


def _spoken(name: str) -> str:
    """Returns a name without capitals and what stands between its words; a number as computers write it."""
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", _seen(name), re.IGNORECASE):
        return repr(float(_seen(name)))
    return re.sub(r"(?<=\w)[\s_\-]+(?=\w)|_", "", _seen(name)).casefold() or name
