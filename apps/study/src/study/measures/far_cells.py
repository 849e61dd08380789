"""What fine-tuning lost of what the pretrained agent could do where it does not go (FAR), for claim C11.

The score lost is the frozen teacher's minus the fine-tuned agent's mean over a window of env steps that was
fixed beforehand, never its minimum. It is called forgetting only if the teacher can do it, and if fine-tuning
hardly visits FAR in that window.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from fvm_eval.claims import Precondition, pretraining_learned

from study.claims.arms import FAR_DROP
from study.claims.retention import TEACHER, UNVISITED
from study.measures.columns import RUN
from study.registry import Findings

KEPT = "+"  # in the name of a method that keeps something, and so may be in FAR soon
VISITED = 0.05  # share of a window's env steps in FAR below which it counts as not visited


def far_findings(
    rows: pl.DataFrame, window: tuple[int, int], score_bounds: tuple[float, float] | None = None
) -> Findings:
    """Returns the cells of the score lost on FAR, and whether that may be called forgetting.

    Args:
        rows: Columns method, fold, seed, checkpoint, task, env_step, policy ("agent", "teacher", "random"),
            place ("FAR", "CLOSE"), episode, score, far_frac: share of fine-tuning's env steps so far that
            were in FAR, null of other policies.
        window: First and last env step of fine-tuning over which the agent's scores are averaged.
        score_bounds: Lowest and highest possible score; None where unknown.

    Raises:
        ValueError: No agent was asked within the window.
    """
    first, last = window
    far = rows.filter(place="FAR")
    agents = far.filter(pl.col("policy") == "agent")
    within = agents.filter(pl.col("env_step").is_between(first, last))
    if within.is_empty():
        steps = sorted(agents["env_step"].unique().to_list())
        raise ValueError(f"no agent was asked between env steps {first} and {last}; they were at {steps}")
    plain = agents.filter(~pl.col("method").str.contains(KEPT, literal=True))
    unit = ["fold", "checkpoint"]
    teachers = _mean(far.filter(policy="teacher"), unit, "teacher")
    cells = _mean(within, RUN, "kept").join(teachers, on=unit)
    cells = cells.with_columns(value=pl.col("teacher") - pl.col("kept")).select(*RUN, "value").sort(RUN)
    return Findings(
        cells={FAR_DROP: cells}, preconditions=[teacher_can(far, score_bounds), not_visited(plain, window)]
    )


def teacher_can(far: pl.DataFrame, score_bounds: tuple[float, float] | None = None) -> Precondition:
    """Returns whether the frozen teachers beat random play on FAR by an interval over checkpoints."""
    scores = {
        policy: _mean(far.filter(policy=policy), ["fold", "checkpoint"], "score")["score"].to_list()
        for policy in ("teacher", "random")
    }
    return pretraining_learned(scores["teacher"], scores["random"], name=TEACHER, score_bounds=score_bounds)


def not_visited(agents: pl.DataFrame, window: tuple[int, int]) -> Precondition:
    """Returns whether fine-tuning of each method spent less than that share of the window's steps in FAR.

    The share within a window follows from the shares up to its ends: (b f(b) - a f(a)) / (b - a).
    """
    key = [*RUN, "env_step"]
    shares = agents.group_by(key).agg(pl.col("far_frac").mean()).sort(key)
    worst, where = 0.0, ""
    for run, mine in shares.group_by(RUN, maintain_order=True):
        steps, frac = mine["env_step"].to_numpy(), mine["far_frac"].to_numpy().astype(float)
        inside = (steps >= window[0]) & (steps <= window[1])
        last = int(steps[inside].max()) if inside.any() else 0
        before = steps[steps < window[0]]
        start = int(before.max()) if len(before) else 0
        if last <= start or not np.isfinite(frac[steps == last]).all():
            return Precondition(UNVISITED, None, f"not counted for {run[0]}")
        began = float(frac[steps == start][0]) * start if len(before) and start else 0.0
        share = (float(frac[steps == last][0]) * last - began) / (last - start)
        if share >= worst:
            worst, where = share, str(run[0])
    return Precondition(
        UNVISITED, worst < VISITED, f"at most {worst:.1%} of the steps, of {where}".replace("%", " %")
    )


def _mean(rows: pl.DataFrame, key: list[str], name: str) -> pl.DataFrame:
    return rows.group_by(key).agg(pl.col("score").mean().alias(name)).sort(key)
