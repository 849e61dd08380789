"""The return by trial of agents that adapt within a lifetime, as RL2 does.

Lifetimes begin without memory, and go beyond the trials that the agent was trained with. An agent trained
with one trial, the control, has its memory reset at each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from fvm_eval.curves import normalise

from study.arm_names import TRIAL_ARM
from study.claims.arms import TRIALS
from study.measures.columns import RUN
from study.registry import Findings, Finished, Measure, Ranges, Rows

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.jobs.evaluation import Context
    from study.plan import Job

TABLE = "trials.parquet"


def wanted(config: StudyConfig, job: Job) -> dict[str, Any] | None:
    """Returns lifetimes and trials; None for agents that do not adapt in their memory alone."""
    if "reward_scale" not in job.spec or job.spec["adaptation"] != "context":
        return None
    evaluation = config.evaluation
    names = ("lifetimes", "trials", "max_steps", "num_envs")
    return {name: getattr(evaluation, name) for name in names}


def play(agent: Any, context: Context) -> Rows:
    """Returns rows task, lifetime, trial (from 1), score."""
    settings, task = context.settings, context.spec["task"]
    agent = agent.remembering(None)
    lifetimes, trials = settings["lifetimes"], settings["trials"]
    if context.spec["config"]["trials"] == 1:
        single = context.play(agent, [task], lifetimes * trials)
        scores = np.array([episode.score for episode in single]).reshape(lifetimes, trials)
    else:
        scores = np.array([lived.trials for lived in context.play(agent, [task], lifetimes, trials=trials)])
    return [
        {"task": task, "lifetime": lifetime, "trial": number + 1, "score": float(scores[lifetime, number])}
        for lifetime in range(lifetimes)
        for number in range(trials)
    ]


def by_trial(trials: pl.DataFrame, ranges: Ranges) -> pl.DataFrame:
    """Returns cells with an arm for each trial of each method, normalised."""
    mean = normalise(trials, ranges).group_by(*RUN, "trial").agg(value=pl.col("score").mean())
    arm = pl.format(TRIAL_ARM, "method", "trial")
    return mean.with_columns(method=arm).select(*RUN, "value").sort(RUN)


def findings(finished: Finished) -> Findings:
    """Returns cells, and the trials themselves for the report's figure."""
    rows = finished.rows(TRIALS_OF_LIFETIMES)
    if rows.is_empty():
        return Findings()
    trials = rows.select(*RUN, "lifetime", "trial", "score")
    kept = trials.filter(pl.col("task").is_in(list(finished.ranges)))
    trained = {  # a memory that is reset at each trial has no horizon to go beyond
        job.method: job.spec["config"]["trials"]
        for job in finished.adaptations
        if "reward_scale" in job.spec and job.spec["config"]["trials"] > 1
    }
    return Findings(
        cells={TRIALS: by_trial(kept, finished.ranges)},
        shown={"trials": kept, "trained_trials": trained},
        tables={TABLE: trials},
    )


TRIALS_OF_LIFETIMES = Measure(name="trials", version=1, wanted=wanted, play=play, findings=findings)
