"""Columns that nobody named and that say something: a setting whose rows would be averaged as episodes.

A table of two learning rates, or of training and evaluation scores, has several rows a run. Where nothing
numbers them they count as the run's episodes, and a mean over settings looks like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from fvm_eval.reading.columns import plain, shown_name
from fvm_eval.reading.numerals import whole
from fvm_eval.reading.source import ORIGIN, ROW

_RUN = ("method", "fold", "seed", "checkpoint", "task", "env_step")
_MEASURED = re.compile(r"(?:^|_)(?:l|t|len|length|time|duration|seconds|date|fps|sps)(?:_|$)|^$")
_MOST = 0.9  # of the runs that have each value, and each as often: what was measured falls out by chance
_SHOWN = 3


def averaged(frame: pl.DataFrame, found: Mapping[str, str]) -> list[str]:
    """Returns what must be said of columns by whose values the rows of a run are told apart.

    A column is one where nearly every run has each of its values, each of them equally often.

    Args:
        frame: A source's rows.
        found: The column of each role that has one.
    """
    run = [found[role] for role in _RUN if role in found]
    if "episode" in found or not run:
        return []
    used = {ROW, ORIGIN, *found.values()}
    left = [c for c in frame.columns if c not in used and not _MEASURED.search(plain(shown_name(c)))]
    if not left:
        return []
    runs = frame.group_by(run).len()
    several = int((runs["len"] > 1).sum())
    if several < 2:
        return []
    return [_said(frame, column) for column in left if _crossed(frame, run, column, several)]


def _crossed(frame: pl.DataFrame, run: list[str], column: str, runs: int) -> bool:
    if frame[column].n_unique() > len(frame) / (_MOST * runs):
        return False
    cells = frame.group_by([*run, column]).len(name="rows")
    usual = pl.col("rows") == pl.col("rows").mode().first()
    by_value = cells.group_by(column).agg(alike=usual.sum())["alike"]
    return len(by_value) > 1 and bool((by_value >= _MOST * runs).all())


def _said(frame: pl.DataFrame, column: str) -> str:
    values = frame[column].unique().sort().cast(pl.String).drop_nulls().to_list()
    listed = ", ".join(values[:_SHOWN]) + ", ..." * (len(values) > _SHOWN)
    name = shown_name(column)
    text = (
        f"each run has rows of several {name!r} ({listed}), averaged here as its episodes: if it is a "
        "setting, keep one or write it into the method’s name"
    )
    if whole(frame[column]).null_count():
        return text
    return f"{text}; if it counts steps or episodes, --map env_step={name} or --map episode={name}"
