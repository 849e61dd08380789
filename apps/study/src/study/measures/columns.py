"""The columns that say which run a cell is of."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from study.folder.tables import Columns

RUN_TYPES: Columns = {
    "method": pl.String,
    "fold": pl.Int64,
    "seed": pl.Int64,
    "checkpoint": pl.String,
    "task": pl.String,
}
RUN = list(RUN_TYPES)


def cells_of(rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    """Returns sorted cells of rows (method, fold, seed, checkpoint, task, value)."""
    schema: Columns = {**RUN_TYPES, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").sort(RUN)
