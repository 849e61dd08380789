"""Series of a report: means with 95 % limits along env steps, trials, or numbers of training tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from fvm_eval.analysis.study_results import NEW_LEVELS, StudyResults
from fvm_eval.curves import normalise
from fvm_eval.statistics.intervals import Interval, mean_interval
from fvm_eval.statistics.variance import known_redrawn

_BINS = 20
_LIMITS = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64}


def returns(study: StudyResults, table: pl.DataFrame | None) -> pl.DataFrame | None:
    """Returns method, env_step, value, low, high of training episodes in bins of env steps.

    The limits, over seeds, are those of the last bin; they are null before.

    Args:
        study: Whose score ranges normalise what `is_raw` says cannot be shown raw.
        table: Columns method, seed, env_step, return, perhaps task; each task weighs the same.
    """
    if table is None or table.is_empty():
        return None
    cells = _binned(study, table)
    key = ["method", "env_step"]
    tasks = cells.group_by([*key, "task"]).agg(pl.col("value").mean()).sort([*key, "task"])
    means = tasks.group_by(key).agg(pl.col("value").mean()).sort(key)
    ends = []
    for (method,), mine in cells.group_by("method", maintain_order=True):
        last = mine.filter(pl.col("env_step") == pl.col("env_step").max())
        interval = mean_interval(last.with_columns(fold=0, checkpoint=pl.col("seed").cast(pl.String)))
        ends.append((method, last["env_step"][0], interval.low, interval.high))
    limits = {name: _LIMITS[name] for name in ("low", "high")}
    schema = {"method": pl.String, "env_step": pl.Float64, **limits}
    return means.join(pl.DataFrame(ends, schema=schema, orient="row"), on=key, how="left").sort(key)


def is_raw(study: StudyResults, table: pl.DataFrame) -> bool:
    """Returns whether returns are shown as they are: not where tasks with different ranges are averaged."""
    ranges = study.score_ranges or {}
    tasks = set(table["task"].unique()) if "task" in table.columns else {""}
    return not tasks <= set(ranges) or len({ranges[task] for task in tasks}) == 1


def seed_returns(study: StudyResults, table: pl.DataFrame) -> pl.DataFrame:
    """Returns method, seed, env_step, value: the lines of single seeds behind `returns`."""
    key = ["method", "seed", "env_step"]
    return _binned(study, table).group_by(key).agg(pl.col("value").mean()).sort(key)


def trial_curves(study: StudyResults) -> pl.DataFrame | None:
    """Returns method, trial, value, low, high: mean return by trial within a lifetime; None without trials.

    A checkpoint's lifetimes are averaged first, then its tasks.
    """
    table = study.trials
    if table is None or table.is_empty():
        return None
    if study.score_ranges is not None:
        table = normalise(table, study.score_ranges)
    key = ["method", "trial", "fold", "checkpoint", "task"]
    cells = table.group_by(key).agg(value=pl.col("score").mean()).sort(key)
    cells = known_redrawn(cells, study.redrawn_splits)
    rows = []
    for (method, trial), at in cells.group_by("method", "trial", maintain_order=True):
        interval = mean_interval(at)
        rows.append((method, trial, interval.mean, interval.low, interval.high))
    return pl.DataFrame(rows, schema={"method": pl.String, "trial": pl.Int64, **_LIMITS}, orient="row")


def zero_shot_by_size(study: StudyResults, jump_start: Mapping[str, Interval]) -> pl.DataFrame | None:
    """Returns method, family, size, value, low, high; size is null where a method belongs to every size.

    From the cells on new levels where they were given, else from the curves at env step 0. None where no
    family has two sizes.

    Args:
        study: Says which methods share a family, and their sizes.
        jump_start: By method, at env step 0; empty where the curves begin later.
    """
    found = dict(jump_start)
    if NEW_LEVELS in study.cells:
        table = study.cells[NEW_LEVELS]
        arms: Sequence[str] = table["method"].unique().sort().to_list()
        found = {arm: mean_interval(table.filter(pl.col("method") == arm)) for arm in arms}
    counts: dict[str, set[int]] = {}
    for method in found:
        if method in study.train_sizes:
            counts.setdefault(study.family(method), set()).add(study.train_sizes[method])
    if max(map(len, counts.values()), default=0) < 2:
        return None
    rows = [
        (method, study.family(method), study.train_sizes.get(method), at.mean, at.low, at.high)
        for method, at in found.items()
    ]
    schema = {"method": pl.String, "family": pl.String, "size": pl.Int64, **_LIMITS}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("family", "size")


def _binned(study: StudyResults, table: pl.DataFrame) -> pl.DataFrame:
    """Returns method, seed, task, env_step (the bin's middle), value."""
    if not is_raw(study, table):
        scored = normalise(table.rename({"return": "score"}), study.score_ranges or {})
        table = scored.rename({"score": "return"})
    if "task" not in table.columns:
        table = table.with_columns(task=pl.lit("training"))
    width = max(float(table["env_step"].to_numpy().max()), 1.0) / _BINS
    middle = ((pl.col("env_step") / width).floor().clip(upper_bound=_BINS - 1) + 0.5) * width
    key = ["method", "env_step", "seed", "task"]
    binned = table.with_columns(env_step=middle).sort([*key, "return"]).group_by(key, maintain_order=True)
    return binned.agg(value=pl.col("return").mean())
