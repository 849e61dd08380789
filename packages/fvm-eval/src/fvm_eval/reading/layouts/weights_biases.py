"""Exports of Weights & Biases, as Open RL Benchmark's: a column a run, or a history with its config."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from fvm_eval.reading.columns import plain, shown_name
from fvm_eval.reading.layouts.run_paths import cleanrl_run, seed_at_end
from fvm_eval.reading.source import ROW, Source
from fvm_eval.table import TableError

_RUN = re.compile(r"^(?P<run>.+) - (?P<metric>.+?)$")
_BOUNDS = ("__MIN", "__MAX")
_STEPS = ("global_step", "step", "charts_global_step", "timesteps")
_GROUP = re.compile(r"^[^:]+: ")
_TIMES = ("relative_time_process", "relative_time_wall", "relative_time", "wall_time")
_NAMED = re.compile(r"^(?P<method>.+?)[ _\-.]*(?:seed|run|s)?[ _\-=]*(?P<seed>\d+)$", re.IGNORECASE)


def is_export(columns: Sequence[str]) -> bool:
    """Returns whether the first column is a step and the others are "run - metric"."""
    if len(columns) < 2 or plain(columns[0]) not in (*_STEPS, *_TIMES):
        return False
    others = [column for column in columns[1:] if not shown_name(column).endswith(_BOUNDS)]
    return bool(others) and all(_RUN.match(column) for column in others)


def is_history(columns: Sequence[str]) -> bool:
    """Returns whether the columns are those of a run's history, most of whose rows log something else."""
    return bool({"_step", "_runtime", "_timestamp"} & set(columns))


def read_export(source: Source, metric: str | None = None) -> Source:
    """Returns a row a score of an export with a column a run.

    Args:
        source: The table.
        metric: Which metric is the score; needed where there are several.

    Raises:
        TableError: Several metrics, times in place of steps, two runs of one name, or a name that does not
            say its seed.
    """
    step, *others = source.columns
    if plain(step) in _TIMES:
        raise TableError(
            f"{source.name} is exported over {step!r}: choose Step or global_step as the chart's x axis"
        )
    if twice := next((column for column in others if shown_name(column) != column), None):
        name = shown_name(twice)
        raise TableError(f"{source.name} has several columns {name!r}: give each run a name of its own")
    runs = {
        column: match for column in others if not column.endswith(_BOUNDS) and (match := _RUN.match(column))
    }
    metrics = list(dict.fromkeys(match["metric"] for match in runs.values()))
    if metric is None and len(metrics) > 1:
        raise TableError(
            f"{source.name} has the metrics {', '.join(metrics)}: say which is the score by --map "
            f"score={metrics[0]}"
        )
    metric = metrics[0] if metric is None else metric
    runs = {column: match for column, match in runs.items() if match["metric"] == metric}
    if not runs:
        raise TableError(f"--map score={metric}: {source.name} has {', '.join(metrics)}")
    tables: list[pl.DataFrame] = []
    named_so: dict[tuple[str | None, ...], list[str]] = {}
    for column, match in runs.items():
        name = match["run"].strip()
        run = cleanrl_run(name)
        values = {"method": run.method, "task": run.task, "seed": run.seed} if run is not None else {}
        if run is None:
            named = None if _GROUP.match(name) else seed_at_end(_NAMED, name)
            if named is None:
                raise TableError(
                    f"{source.name}: the run {name!r} does not say its seed; export single runs, not groups, "
                    "named env__method__seed or method-seed"
                )
            values = {"method": named["method"], "seed": named["seed"]}
        named_so.setdefault(tuple(values.values()), []).append(name)
        rows = source.frame.select(ROW, env_step=pl.col(step), score=pl.col(column).cast(pl.String))
        rows = rows.filter(pl.col("score").is_not_null() & (pl.col("score").str.strip_chars() != ""))
        tables.append(rows.with_columns(**{role: pl.lit(value) for role, value in values.items()}))
    said = [
        *source.said,
        f"Weights & Biases' layout, {len(runs)} runs, score from {metric!r}, env step from {step!r}",
    ]
    if same := next((names for names in named_so.values() if len(names) > 1), None):
        both = " and ".join(map(repr, same[:2]))
        said.append(f"runs {both} have one method, task and seed, and count as one training")
    frame = pl.concat(tables, how="diagonal")
    return Source(source.name, frame, source.line_of, said, chosen=True, online=True)
