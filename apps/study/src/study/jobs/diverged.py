"""Runs whose weights became infinite or NaN: they are kept, and scored as was said beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from study.config import StudyConfig
from study.folder.store import Store
from study.plan import Job

RUN = ["method", "fold", "seed", "checkpoint", "task"]


def diverged(jobs: Sequence[Job], store: Store) -> list[Job]:
    """Returns the jobs that diverged."""
    return [job for job in jobs if store.note(job, "costs")["diverged"]]


def as_said(
    curves: pl.DataFrame,
    config: StudyConfig,
    adaptations: Sequence[Job],
    lost: Sequence[Job],
    lowest: Mapping[str, float],
) -> pl.DataFrame:
    """Returns the episodes, those of runs that diverged with the score that was said beforehand.

    Args:
        curves: The episode table.
        config: Its `diverged` says how: "as played" leaves what the broken agent scored; "worst" gives each
            snapshot after the first the lowest possible score, and the first one too where the pretraining
            is what diverged.
        adaptations: All of the study's.
        lost: Pretrainings and adaptations that diverged.
        lowest: Lowest possible score by task.
    """
    if config.diverged != "worst" or not lost:
        return curves
    gone = {job.key for job in lost}
    rows = [
        (job.method, job.fold, job.seed, job.checkpoint, str(job.spec["task"]), bool(broken_before))
        for job in adaptations
        for broken_before in (job.parent is not None and job.parent.key in gone,)
        if broken_before or job.key in gone
    ]
    marks = pl.DataFrame(
        rows,
        schema={**{name: curves.schema[name] for name in RUN}, "from_start": pl.Boolean},
        orient="row",
    )
    marked = curves.join(marks, on=RUN, how="left", maintain_order="left")
    worst = pl.col("task").replace_strict(dict(lowest), return_dtype=pl.Float64)
    hit = pl.col("from_start").is_not_null() & (pl.col("from_start") | (pl.col("env_step") > 0))
    scored = marked.with_columns(score=pl.when(hit).then(worst).otherwise("score"))
    return scored.drop("from_start")


def note(config: StudyConfig, lost: Sequence[Job], of: int) -> str:
    """Returns a sentence on those runs, empty where there are none."""
    if not lost:
        return ""
    how = {
        "as played": "are scored as they play",
        "worst": "have the lowest possible score, as was said beforehand",
    }[config.diverged]
    return f"{len(lost)} of {of} runs diverged and {how}: {', '.join(job.title for job in lost)}."
