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
    if _first_out_of_order(checked) is None:
        return checked
    ordered = checked[_order(checked)]
    if _first_out_of_order(ordered) is not None:
        twice = checked.select(pl.struct(KEY).is_duplicated()).to_series()
        row = _first(twice)
        cell = ", ".join(f"{name}={checked[name][row]!r}" for name in KEY)
        raise TableError(
            f"row {row}: this episode comes more than once ({cell}); each may be counted once only"
        )
    return ordered


def _order(table: pl.DataFrame) -> pl.Series:
    """Returns the rows' numbers in canonical order; ranks in place of texts take a third of the memory."""
    ranks = {}
    for name in KEY:
        column = table[name]
        if column.dtype == pl.String:
            column = column.cast(pl.Enum(column.unique().sort())).to_physical()
        ranks[name] = column.shrink_dtype()
    return pl.DataFrame(ranks).with_row_index("\x00row").sort(KEY)["\x00row"]


def _first_out_of_order(table: pl.DataFrame) -> int | None:
    """Returns the first row that is not greater than the one before it; None if all are."""
    greater, equal = pl.lit(False), pl.lit(True)
    for name in KEY:
        before = pl.col(name).shift(1)
        greater = greater | (equal & (pl.col(name) > before))
        equal = equal & (pl.col(name) == before)
    fine = table.select(greater.fill_null(True)).to_series()[1:]
    return None if fine.all() else _first(~fine) + 1


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
