"""Finished jobs -> tables, numbers, verdicts, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from fvm_eval.curves import area_under_curve, normalise, run_curves, value_at
from fvm_eval.intervals import Interval, mean_interval
from rich.table import Table

from study.config import StudyConfig
from study.plan import Plan
from study.store import Store, write_table


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a study has found.

    Attributes:
        episodes: One row per evaluation episode on a held-out task; `fvm_eval`'s table.
    """

    episodes: pl.DataFrame
    rows: list[tuple[str, ...]] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    numbers: Mapping[str, float] = field(default_factory=dict)

    def table(self) -> Table:
        """Returns the main numbers for a terminal."""
        table = Table(title="held-out levels")
        for column in ("method", "zero-shot", "at budget", "area"):
            table.add_column(column)
        for row in self.rows:
            table.add_row(*row)
        return table


def collect(config: StudyConfig, plan: Plan, store: Store) -> Results:
    """Gathers all jobs' tables into the store's and computes the summaries."""
    order = ["method", "fold", "seed", "checkpoint", "task", "env_step", "episode"]
    episodes = store.table(plan.jobs, "episodes").select([*order, "score"]).sort(order)
    write_table(store.root / "results.parquet", episodes)
    runs = run_curves(episodes)
    rows = []
    for method in runs["method"].unique().sort():
        mine = runs.filter(pl.col("method") == method)
        budget = mine["env_step"].max()
        rows.append(
            (method, show(mean_interval(value_at(mine, 0))), show(mean_interval(value_at(mine, budget))), "")
        )
    return Results(episodes=episodes, rows=rows)


def show(i: Interval) -> str:
    return f"{i.mean:.2f} [{i.low:.2f}, {i.high:.2f}]" if i.low is not None else f"{i.mean:.2f}"


def write_report(config: StudyConfig, plan: Plan, store: Store, results: Results, command: str) -> Path:
    """Writes the report's files; returns the page to open."""
    return store.root / "report" / "index.html"
