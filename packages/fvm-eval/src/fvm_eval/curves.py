"""Adaptation curves and their summaries: value at budget, area, jump-start, time to threshold, forgetting.

A *run* is one adaptation: one checkpoint on one task. Its curve is the mean score of deployment episodes at
each env step. Runs are averaged over tasks with equal weight, whatever number of episodes each had. A
summary turns each run into one number, a *cell* (method, fold, seed, checkpoint, task, value); intervals
are computed from cells. The jump-start over scratch is the difference of two methods' cells at env step 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from fvm_eval.statistics.contrasts import EPISODES
from fvm_eval.statistics.intervals import mean_interval
from fvm_eval.statistics.variance import REDRAWN, known_redrawn
from fvm_eval.table import TableError, coded, spelt

Summary = Callable[[npt.NDArray[np.int64], npt.NDArray[np.float64]], float]
_EXACT = 1e-9
RUN = ["method", "fold", "seed", "checkpoint", "task"]


def normalise(episodes: pl.DataFrame, score_ranges: Mapping[str, tuple[float, float]]) -> pl.DataFrame:
    """Returns the table with scores mapped so that each task's (min, max) becomes (0, 1).

    Raises:
        TableError: A task has no range, or an empty one.
    """
    tasks = episodes["task"].unique().to_list()
    missing = sorted(set(tasks) - set(score_ranges))
    if missing:
        raise TableError(f"no score range for {', '.join(missing[:5])}; give (min, max) for every task")
    flat = [task for task in tasks if not score_ranges[task][0] < score_ranges[task][1]]
    if flat:
        raise TableError(f"the score range {score_ranges[flat[0]]} of {flat[0]} is empty; expected min < max")
    low = pl.col("task").replace_strict(
        {t: float(score_ranges[t][0]) for t in tasks}, return_dtype=pl.Float64
    )
    high = pl.col("task").replace_strict(
        {t: float(score_ranges[t][1]) for t in tasks}, return_dtype=pl.Float64
    )
    return episodes.with_columns(score=(pl.col("score") - low) / (high - low)) if tasks else episodes


def run_curves(episodes: pl.DataFrame, *, score_bounds: tuple[float, float] | None = None) -> pl.DataFrame:
    """Returns one row per run and env step: `value` is the mean over its `episodes`.

    Where every score is one of the two bounds, values are success rates: `won_of` says of how many episodes
    (`fvm_eval.statistics.contrasts`).

    Args:
        episodes: The episode table.
        score_bounds: The scores' (min, max); None where unknown.
    """
    point = [*RUN, "env_step"]
    means = coded(episodes.select(*point, "score")).group_by(point, maintain_order=True)
    runs = spelt(means.agg(value=pl.col("score").mean(), episodes=pl.len())).sort(point)
    if score_bounds is None or not len(runs):
        return runs
    low, high = score_bounds
    at_ends = ((pl.col("score") - low).abs() < _EXACT) | ((pl.col("score") - high).abs() < _EXACT)
    won = bool(episodes.select(at_ends.all()).item())
    return runs.with_columns(won_of=pl.col("episodes").cast(pl.Int64)) if won else runs


def checkpoint_curves(runs: pl.DataFrame) -> pl.DataFrame:
    """Returns one row per checkpoint and env step: `value` is the task-equal mean over its `tasks`."""
    key = ["method", "fold", "checkpoint", "env_step"]
    by_task = runs.group_by([*key, "task"]).agg(pl.col("value").mean())
    return by_task.group_by(key).agg(value=pl.col("value").mean(), tasks=pl.len()).sort(key)


def pooled_curves(runs: pl.DataFrame, *, score_bounds: tuple[float, float] | None = None) -> pl.DataFrame:
    """Returns method, env_step, value, low, high, checkpoints; limits are null where there is no interval.

    Args:
        runs: From `run_curves`.
        score_bounds: The scores' (min, max), for points where all checkpoints agree.
    """
    rows = []
    for (method, env_step), cells in runs.sort("method", "env_step").group_by(
        "method", "env_step", maintain_order=True
    ):
        interval = mean_interval(cells, score_bounds=score_bounds)
        rows.append((method, env_step, interval.mean, interval.low, interval.high, interval.checkpoints))
    schema = {
        "method": pl.String,
        "env_step": pl.Int64,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "checkpoints": pl.Int64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def value_at(runs: pl.DataFrame, env_step: int) -> pl.DataFrame:
    """Returns each run's value at exactly this env step; the last checkpoint, never the best.

    Raises:
        TableError: A run has no evaluation there.
    """
    cells = runs.filter(pl.col("env_step") == env_step)
    lacking = runs.select(RUN).unique().join(cells.select(RUN), on=RUN, how="anti").sort(RUN)
    if len(lacking):
        first = ", ".join(f"{name}={value}" for name, value in lacking.row(0, named=True).items())
        raise TableError(
            f"{len(lacking)} of {len(runs.select(RUN).unique())} runs have no evaluation at env_step "
            f"{env_step}, the first is {first}; finish them or compare at a step all of them reached"
        )
    known = [name for name in (EPISODES, REDRAWN) if name in cells.columns]
    return cells.select([*RUN, "value", *known]).sort(RUN)


def begin_at_0(table: pl.DataFrame) -> bool:
    """Whether every run of the table, or of its episodes, has an evaluation at env step 0."""
    first = coded(table.select(*RUN, "env_step")).group_by(RUN).agg(pl.col("env_step").min())
    return bool((first["env_step"] == 0).all())


def area_under_curve(runs: pl.DataFrame, budget: int) -> pl.DataFrame:
    """Returns each run's area under the curve from 0 to the budget, divided by the budget (trapezoids).

    Raises:
        TableError: A run has no evaluation at 0 or at the budget.
        ValueError: The budget is below 1.
    """
    if budget < 1:
        raise ValueError(f"budget={budget}: an area needs a budget of 1 env step or more")
    for end in (0, budget):
        value_at(runs, end)

    def area(step: npt.NDArray[np.int64], value: npt.NDArray[np.float64]) -> float:
        return float(np.sum((value[1:] + value[:-1]) / 2 * np.diff(step))) / budget

    return _per_run(runs, area, budget)


def time_to_threshold(runs: pl.DataFrame, threshold: float, budget: int) -> pl.DataFrame:
    """Returns each run's first evaluated env step with a value >= threshold, and whether it is `censored`.

    A censored run never got there within the budget; its `value` is the budget, so the mean over runs is the
    restricted mean time, a lower bound.
    """

    def first(step: npt.NDArray[np.int64], value: npt.NDArray[np.float64]) -> float:
        reached = step[value >= threshold]
        return float(reached[0]) if len(reached) else np.inf

    cells = _per_run(runs, first, budget)
    return cells.with_columns(
        value=pl.col("value").clip(upper_bound=budget), censored=pl.col("value").is_infinite()
    )


def forgetting(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Returns cells of training-task value before adaptation minus after; positive means forgotten.

    Args:
        before: Cells on training tasks, of the checkpoints.
        after: Cells on the same tasks, of the same checkpoints after adaptation.
    """
    later = after.select([*RUN, pl.col("value").alias("after")])
    joined = before.join(later, on=RUN, how="inner")
    return joined.with_columns(value=pl.col("value") - pl.col("after")).select([*RUN, "value"]).sort(RUN)


def _per_run(runs: pl.DataFrame, summary: Summary, budget: int) -> pl.DataFrame:
    rows = []
    within = runs.filter(pl.col("env_step") <= budget).sort([*RUN, "env_step"])
    for key, run in within.group_by(RUN, maintain_order=True):
        rows.append((*key, summary(run["env_step"].to_numpy(), run["value"].to_numpy())))
    schema = {name: runs.schema[name] for name in RUN} | {"value": pl.Float64()}
    return known_redrawn(pl.DataFrame(rows, schema=schema, orient="row"), REDRAWN in runs.columns)
