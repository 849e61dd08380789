"""How an agent that infers a latent plays with the one it inferred, with another task's, and with zero.

It tells a useless context from a posterior that is ignored or has collapsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl
from fvm_eval.curves import normalise
from fvm_learners.latent import LatentDistribution

from study.arm_names import LATENT_ARM
from study.claims.arms import BY_LATENT
from study.measures.columns import RUN
from study.registry import Measure, Ranges, Rows, everywhere

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.jobs.evaluation import Context
    from study.plan import Job


def wanted(config: StudyConfig, job: Job) -> Mapping[str, Any] | None:
    """Returns the episodes with each latent; None for agents that infer nothing."""
    infers = "context_window" in job.spec.get("config", {}) and job.spec["adaptation"] == "context"
    if not infers:
        return None
    episodes = config.evaluation.early_episodes or config.evaluation.episodes
    return {**everywhere(config, job), "episodes": episodes, "informed": True}


def play(agent: Any, context: Context) -> Rows:
    """Returns rows latent, task, env_step, episode, score.

    Another task's latent is what the agent infers of the first training task.
    """
    assert context.informed is not None
    spec, other = context.spec, context.pretraining["tasks"][0]
    parameter = next(agent.network.parameters())
    zero = LatentDistribution(*(parameter.new_zeros(1, agent.network.latent_size) for _ in range(2)))
    policies = {
        "inferred": agent,
        "another task's": agent.with_latent(context.informed(other).latent),
        "zero": agent.with_latent(zero),
    }
    episodes, env_step = context.settings["episodes"], spec["phase"]["env_steps"]
    return [
        {"latent": latent, **row}
        for latent, policy in policies.items()
        for row in context.score(policy, [spec["task"]], episodes, env_step)
    ]


def cells(rows: pl.DataFrame, ranges: Ranges) -> Mapping[str, pl.DataFrame]:
    """Returns cells with an arm for each latent that agents played with at the budget."""
    table = normalise(rows.filter(pl.col("task").is_in(list(ranges))), ranges)
    mean = table.group_by(*RUN, "latent").agg(value=pl.col("score").mean())
    arm = pl.format(LATENT_ARM, "method", "latent")
    return {BY_LATENT: mean.with_columns(method=arm).select(*RUN, "value").sort(RUN)}


LATENTS = Measure(name="latents", version=2, wanted=wanted, play=play, cells=cells)
