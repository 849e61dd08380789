"""What a report's checklist is checked against: the plan, and what the store counted, never the results.

Judging the same set of finished trainings again is the same look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import polars as pl
from fvm_eval.claims import Claim, Look
from fvm_eval.claims.looks import as_planned, asked_hash, clusters_hash, looked

from study.config import StudyConfig
from study.folder.looks_file import read_looks, write_looks
from study.folder.store import Store
from study.folder.tables import table_at
from study.methods import Method, Row
from study.plan import Job, training_folds

TUNING_SPENT = "spent.parquet"
SHIPPED = "tuning"  # in a study's folder: what it took over from `study tune`
SHIP_AGAIN = "run the study's own command with --tuned again, which copies it anew"
RUN = ("method", "fold", "seed", "checkpoint", "task")


def evidence_of(
    config: StudyConfig,
    adaptations: Sequence[Job],
    store: Store,
    leaked: Sequence[str],
    claims: Sequence[Claim],
) -> dict[str, Any]:
    """Returns the fields of `StudyResults` that its checklist is checked against; adds this look to the log.

    Args:
        config: Of the study.
        adaptations: All that were planned.
        store: Which has run them.
        leaked: Held-out tasks that are excluded.
        claims: That are decided.
    """
    jobs = [job for job in adaptations if job.spec["task"] not in set(leaked)]
    return {
        "plan": planned(jobs, config),
        "spending": spending(jobs, store),
        "tuning": tuning(config, [job.method for job in jobs], store),
        "looks": looks(config, jobs, store, claims),
        "planned_looks": config.looks,
    }


def planned(jobs: Sequence[Job], config: StudyConfig) -> pl.DataFrame:
    """Returns every planned snapshot: a run, key (of its job), split, env_step, episodes, spends, demos.

    A run spends its whole budget where it learns; a memory that is full has no use for more. Its split is the
    one that its pretraining saw, by its name in the plan; null where there was none.
    """
    rows = []
    names = {seed: list(training_folds(config, seed)) for seed in {job.seed for job in jobs}}
    for job in jobs:
        place = 0 if config.split or job.parent is None else job.parent.fold  # a split is a seed's only one
        split = None if job.parent is None else f"{names[job.seed][place]}/{job.seed}"
        learns = Method.parse(Row.parse(job.method).method).way.does == "learns"
        spends = job.budget_env_steps if learns else None
        demos = int(job.spec.get("demos", 0))
        rows += [
            (*_run(job), job.key, split, int(step), job.episodes_at(step), spends, demos)
            for step in job.spec["at"]
        ]
    schema = _schema("key", "split", "env_step", "episodes", "spends", "demos")
    return pl.DataFrame(rows, schema=schema, orient="row")


def spending(jobs: Sequence[Job], store: Store) -> pl.DataFrame:
    """Returns what each run's envs counted on its test task: a run, env_steps, updates, demos."""
    rows = []
    for job in jobs:
        spent = store.note(job, "ledger")["spent"]
        updates = store.note(job, "costs")["updates"]
        rows.append((*_run(job), int(spent["env_steps"]), int(updates), int(spent["demos"])))
    return pl.DataFrame(rows, schema=_schema("env_steps", "updates", "demos"), orient="row")


def tuning(config: StudyConfig, methods: Sequence[str], store: Store) -> pl.DataFrame | None:
    """Returns the tuning jobs that were run: method, trial, env_steps, and tasks where the ledger names them.

    None where the ledger is not here: a preset whose settings come from trials elsewhere has none of them.
    """
    schema: dict[str, Any] = {"method": pl.String, "trial": pl.Int64, "env_steps": pl.Int64}
    if (by_grid := store.root / SHIPPED / TUNING_SPENT).is_file():
        return grid_trials(table_at(by_grid, SHIP_AGAIN), methods)
    path = store.root.with_name(f"{store.root.name}-tuning") / TUNING_SPENT
    if not path.is_file():
        return None if config.trials else pl.DataFrame(schema=schema)
    spent = table_at(path, "run the study's command with --tune, which writes it anew")
    columns = ["trial", "env_steps", *(["tasks"] if "tasks" in spent.columns else [])]
    mine = [
        spent.filter(pl.col("pretraining") == Method.parse(Row.parse(method).method).pretraining).select(
            pl.lit(method).alias("method"), *columns
        )
        for method in dict.fromkeys(methods)
    ]
    return pl.concat(mine) if mine else pl.DataFrame(schema=schema)


def grid_trials(spent: pl.DataFrame, methods: Sequence[str]) -> pl.DataFrame:
    """Returns the trials of a tuning by a grid: method (a row of the study), trial, env_steps, tasks.

    A trial is a point of the grid; a pretraining that several points start from counts with the first. A
    method without a grid of its own, as a control, took over what another's trials chose.
    """
    rows = []
    for name in dict.fromkeys(methods):
        method = Method.parse(Row.parse(name).method)
        mine = spent.filter(pl.col("method") == method.name)
        if mine.is_empty():
            mine = spent.filter(pl.col("method") == method.kind.variant_of)
        trials = mine.with_columns(trial=pl.col("point").rank("dense").cast(pl.Int64))
        by_trial = trials.group_by("trial").agg(
            pl.col("env_steps").sum(), pl.col("tasks").explode().drop_nulls().unique().sort()
        )
        rows += [(name, *row) for row in by_trial.sort("trial").iter_rows()]
    schema: dict[str, Any] = {"method": pl.String, "trial": pl.Int64, "env_steps": pl.Int64}
    schema["tasks"] = pl.List(pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


def looks(
    config: StudyConfig, jobs: Sequence[Job], store: Store, claims: Sequence[Claim]
) -> tuple[Look, ...]:
    """Returns the log up to the look at these runs, which is written where it is new."""
    log = as_planned((Look(**entry) for entry in read_looks(store.root)), config.looks)
    keys = [job.key for job in jobs]
    asked = asked_hash(claims)
    found = looked(log, keys, config.seeds, config.looks, asked)
    if found != log:
        write_looks(store.root, map(asdict, found))
    mine = clusters_hash(keys)
    here = max(
        place for place, look in enumerate(found) if look.clusters == mine and look.asked in ("", asked)
    )
    return found[: here + 1]


def _run(job: Job) -> tuple[str, int, int, str, str]:
    return job.method, job.fold, job.seed, job.checkpoint, str(job.spec["task"])


def _schema(*counts: str) -> dict[str, type[pl.DataType]]:
    texts = ("method", "checkpoint", "task", "key", "split")
    return {name: pl.String if name in texts else pl.Int64 for name in (*RUN, *counts)}
