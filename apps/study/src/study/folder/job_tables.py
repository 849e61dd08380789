"""The tables of finished jobs: read many at a time, since a job's own is small and there are thousands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from study.folder.files import Damaged
from study.folder.tables import Columns
from study.plan import Job

AT_ONCE = 2000  # files: each of their rows has a path beside it meanwhile
FILE = "its file"  # the column of those paths
COLUMNS_OF: Mapping[str, Columns] = {  # of the tables that every training or baseline leaves
    "episodes": {"task": pl.String, "env_step": pl.Int64, "episode": pl.Int64, "score": pl.Float64},
    "online": {"env_step": pl.Int64, "episodes": pl.Int64, "return": pl.Float64, "length": pl.Float64},
    "metrics": {"metric": pl.String, "env_step": pl.Int64, "value": pl.Float64},
}


def read_tables(paths: Sequence[Path]) -> tuple[pl.DataFrame, list[int]]:
    """Returns the rows of parquet files one after the other, and how many each file has.

    Polars takes a tenth of the time for many together.

    Raises:
        Damaged: One of them cannot be read, or they have not all the same columns and types.
    """
    names = [str(path.absolute()) for path in paths]  # Polars takes ~ for a home
    try:
        table = pl.read_parquet(names, glob=False, include_file_paths=FILE)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of Polars is no Exception
        raise Damaged(f"one of {len(names)} tables is damaged or unlike the others: {error}") from None
    heights = dict(table[FILE].value_counts().iter_rows())
    return table.drop(FILE), [heights.get(name, 0) for name in names]


def labelled(
    tables: Sequence[pl.DataFrame], heights: Sequence[int], jobs: Sequence[Job], tasks: bool
) -> pl.DataFrame:
    """Returns the rows of jobs' tables together, with the labels that they do not have themselves.

    Args:
        tables: Rows of one job or several each, in the jobs' order.
        heights: How many rows each job has.
        jobs: Whose method, fold, seed and checkpoint the rows get.
        tasks: Whether they get the job's task too.
    """
    rows = np.repeat(np.arange(len(jobs)), heights)
    table = pl.concat(tables, how="diagonal")
    labels = {name: [getattr(job, name) for job in jobs] for name in ("method", "fold", "seed", "checkpoint")}
    if tasks:
        labels["task"] = [str(job.spec.get("task", "")) for job in jobs]
    for name, values in labels.items():
        label = pl.Series(name, values)
        if label.dtype.is_integer() and max(values) < 2**31:
            label = label.cast(pl.Int32)
        label = label.gather(rows)
        table = table.with_columns(table[name].fill_null(label) if name in table.columns else label)
    return table
