"""The score at the budget task by task, for claims that must hold on every one."""

from __future__ import annotations

import polars as pl
from fvm_eval.curves import run_curves, value_at

from study.arm_names import TASK_ARM
from study.claims.arms import BY_TASK
from study.measures.columns import RUN
from study.registry import Findings, Finished, Measure


def by_task(episodes: pl.DataFrame, budget: int) -> pl.DataFrame:
    """Returns cells with an arm for each method on each task, at the budget."""
    values = value_at(run_curves(episodes), budget)
    arm = pl.format(TASK_ARM, "method", "task")
    return values.with_columns(method=arm).select(*RUN, "value").sort(RUN)


def findings(finished: Finished) -> Findings:
    """Returns those cells."""
    return Findings(cells={BY_TASK: by_task(finished.episodes, finished.config.adapt.env_steps)})


TASKS = Measure(name="tasks", findings=findings)
