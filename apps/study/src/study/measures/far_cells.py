"""What is lost on FAR while fine-tuning, and whether that is forgetting: pure functions of a table.

The table has a row an episode: method, fold, seed, checkpoint, task (adapted to), env_step, policy ("agent",
"teacher" or "random"), episode, score (normalised), far_frac (of an agent: the share of the adaptation's env
steps so far that lay in FAR, null where nobody knows).
"""

from __future__ import annotations

import polars as pl
from fvm_eval.claims import Precondition, pretraining_learned

from study.claims.arms import FAR_DROP
from study.claims.retention import TEACHER, UNVISITED
from study.measures.columns import RUN
from study.registry import Findings

MOST_VISITED = 0.05  # of fine-tuning's steps in the window, for what is lost to be forgetting
KEPT = "+"  # in the names of methods that keep something


def far_findings(table: pl.DataFrame, window: tuple[int, int]) -> Findings:
    """Returns cells of what each run lost on FAR, and C11's two conditions.

    Args:
        table: As above.
        window: First and last env step of the snapshots over which the loss is averaged.
    """
    if table.is_empty():
        return Findings()
    return Findings(
        cells={FAR_DROP: lost(table, window)},
        preconditions=[teacher_beats_random(table), unvisited(table, window)],
    )


def lost(table: pl.DataFrame, window: tuple[int, int]) -> pl.DataFrame:
    """Returns cells of the teacher's mean score minus the mean over the window's snapshots."""
    teacher = table.filter(policy="teacher").group_by(RUN).agg(known=pl.col("score").mean())
    within = table.filter((pl.col("policy") == "agent") & pl.col("env_step").is_between(*window))
    snapshots = within.group_by([*RUN, "env_step"]).agg(pl.col("score").mean())
    agents = snapshots.group_by(RUN).agg(left=pl.col("score").mean())
    both = teacher.join(agents, on=RUN, how="inner")
    return both.with_columns(value=pl.col("known") - pl.col("left")).select(*RUN, "value").sort(RUN)


def teacher_beats_random(table: pl.DataFrame) -> Precondition:
    """Returns whether the pretrained agents beat random play on FAR, by an interval over pretrainings."""
    once = table.filter(pl.col("policy") != "agent").group_by("policy", "seed", "checkpoint")
    means = once.agg(pl.col("score").mean()).sort("seed", "checkpoint")
    scores = {policy: means.filter(policy=policy)["score"].to_list() for policy in ("teacher", "random")}
    return pretraining_learned(scores["teacher"], scores["random"], name=TEACHER)


def unvisited(table: pl.DataFrame, window: tuple[int, int]) -> Precondition:
    """Returns whether fine-tuning that keeps nothing stays out of FAR until the window's last snapshot."""
    plain = table.filter(
        (pl.col("policy") == "agent")
        & pl.col("env_step").is_between(*window)
        & ~pl.col("method").str.contains(KEPT, literal=True)
    )
    if plain.is_empty():
        return Precondition(UNVISITED, None, "no fine-tuning without retention was run")
    last = plain.filter(pl.col("env_step") == pl.col("env_step").max())
    if last["far_frac"].null_count():
        return Precondition(UNVISITED, None, "the envs do not say when they are in FAR")
    shares = last.group_by("method").agg(pl.col("far_frac").mean()).sort("far_frac", "method")
    method, most = shares.row(-1)
    reason = f"{100 * most:.1f} % of the steps of {method}, below {100 * MOST_VISITED:.0f} % wanted"
    return Precondition(UNVISITED, most < MOST_VISITED, reason)
