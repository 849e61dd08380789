"""What pretraining takes of its device, and what it takes to reach the final score without it."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

import polars as pl
from fvm_eval.analysis.study_results import LOG_SECONDS
from fvm_eval.claims import Precondition
from fvm_eval.curves import run_curves, time_to_threshold, value_at

from study.claims.arms import SECONDS_TO_SCORE
from study.claims.cost import ONE_DEVICE
from study.measures.columns import RUN, cells_of
from study.methods import Method
from study.registry import Findings, Finished, Measure

if TYPE_CHECKING:
    from study.folder.store import Store
    from study.plan import Job


def seconds(pretrainings: Sequence[Job], store: Store) -> pl.DataFrame:
    """Returns cells of the logarithm of what each pretraining took of its device."""
    return cells_of(
        [
            (job.method, job.fold, job.seed, job.checkpoint, "pretraining", math.log(_device_s(job, store)))
            for job in pretrainings
        ]
    )


def seconds_to_score(
    pretrainings: Sequence[Job],
    adaptations: Sequence[Job],
    episodes: pl.DataFrame,
    budget: int,
    store: Store,
    reference: str | None,
) -> pl.DataFrame | None:
    """Returns cells of the log device seconds until an agent reaches the reference's final score on a task.

    Pretraining counts whole, adaptation up to the first snapshot that reaches the score; a run that never
    does counts whole, a lower bound. None without a reference, a method that learns from scratch.
    """
    if reference is None:
        return None
    runs = run_curves(episodes)
    scratch = value_at(runs.filter(pl.col("method") == reference), budget)
    if scratch.is_empty():
        return None
    took = {job.checkpoint: _device_s(job, store) for job in pretrainings}
    adapted = {(job.method, job.seed, job.spec["task"]): _device_s(job, store) for job in adaptations}
    rows = []
    for (task,), mine in scratch.group_by("task"):
        threshold = float(mine["value"].to_numpy().mean())
        others = runs.filter((pl.col("task") == task) & (pl.col("method") != reference))
        for run in time_to_threshold(others, threshold, budget).iter_rows(named=True):
            if run["checkpoint"] in took:
                own = adapted[run["method"], run["seed"], task] * run["value"] / budget
                rows.append((*(run[name] for name in RUN), math.log(took[run["checkpoint"]] + own)))
    return cells_of(rows)


def from_scratch(name: str) -> bool:
    """Whether a method is what the others are held against, and learns without a pretraining."""
    kind = Method.parse(name).kind
    return kind.reference and not kind.pretrains


def findings(finished: Finished) -> Findings:
    """Returns both tables, as far as the study has such runs."""
    pretrainings, adaptations, store = finished.pretrainings, finished.adaptations, finished.store
    budget, episodes = finished.config.adapt.env_steps, finished.episodes
    alone = (name for name in finished.config.methods if from_scratch(name))
    reached = seconds_to_score(pretrainings, adaptations, episodes, budget, store, next(alone, None))
    cells = {LOG_SECONDS: seconds(pretrainings, store)}
    return Findings(
        cells=cells if reached is None else {**cells, SECONDS_TO_SCORE: reached},
        preconditions=[one_device({_device(job, store) for job in (*pretrainings, *adaptations)})],
    )


def one_device(devices: Set[str]) -> Precondition:
    """Returns whether seconds may be compared: those of a faster machine are others.

    Args:
        devices: What all jobs say of where they ran.
    """
    return Precondition(ONE_DEVICE, len(devices) <= 1, ", ".join(sorted(devices)))


def _device(job: Job, store: Store) -> str:
    return str(store.note(job, "costs")["device"])


def _device_s(job: Job, store: Store) -> float:
    return max(float(store.note(job, "costs")["device_s"]), 1e-3)


SECONDS = Measure(name="seconds", findings=findings)
