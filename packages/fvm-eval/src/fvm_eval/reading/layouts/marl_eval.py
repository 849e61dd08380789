"""The JSON of marl-eval (Gorsane et al. 2022): environment, task, algorithm, run, step, metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from fvm_eval.reading.source import Source, numbered
from fvm_eval.table import TableError

_NOT_SCORES = ("step_count", "elapsed_time")
_LIKELY = ("mean_episode_return", "episode_return", "return", "score", "win_rate", "success_rate")


def is_marl_eval(content: Any) -> bool:
    """Returns whether the JSON has steps with a step count five levels down."""
    return next(_steps(content), None) is not None


def read_marl_eval(content: Any, name: str, metric: str | None = None) -> Source:
    """Returns a row a value of the metric at each step of each run.

    A run's "absolute_metrics" are left out: they belong to its best checkpoint, chosen after looking.

    Args:
        content: The parsed JSON.
        name: Of the file.
        metric: Which one is the score; needed where there are several and none has a usual name.

    Raises:
        TableError: The metric does not exist, or nothing says which it is.
    """
    steps = list(_steps(content))
    metrics = list(dict.fromkeys(key for *_, at in steps for key in at if key not in _NOT_SCORES))
    usual = [key for key in _LIKELY if key in metrics]
    if metric is None:
        if len(metrics) != 1 and not usual:
            raise TableError(
                f"{name} has the metrics {', '.join(metrics)}: say which is the score by --map score=METRIC"
            )
        metric = metrics[0] if len(metrics) == 1 else usual[0]
    if metric not in metrics:
        raise TableError(f"--map score={metric}: {name} has no such metric, it has {', '.join(metrics)}")
    rows = []
    for task, method, run, _, at in steps:
        values = at.get(metric)
        for value in values if isinstance(values, list) else [values]:
            if value is not None:
                rows.append((method, run, task, at["step_count"], value))
    if not rows:
        raise TableError(f"{name} has no value of {metric}")
    schema = ["method", "seed", "task", "env_step", "score"]
    try:
        frame = pl.DataFrame(rows, schema=schema, orient="row", infer_schema_length=None)
    except (pl.exceptions.PolarsError, TypeError):
        raise TableError(f"{name}: the values of {metric} are not all numbers") from None
    numbers = {run: match[0] for run in frame["seed"].unique() if (match := re.search(r"\d+$", run))}
    if len(set(numbers.values())) == frame["seed"].n_unique():
        frame = frame.with_columns(pl.col("seed").replace_strict(numbers, return_dtype=pl.String))
    said = [f"marl-eval's layout, score from its metric {metric!r}"]
    if others := [key for key in metrics if key != metric]:
        said[0] += f" (it has {', '.join(others)} too: --map score={others[0]})"
    if any(_has_absolute(content)):
        said.append("its absolute metrics left out, since they are of the best checkpoint, not of the last")
    return Source(name, numbered(frame), None, said, chosen=True)


def _steps(content: Any) -> Iterator[tuple[str, str, str, str, Mapping[str, Any]]]:
    """Yields task, algorithm, run, step and its metrics."""
    for environment, tasks in _items(content):
        for task, algorithms in _items(tasks):
            for algorithm, runs in _items(algorithms):
                for run, steps in _items(runs):
                    for step, at in _items(steps):
                        if step != "absolute_metrics" and isinstance(at, dict) and "step_count" in at:
                            yield f"{environment}/{task}", algorithm, run, step, at


def _has_absolute(content: Any) -> Iterator[bool]:
    for _, tasks in _items(content):
        for _, algorithms in _items(tasks):
            for _, runs in _items(algorithms):
                for _, steps in _items(runs):
                    yield "absolute_metrics" in dict(_items(steps))


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    return iter(value.items()) if isinstance(value, dict) else iter(())
