"""Wide tables: a column a task, a column a seed, or a column a method, in place of a row a score."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from fvm_eval.reading.columns import plain, shown_name
from fvm_eval.reading.source import ROW
from fvm_eval.table import TableError

_SEED = re.compile(r"^(?:seed|run|rep|repeat|trial|s)?[ _\-=.]*(\d+)$", re.IGNORECASE)
_INDEX = re.compile(r"^\s*(?:Unnamed: \d+)?\s*(?:$|\x00)")  # as pandas writes and reads it
_NO_SCORES = re.compile(
    r"^(?:mean|average|avg|median|iqm|std|stdev|stddev|stderr|sem|overall|aggregate"
    r"|(?:.*_)?(?:time|seconds|date|timestamp|duration))$"
)
"""Columns that say something of the others, or of when they came."""
_PLURAL = {"task": "tasks", "seed": "seeds", "method": "methods"}
_NAMES_SHOWN = 5


def unpivoted(
    frame: pl.DataFrame, columns: Sequence[str], found: Mapping[str, str], absent: Sequence[str]
) -> tuple[pl.DataFrame, str] | None:
    """Returns the table with a row a score, and what was recognised; None where it is not wide.

    It is wide where it lacks the score and exactly one of method, seed and task, and at least two columns of
    numbers are left over. The new columns are called by their roles.

    Args:
        frame: The table.
        columns: Its columns.
        found: The column of each role that has one.
        absent: Required roles that have none.

    Raises:
        TableError: A column that is left over is neither, or two are the same.
    """
    if len(absent) != 2 or "score" not in absent:
        return None
    role = next(name for name in absent if name != "score")
    left = [column for column in columns if column not in found.values() and not _INDEX.match(column)]
    if role == "seed":
        left = [column for column in left if _SEED.match(shown_name(column).strip())]
    if len(left) < 2:
        return None
    names = {column: shown_name(column).strip() for column in left}
    for column, name in names.items():
        if (numbers := _numeric(frame[column])) and not _NO_SCORES.match(plain(name)):
            continue
        if sum(_numeric(frame[other]) for other in left) < 2:
            return None
        what = f"is no {role}" if numbers else "is neither a known column nor numbers"
        raise TableError(f"a column a {role}: column {name!r} {what}; leave it out of the file")
    if role == "seed":
        names = {column: _seed(name) for column, name in names.items()}
    if twice := next((name for name in names.values() if list(names.values()).count(name) > 1), None):
        raise TableError(f"a column a {role}: several columns are {role} {twice!r}; keep one of them")
    kept = [ROW, *dict.fromkeys(found.values())]
    typed = frame.select(*kept, *(pl.col(column).cast(pl.String) for column in left))
    rows = typed.unpivot(on=left, index=kept, variable_name=role, value_name="score")
    rows = rows.filter(pl.col("score").is_not_null() & (pl.col("score").str.strip_chars() != ""))
    rows = rows.with_columns(pl.col(role).replace_strict(names, return_dtype=pl.String))
    empty = len(frame) * len(left) - len(rows)
    shown = ", ".join(map(shown_name, left[:_NAMES_SHOWN]))
    shown += f" and {len(left) - _NAMES_SHOWN} more" if len(left) > _NAMES_SHOWN else ""
    said = f"a wide table, {len(left)} columns taken as {_PLURAL[role]}: {shown}"
    return rows, said + (f" (cells left out as empty: {empty})" if empty else "")


def _seed(name: str) -> str:
    match = _SEED.match(name.strip())
    assert match is not None, "only such columns are taken as seeds"
    return match[1]


def _numeric(column: pl.Series) -> bool:
    """Returns whether most of what the column holds are numbers: a missing one may be written in letters."""
    if column.dtype.is_numeric():
        return True
    if column.dtype != pl.String or column.null_count() == len(column):
        return False
    texts = column.drop_nulls().str.strip_chars()
    texts = texts.filter(texts != "")
    begins = texts.str.contains(r"^(?:[+\-\u2212]?[\d.,]|(?i:nan|[+-]?inf))")
    dates = texts.str.contains(r"^\d+[-/:]\d")
    return 2 * int((begins & ~dates).sum()) > len(texts)
