"""Zero-shot score of pretrained agents on many levels that nothing else uses, one episode each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl
from fvm_eval.analysis.study_results import NEW_LEVELS

from study.measures.columns import RUN
from study.registry import Measure, Ranges, Rows

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.jobs.evaluation import Context
    from study.plan import Job


def wanted(config: StudyConfig, job: Job) -> dict[str, Any] | None:
    """Returns the levels; None where a study has none for this."""
    evaluation, first = config.evaluation, config.new_levels_from
    if not evaluation.new_levels:
        return None
    return {
        "tasks": [config.task_id(first + i) for i in range(evaluation.new_levels)],
        "max_steps": evaluation.max_steps,
        "num_envs": evaluation.num_envs,
    }


def play(agent: Any, context: Context) -> Rows:
    """Returns rows task, env_step, episode, score."""
    return context.score(agent, context.settings["tasks"], 1, context.spec["phase"]["env_steps"])


def cells(rows: pl.DataFrame, ranges: Ranges) -> Mapping[str, pl.DataFrame]:
    """Returns cells of the mean score; all levels have the range of the held-out ones."""
    low, high = next(iter(ranges.values()))
    mean = rows.group_by("method", "fold", "seed", "checkpoint").agg(pl.col("score").mean())
    value = (pl.col("score") - low) / (high - low)
    return {
        NEW_LEVELS: mean.with_columns(value=value, task=pl.lit("new levels")).select(*RUN, "value").sort(RUN)
    }


ZERO_SHOT_LEVELS = Measure(name="new-levels", version=1, of="pretrain", wanted=wanted, play=play, cells=cells)
