"""Finished jobs -> tables, numbers, verdicts and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from fvm_envs import Task, TaskSet
from fvm_eval import Budget
from fvm_eval.analysis import Analysis, StudyResults, analyse
from fvm_eval.analysis.study_results import NEW_LEVELS
from fvm_eval.curves import normalise
from fvm_eval.fairness import LeakAudit
from fvm_eval.report import render
from fvm_eval.report.text import capital
from fvm_eval.statistics.intervals import Interval
from rich.table import Table

from study.claims import claims_of
from study.claims.arms import BY_DEMOS, BY_LATENT, BY_MOMENT, BY_TASK, NEW_TRIALS, TRAINED, TRIALS
from study.config import StudyConfig
from study.errors import writing
from study.folder.files import canonical_json, write_bytes
from study.folder.manifest import changed_sources
from study.folder.store import Store
from study.folder.tables import write_tables
from study.jobs import diverged
from study.jobs.environments import score_range_of, suite_of
from study.learners import kind_of
from study.methods import Row, counted, label_of
from study.plan import Job, Plan
from study.registry import Finished, registered
from study.results.costs import cost_summary, cost_table, spent_by
from study.results.evidence import evidence_of
from study.results.score_bounds import check_scores, normalised_bounds, score_bounds_of

# Summaries of normalised scores.
SCORES = (
    BY_TASK,
    BY_MOMENT,
    BY_DEMOS,
    BY_LATENT,
    TRAINED,
    TRIALS,
    NEW_TRIALS,
    NEW_LEVELS,
)
ROW_ORDER = ["method", "fold", "seed", "checkpoint", "task", "env_step", "episode"]


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a study has found: `study` is the report's input, `analysis` its numbers."""

    study: StudyResults
    analysis: Analysis

    @property
    def numbers(self) -> dict[str, float]:
        """The means of all summaries, by "method/summary"."""
        scale = self.analysis.scale
        return {
            f"{method}/{summary.name}".replace("(", "").replace(")", ""): scale.value(interval.mean)
            for summary in self.analysis.summaries
            for method, interval in summary.fixed.items()
        }

    @property
    def verdicts(self) -> list[str]:
        """One line for each claim that was fixed beforehand."""
        lines = []
        for claim in self.analysis.claims:
            verdict = claim.verdict
            statement = verdict.claim.statement
            stop = "" if statement.endswith((".", "!", "?")) else "."
            line = f"{verdict.claim.id}  {statement}{stop} {capital(str(verdict))}"
            if verdict.seeds_needed:
                line += f"; about {verdict.seeds_needed:,} seeds would decide"
            lines.append(line)
        return lines

    def table(self) -> Table:
        """Returns the main numbers for a terminal, in raw scores with 95 % intervals over checkpoints."""
        scale, summaries = self.analysis.scale, self.analysis.summaries
        on = counted(len(self.study.tasks), "held-out task")
        table = Table(title=f"{scale.label} on {on} [95 %]", title_justify="left")
        table.add_column("")
        for summary in reversed(summaries):
            table.add_column(summary.name, justify="right")
        for method in self.study.methods:
            cells = [_interval(summary.fixed[method], scale.value) for summary in reversed(summaries)]
            table.add_row(self.study.label(method), *cells)
        for name, mean in self.analysis.baselines.items():
            blank = [""] * (len(summaries) - 1)
            table.add_row(self.study.label(name), *blank, f"{scale.value(mean):.2f}", style="dim")
        return table


def _interval(interval: Interval, shown: Any) -> str:
    if interval.low is None or interval.high is None:
        return f"{shown(interval.mean):.2f}"
    return f"{shown(interval.mean):.2f}\n[{shown(interval.low):.2f}, {shown(interval.high):.2f}]"


def collect(
    config: StudyConfig,
    plan: Plan,
    store: Store,
    rerun: str,
    control: Path | None = None,
    *,
    complete: bool = True,
) -> Results:
    """Gathers all jobs' tables into the store's, audits the splits, computes every number of the report.

    `control` is the folder of a finished study of a family on which RL2 has something to gain. A plan that is
    not `complete` is the finished part of one: nothing is decided on it, and no measure is read.
    """
    benchmark = registered().benchmarks[config.benchmark]
    best_return = benchmark.suite.best_return
    pretrainings = [job for job in plan.jobs if job.kind == "pretrain"]
    adaptations = [job for job in plan.jobs if job.kind == "adapt"]
    baselines = [job for job in plan.jobs if job.kind == "baseline"]
    everything = store.table(plan.jobs, "episodes").select(*ROW_ORDER, "score").sort(ROW_ORDER)
    costs = cost_table(plan, store)

    audit = audit_leaks(config, plan)
    kept = everything.filter(~pl.col("task").is_in(list(audit.leaked)))
    played = list(dict.fromkeys(job.method for job in baselines))
    methods = list(dict.fromkeys(job.method for job in adaptations))
    tasks = sorted(set(kept["task"]))
    ranges = {task: score_range_of(config.benchmark, task) for task in tasks}
    check_scores(config, ranges, kept)
    lost = diverged.diverged(pretrainings + adaptations, store)
    possible = score_bounds_of(config, tasks) or ranges
    worst = dict(kept.group_by("task").agg(pl.col("score").min()).iter_rows())
    lowest = {task: min(possible[task][0], worst[task]) for task in tasks}
    curves = kept.filter(~pl.col("method").is_in(played))
    curves = diverged.as_said(curves, config, adaptations, lost, lowest)
    finished = Finished(
        config=config,
        plan=plan,
        store=store,
        episodes=normalise(curves, ranges),
        ranges=ranges,
        control=control,
    )
    measures = registered().measures.values() if complete else ()  # some compare what may not be there yet
    found = [measure.found(finished) for measure in measures]
    tables = {"results.parquet": everything, "costs.parquet": costs}
    write_tables(store.root, tables | {name: table for one in found for name, table in one.tables.items()})
    cells = {name: table for one in found for name, table in one.cells.items() if len(table)}
    shown: dict[str, Any] = {name: value for one in found for name, value in one.shown.items()}
    bounds = {name: ends for one in found for name, ends in one.cell_bounds.items()}
    claims = claims_of(config)
    study = StudyResults(
        title=title_of(config, methods),
        estimand=estimand_of(config, len(tasks)),
        episodes=curves,
        score_ranges=ranges,
        normalised_name=benchmark.normalised_name,
        score_bounds=score_bounds_of(config, tasks),
        budget=Budget(env_steps=config.adapt.env_steps, demos=max(config.demos, default=0)),
        claims=claims,
        cells=cells,
        cell_bounds=bounds | cell_bounds_of(config, ranges),
        train_sizes={job.method: len(job.parent.spec["tasks"]) for job in adaptations if job.parent},
        families={job.method: Row.parse(job.method).method for job in adaptations},
        conditions=conditions_of(adaptations),
        references=tuple(kind.name for kind in registered().methods.values() if kind.reference),
        best_scores={task: best_return(Task.parse(task)) for task in tasks} if best_return else None,
        preconditions=[condition for one in found for condition in one.preconditions],
        ledgers={method: spent_by(method, adaptations, store, config.trials) for method in methods},
        costs=cost_summary(costs, methods),
        baselines=kept.filter(pl.col("method").is_in(played)).rename({"method": "baseline"}),
        online=online_table(adaptations, store),
        pretraining=pretraining_table(pretrainings, adaptations, store) if pretrainings else None,
        **evidence_of(config, adaptations, store, audit.leaked, claims),
        folds=plan.folds,
        redrawn_splits=bool(config.split),
        recorded_splits=list(store.recorded_splits().values()),
        leak_audit=audit,
        config=config.spec,
        environment=environments_of(plan.jobs, store),
        rerun=rerun,
        complete=complete,
        notes=[
            note
            for note in (
                config.note,
                restart_note(config),
                *(note for one in found for note in one.notes),
                diverged.note(config, lost, len(pretrainings + adaptations)),
                sources_note(plan.jobs, store),
            )
            if note
        ],
        panels=[panel for one in found for panel in one.panels],
        labels=labels_of(methods, played, config),
        **shown,
    )
    return Results(study=study, analysis=analyse(study))


def write_report(store: Store, results: Results) -> Path:
    """Writes the report and its figures; returns the page to open."""
    return write_pages(store, render(results.study))


def write_pages(store: Store, files: Mapping[str, bytes]) -> Path:
    """Writes a report's files by name; returns the page to open."""
    folder = store.root / "report"
    with writing(folder):
        folder.mkdir(exist_ok=True)
    for name, data in files.items():
        write_bytes(folder / name, data)
    return folder / "report.html"


def labels_of(methods: Sequence[str], played: Sequence[str], config: StudyConfig) -> dict[str, str]:
    """Returns the labels of methods, of the families that their sizes share, and of scripted players."""
    names = dict.fromkeys([*methods, *(Row.parse(method).method for method in methods)])
    suite = suite_of(config.benchmark)
    return {
        **{name: label_of(name, config.unit) for name in names},
        **{name: suite.label(name) for name in played},
    }


def conditions_of(adaptations: Sequence[Job]) -> dict[str, str]:
    """Returns by row under what it was tried: demonstrations of the test task, a point of the grid.

    Empty where neither is asked of. A row without a point of its own stands with none of them.
    """
    parsed = {job.method: Row.parse(job.method) for job in adaptations}
    words = {
        name: ", ".join(
            [*([] if row.demos is None else [counted(row.demos, "demo")]), *[row.point] * bool(row.point)]
        )
        for name, row in parsed.items()
    }
    if not any(words.values()):
        return {}
    return {name: text or "its own settings" for name, text in words.items()}


def cell_bounds_of(
    config: StudyConfig, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """Returns the lowest and highest normalised score by summary; empty where tasks differ in it."""
    ends = normalised_bounds(config, ranges)
    return {} if ends is None else dict.fromkeys(SCORES, ends)


def title_of(config: StudyConfig, methods: Sequence[str]) -> str:
    """Returns the report's title: who against whom, where those are few."""
    if config.title:
        return config.title
    methods = list(dict.fromkeys(replace(Row.parse(method), demos=None).name for method in methods))
    if len(methods) > 4:
        return f"{len(methods)} ways to adapt to a new task of {config.family}"
    return f"{' vs '.join(label_of(method, config.unit) for method in methods)} on {config.family}"


def estimand_of(config: StudyConfig, num_tasks: int) -> str:
    """Returns the sentence that says what is estimated."""
    learner = config.adapt.learner
    acts = kind_of(learner).acts(learner)
    these = f"each of these {num_tasks} held-out tasks" if num_tasks > 1 else "this held-out task"
    return (
        f"Expected episode return of the adapted agent, its actions {acts}, after "
        f"{config.adapt.env_steps:,} env steps of adaptation on {these} of "
        f"{config.family} (tasks fixed), and on a new task chosen by the same rule (tasks random)."
    )


def restart_note(config: StudyConfig) -> str:
    """Returns a sentence on training episodes that restarts cut, empty where there are none."""
    cut = {
        name: phase.restart_every // phase.num_envs
        for name, phase in (("pretraining", config.pretrain), ("adapting", config.adapt))
        if phase.restart_every is not None
    }
    if not cut:
        return ""
    longest = " and ".join(f"{steps:,} steps while {name}" for name, steps in cut.items())
    return (
        "So that runs can be resumed, training begins afresh at fixed env steps: no training episode is "
        f"longer than {longest}. Evaluation is not cut by it."
    )


def online_table(jobs: Sequence[Job], store: Store) -> pl.DataFrame:
    """Returns method, seed, task, env_step, return of training episodes, in bins of env steps."""
    table = store.table(jobs, "online", tasks=True)
    return table.select("method", "seed", "task", "env_step", "episodes", "return", "length")


def pretraining_table(pretrainings: Sequence[Job], adaptations: Sequence[Job], store: Store) -> pl.DataFrame:
    """Returns the returns of pretrainings under methods of the study.

    A pretraining that several methods share is shown once: as the method of its own name, else as the first.
    """
    shown = {job.method for job in adaptations}
    users: dict[str, str] = {}
    for job in adaptations:
        if job.parent is not None:
            users.setdefault(job.parent.method, job.method)
    names = {job.method: job.method for job in pretrainings if job.method in shown}
    table = online_table(pretrainings, store)
    return table.with_columns(method=pl.col("method").replace(users | names))


def audit_leaks(config: StudyConfig, plan: Plan) -> LeakAudit:
    """Looks for each held-out task among the training tasks of all seeds of its folds."""
    suite, by_held_out = suite_of(config.benchmark), dict[tuple[str, ...], set[str]]()
    for fold in plan.folds.values():
        by_held_out.setdefault(fold.held_out, set()).update(fold.train)
    found: dict[str, None] = {}
    against: set[str] = set()
    for held_out, train in by_held_out.items():
        sets = TaskSet(sorted(map(Task.parse, train))), TaskSet(held_out)
        twins = suite.same_task.find(*sets, config.env_options)
        found |= dict.fromkeys(task.id for task in twins)
        against |= train
    return LeakAudit(
        audited=len(config.held_out), against=len(against), leaked=tuple(found), how=suite.same_task.by
    )


def environments_of(jobs: Sequence[Job], store: Store) -> Mapping[str, Any]:
    """Returns what ran the jobs; several kinds are a list, "mixed", with how many jobs each ran."""
    alike: dict[int, list[Job]] = {}  # by the manifest, which the store keeps once for many jobs
    for job in jobs:
        alike.setdefault(id(store.manifest(job)), []).append(job)
    kinds: dict[str, list[Job]] = {}
    for mine in alike.values():
        kinds.setdefault(canonical_json(_environment(mine[0], store)), []).extend(mine)
    if len(kinds) == 1:
        return _environment(jobs[0], store)
    return {"mixed": [{"jobs": len(mine), **_environment(mine[0], store)} for mine in kinds.values()]}


def _environment(job: Job, store: Store) -> dict[str, Any]:
    return {name: value for name, value in store.manifest(job).items() if name != "sources"}


def sources_note(jobs: Sequence[Job], store: Store) -> str:
    """Returns a sentence on jobs that other code computed than the code here, empty if there are none."""
    changed = changed_sources(jobs, store)
    if not changed:
        return ""
    each = ", ".join(f"{name} ({count} of {len(jobs)} jobs)" for name, count in changed.items())
    return (
        f"The source is another now, of the same version, which promises the same results: {each}. "
        "Whoever has changed what comes out raises the version and runs the same command again."
    )
