"""Frames that others made: pandas, polars and whatever else narwhals knows."""

from __future__ import annotations

from typing import Any

import polars as pl

from fvm_eval.reading.source import Source, numbered
from fvm_eval.table import TableError


def read_frame(frame: Any, name: str = "the frame") -> Source:
    """Returns the table of a frame. The names of a pandas index become columns.

    Raises:
        TableError: It is no frame, or one that holds no rows in memory.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        return Source(name, numbered(frame))
    import narwhals as nw

    index = getattr(frame, "index", None)
    if index is not None and any(level is not None for level in getattr(index, "names", [])):
        frame = frame.reset_index()
    try:
        table = nw.from_native(frame)
    except TypeError:
        raise TableError(
            f"a {type(frame).__name__} is no table: give a path, or a frame of pandas, polars or pyarrow"
        ) from None
    if isinstance(table, nw.LazyFrame):
        table = table.collect()
    columns = {str(column): _series(table[column]) for column in table.columns}
    return Source(name, numbered(pl.DataFrame(columns)))


def _series(column: Any) -> pl.Series:
    """Returns the column as polars': numbers as they are, all else as text; missing values are null."""
    if column.dtype.is_numeric():
        if column.null_count():
            return pl.Series(column.to_list(), strict=False)
        return pl.Series(column.to_numpy())
    values = column.to_list()
    if all(isinstance(value, bool) for value in values):
        return pl.Series(values)
    return pl.Series([None if _missing(value) else str(value) for value in values], dtype=pl.String)


def _missing(value: object) -> bool:
    return value is None or value != value or type(value).__name__ in ("NAType", "NaTType")
