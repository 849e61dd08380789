"""The episode table: one row per evaluation episode, the only thing every statistic here is computed from.

A row says which method, in which fold and with which seed, starting from which checkpoint, scored what in
which episode of which task after how many env steps of adaptation. The checkpoint is the unit of replication:
rows that share one share its error.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

COLUMNS: Mapping[str, type[pl.DataType]] = {
    "method": pl.String,
    "fold": pl.Int64,
    "seed": pl.Int64,
    "checkpoint": pl.String,
    "task": pl.String,
    "env_step": pl.Int64,
    "episode": pl.Int64,
    "score": pl.Float64,
}
KEY = ["method", "fold", "seed", "checkpoint", "task", "env_step", "episode"]
_MOST = 2**62
_NOT_NEGATIVE = ("fold", "seed", "env_step", "episode")


class TableError(ValueError):
    """An episode table that cannot be judged: the message names the column and the row."""


def check_table(table: pl.DataFrame) -> pl.DataFrame:
    """Returns the table with the schema's columns, types and canonical order; equal results give equal bytes.

    Args:
        table: Any frame with at least the columns of `COLUMNS`; others are dropped. Integers may be
            of any width.

    Raises:
        TableError: A column is missing, a value is missing, of the wrong type, negative or not finite, or an
            episode comes twice. Rows are counted from 0 in the order they came.
    """
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise TableError(
            f"the episode table lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"it has {', '.join(table.columns) or 'none'} and needs {', '.join(COLUMNS)}"
        )
    checked = pl.DataFrame({name: _column(table[name], name, dtype) for name, dtype in COLUMNS.items()})
    key = _key(checked)
    if (key.diff() > 0).all():
        return checked
    order = key.arg_sort()
    if not (key[order].diff() > 0).all():
        twice = checked.select(pl.struct(KEY).is_duplicated()).to_series()
        row = _first(twice)
        cell = ", ".join(f"{name}={checked[name][row]!r}" for name in KEY)
        raise TableError(
            f"row {row}: this episode comes more than once ({cell}); each may be counted once only"
        )
    return checked[order]


def coded(rows: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows with texts as categories: grouping a million by them takes a third of the memory."""
    return rows.with_columns(pl.col(pl.String).cast(pl.Categorical))


def spelt(rows: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows with categories as texts again."""
    return rows.with_columns(pl.col(pl.Categorical).cast(pl.String))


def _key(table: pl.DataFrame) -> pl.Series:
    """Returns a number for each row that rises in canonical order, equal where all of `KEY` is.

    Each column is a digit: its value, or its rank where that keeps the number within 64 bits. One column is
    sorted in a fraction of the time and memory of seven.
    """
    key, above = pl.zeros(len(table), dtype=pl.Int64, eager=True), 1
    for name in reversed(KEY):
        column = table[name]
        if column.dtype == pl.String:
            column = column.cast(pl.Enum(column.unique().sort())).to_physical().cast(pl.Int64)
        lowest, highest = (int(end) if isinstance(end, int) else 0 for end in (column.min(), column.max()))
        if above * (highest - lowest + 1) > _MOST:
            column, lowest = column.rank("dense").cast(pl.Int64), 1
            highest = column.n_unique()
        if above * (highest - lowest + 1) > _MOST:  # more digits than there are rows: rank what is there
            key = key.rank("dense").cast(pl.Int64) - 1
            above = key.n_unique()
        key = key + (column - lowest) * above
        above *= highest - lowest + 1
    return key


def _column(column: pl.Series, name: str, dtype: type[pl.DataType]) -> pl.Series:
    if column.null_count():
        raise TableError(f"column {name}, row {_first(column.is_null())}: the value is missing")
    if dtype is pl.String:
        if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
            raise TableError(f"column {name} holds {column.dtype}, expected text")
        return column.cast(pl.String)
    if not column.dtype.is_numeric():
        raise TableError(f"column {name} holds {column.dtype}, expected numbers")
    if dtype is pl.Float64:
        column = column.cast(pl.Float64)
        bad = ~column.is_finite()
        wanted = "a finite number (score a diverged run with the task's lowest score, do not drop it)"
    elif column.dtype == pl.Int64 and not (name in _NOT_NEGATIVE and (column < 0).any()):
        return column
    else:
        bad = column != column.cast(pl.Int64, strict=False).cast(column.dtype)
        bad = bad.fill_null(True) if column.dtype.is_integer() else bad.fill_null(True) | ~column.is_finite()
        wanted = "a whole number"
        if name in _NOT_NEGATIVE:
            bad = bad | (column < 0)
            wanted = "a whole number >= 0"
    if bad.any():
        row = _first(bad)
        raise TableError(f"column {name}, row {row}: {column[row]!r} is not {wanted}")
    return column.cast(dtype)


def _first(mask: pl.Series) -> int:
    index = mask.arg_max()
    assert index is not None, "asked only where the mask is true somewhere"
    return index
