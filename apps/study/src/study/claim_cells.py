"""The tables that claims are decided on besides the adaptation curves: trials, new levels, device seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from fvm_eval.curves import normalise, run_curves, time_to_threshold, value_at

from study.errors import StudyError
from study.plan import Job
from study.store import Store

RUN = ["method", "fold", "seed", "checkpoint", "task"]
Ranges = Mapping[str, tuple[float, float]]
TRIALS_TABLE = "trials.parquet"
MOMENTS_TABLE = "moments.parquet"  # of a study with PEARL: cells before and after adaptation


def trials_table(adaptations: Sequence[Job], store: Store) -> pl.DataFrame | None:
    """Returns method, fold, seed, checkpoint, task, lifetime, trial, score of all lifetimes; None without."""
    mine = [
        job for job in adaptations if job.spec["paradigm"] == "rl2" and job.spec["adaptation"] == "context"
    ]
    return store.table(mine, "trials").select(*RUN, "lifetime", "trial", "score") if mine else None


def by_trial(trials: pl.DataFrame, ranges: Ranges) -> pl.DataFrame:
    """Returns cells with an arm for each trial of each method, normalised."""
    mean = normalise(trials, ranges).group_by(*RUN, "trial").agg(value=pl.col("score").mean())
    arm = pl.format("{} trial {}", "method", "trial")
    return mean.with_columns(method=arm).select(*RUN, "value").sort(RUN)


def new_levels(
    pretrainings: Sequence[Job], store: Store, score_range: tuple[float, float]
) -> pl.DataFrame | None:
    """Returns cells of the pretrained agents' mean score on levels that nothing else uses; None without."""
    table = store.table([job for job in pretrainings if "new_tasks" in job.spec], "new_levels")
    if table.is_empty():
        return None
    low, high = score_range
    mean = table.group_by("method", "fold", "seed", "checkpoint").agg(pl.col("score").mean())
    value = (pl.col("score") - low) / (high - low)
    return mean.with_columns(value=value, task=pl.lit("new levels")).select(*RUN, "value").sort(RUN)


def seconds(pretrainings: Sequence[Job], store: Store) -> pl.DataFrame:
    """Returns cells of the logarithm of what each pretraining took of its device."""
    rows = [
        (job.method, job.fold, job.seed, job.checkpoint, "pretraining", math.log(_device_s(job, store)))
        for job in pretrainings
    ]
    return _cells(rows)


def seconds_to_score(
    pretrainings: Sequence[Job], adaptations: Sequence[Job], episodes: pl.DataFrame, budget: int, store: Store
) -> pl.DataFrame | None:
    """Returns cells of the log device seconds until an agent reaches scratch's mean final score on a task.

    Pretraining counts whole, adaptation up to the first snapshot that reaches the score; a run that never
    does counts whole, a lower bound. None without scratch.
    """
    runs = run_curves(episodes)
    scratch = value_at(runs.filter(pl.col("method") == "scratch"), budget)
    if scratch.is_empty():
        return None
    took = {job.checkpoint: _device_s(job, store) for job in pretrainings}
    adapted = {(job.method, job.seed, job.spec["task"]): _device_s(job, store) for job in adaptations}
    rows = []
    for (task,), mine in scratch.group_by("task"):
        threshold = float(mine["value"].to_numpy().mean())
        others = runs.filter((pl.col("task") == task) & (pl.col("method") != "scratch"))
        for run in time_to_threshold(others, threshold, budget).iter_rows(named=True):
            if run["checkpoint"] in took:
                own = adapted[run["method"], run["seed"], task] * run["value"] / budget
                rows.append((*(run[name] for name in RUN), math.log(took[run["checkpoint"]] + own)))
    return _cells(rows)


def control_cells(folder: Path) -> pl.DataFrame:
    """Returns the cells of a finished toy study, in which RL2 or PEARL is known to have something to gain.

    Raises:
        StudyError: The folder holds no such table.
    """
    cells = []
    if (folder / TRIALS_TABLE).is_file():
        table = pl.read_parquet(folder / TRIALS_TABLE)
        cells.append(by_trial(table, dict.fromkeys(table["task"].unique().to_list(), (0.0, 1.0))))
    if (folder / MOMENTS_TABLE).is_file():
        cells.append(pl.read_parquet(folder / MOMENTS_TABLE))
    if not cells:
        raise StudyError(
            f"{folder} is no finished study with RL² or PEARL (it has neither {TRIALS_TABLE} nor "
            f"{MOMENTS_TABLE}); run `study --benchmark toy` first and name .../toy-schedules/hidden-catch "
            "for RL² or .../toy-pearl/hidden-long-catch for PEARL"
        )
    return pl.concat(cells)


def by_task(episodes: pl.DataFrame, budget: int) -> pl.DataFrame:
    """Returns cells with an arm for each method on each task, at the budget."""
    values = value_at(run_curves(episodes), budget)
    return values.with_columns(method=pl.format("{} on {}", "method", "task")).select(*RUN, "value").sort(RUN)


def by_moment(episodes: pl.DataFrame, budget: int) -> pl.DataFrame:
    """Returns cells with an arm for each method before adaptation and at the budget."""
    runs = run_curves(episodes)
    parts = [
        value_at(runs, step).with_columns(method=pl.format("{} at {}", "method", pl.lit(when)))
        for step, when in ((0, "0"), (budget, "the budget"))
    ]
    return pl.concat(parts).select(*RUN, "value").sort(RUN)


def by_latent(adaptations: Sequence[Job], ranges: Ranges, store: Store) -> pl.DataFrame | None:
    """Returns cells with an arm for each latent that PEARL's agents played with at the budget."""
    mine = [
        job for job in adaptations if job.spec["paradigm"] == "pearl" and job.spec["adaptation"] == "context"
    ]
    if not mine:
        return None
    table = normalise(store.table(mine, "latents").filter(pl.col("task").is_in(list(ranges))), ranges)
    mean = table.group_by(*RUN, "latent").agg(value=pl.col("score").mean())
    arm = pl.format("{}, z {}", "method", "latent")
    return mean.with_columns(method=arm).select(*RUN, "value").sort(RUN)


def _device_s(job: Job, store: Store) -> float:
    return max(float(store.note(job, "costs")["device_s"]), 1e-3)


def _cells(rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    schema = {
        "method": pl.String,
        "fold": pl.Int64,
        "seed": pl.Int64,
        "checkpoint": pl.String,
        "task": pl.String,
        "value": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row").sort(RUN)
