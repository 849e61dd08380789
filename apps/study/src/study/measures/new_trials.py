"""The return by trial on many levels that nothing else uses, of pretrained agents that remember.

Few held-out levels leave a gain within a lifetime unsure. It takes no gradients: many new ones cost little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from study.arm_names import TRIAL_ARM
from study.claims.arms import NEW_TRIALS
from study.measures.columns import RUN
from study.registry import Measure, Ranges, Rows

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.jobs.evaluation import Context
    from study.plan import Job


def wanted(config: StudyConfig, job: Job) -> dict[str, Any] | None:
    """Returns levels and lifetimes; None where none are asked, and for agents that do not live in them."""
    evaluation, first = config.evaluation, config.new_levels_from
    if not evaluation.new_lifetimes or "reward_scale" not in job.spec:
        return None
    return {
        "tasks": [config.task_id(first + i) for i in range(evaluation.new_levels)],
        "lifetimes": evaluation.new_lifetimes,
        "trials": evaluation.trials,
        "max_steps": evaluation.max_steps,
        "num_envs": evaluation.num_envs,
    }


def play(agent: Any, context: Context) -> Rows:
    """Returns rows trial (from 1), score: the mean over levels and lifetimes."""
    tasks, lifetimes, trials = (context.settings[name] for name in ("tasks", "lifetimes", "trials"))
    agent = agent.remembering(None)
    if context.spec["config"]["trials"] == 1:  # its memory is reset at each
        single = context.play(agent, tasks, lifetimes * trials)
        scores = np.array([episode.score for episode in single]).reshape(-1, trials)
    else:
        scores = np.array([lived.trials for lived in context.play(agent, tasks, lifetimes, trials=trials)])
    return [{"trial": i + 1, "score": float(scores[:, i].mean())} for i in range(trials)]


def cells(rows: pl.DataFrame, ranges: Ranges) -> Mapping[str, pl.DataFrame]:
    """Returns cells with an arm for each trial; all levels have the range of the held-out ones."""
    low, high = next(iter(ranges.values()))
    named = rows.with_columns(
        method=pl.format(TRIAL_ARM, "method", "trial"),
        task=pl.lit("new levels"),
        value=(pl.col("score") - low) / (high - low),
    )
    return {NEW_TRIALS: named.select(*RUN, "value").sort(RUN)}


TRIALS_ON_NEW_LEVELS = Measure(
    name="new-trials", version=1, of="pretrain", wanted=wanted, play=play, cells=cells
)
