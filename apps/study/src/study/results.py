"""Finished jobs -> tables, numbers, verdicts and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fvm_envs
import numpy as np
import polars as pl
from fvm_envs.leakage import leaked
from fvm_envs.score_ranges import score_range
from fvm_eval import Budget
from fvm_eval.analysis import Analysis, StudyResults, analyse
from fvm_eval.analysis.study_results import LOG_SECONDS, NEW_LEVELS
from fvm_eval.claims import Precondition, pretraining_learned
from fvm_eval.curves import normalise
from fvm_eval.fairness import LeakAudit
from fvm_eval.report import render
from fvm_eval.report.text import capital, plural
from fvm_eval.statistics.intervals import Interval
from fvm_learners.rainbow.config import RainbowConfig
from fvm_meta import RL2Config
from rich.table import Table

from study.claim_cells import (
    MOMENTS_TABLE,
    TRIALS_TABLE,
    by_latent,
    by_moment,
    by_task,
    by_trial,
    control_cells,
    new_levels,
    seconds,
    seconds_to_score,
    trials_table,
)
from study.claims import claims_of
from study.claims.arms import (
    BY_LATENT,
    BY_MOMENT,
    BY_TASK,
    CONTROL,
    SECONDS_TO_SCORE,
    TRIALS,
    learned,
    spoken,
)
from study.config import Settings, StudyConfig
from study.costs import cost_summary, cost_table, spent_by
from study.errors import writing
from study.files import canonical_json, write_bytes
from study.methods import label_of
from study.plan import Job, Plan
from study.store import Store, write_table

COLLAPSED_NATS = 0.1  # a posterior no further from the prior says next to nothing
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
            line = f"{verdict.claim.id}  {verdict.claim.statement} {capital(str(verdict))}"
            if verdict.seeds_needed:
                line += f"; about {verdict.seeds_needed} seeds would decide"
            lines.append(line)
        return lines

    def table(self) -> Table:
        """Returns the main numbers for a terminal, in raw scores with 95 % intervals over checkpoints."""
        scale, summaries = self.analysis.scale, self.analysis.summaries
        tasks = len(self.study.tasks)
        table = Table(title=f"{scale.label} on {tasks} held-out tasks [95 %]", title_justify="left")
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
    config: StudyConfig, plan: Plan, store: Store, rerun: str, control: Path | None = None
) -> Results:
    """Gathers all jobs' tables into the store's, audits the splits, computes every number of the report.

    `control` is the folder of a finished study of a family on which RL2 has something to gain.
    """
    pretrainings = [job for job in plan.jobs if job.kind == "pretrain"]
    adaptations = [job for job in plan.jobs if job.kind == "adapt"]
    baselines = [job for job in plan.jobs if job.kind == "baseline"]
    everything = store.table(plan.jobs, "episodes").select(*ROW_ORDER, "score").sort(ROW_ORDER)
    write_table(store.root / "results.parquet", everything)
    costs = cost_table(plan, store)
    write_table(store.root / "costs.parquet", costs)

    audit = audit_leaks(config, plan)
    kept = everything.filter(~pl.col("task").is_in(list(audit.leaked)))
    played = [job.method for job in baselines]
    methods = list(dict.fromkeys(job.method for job in adaptations))
    tasks = sorted(set(kept["task"]))
    ranges = {task: score_range(fvm_envs.Task.parse(task)) for task in tasks}
    curves = kept.filter(~pl.col("method").is_in(played))
    trials = trials_table(adaptations, store)
    if trials is not None:
        write_table(store.root / TRIALS_TABLE, trials)
        trials = trials.filter(pl.col("task").is_in(tasks))
    normalised = normalise(curves, ranges)
    moments = by_moment(normalised, config.adapt.env_steps)
    latents = by_latent(adaptations, ranges, store)
    if latents is not None:
        write_table(store.root / MOMENTS_TABLE, moments)
    cells = {
        BY_TASK: by_task(normalised, config.adapt.env_steps),
        BY_MOMENT: moments,
        BY_LATENT: latents,
        TRIALS: None if trials is None else by_trial(trials, ranges),
        CONTROL: None if control is None else control_cells(control),
        NEW_LEVELS: new_levels(pretrainings, store, ranges[tasks[0]]),
        LOG_SECONDS: seconds(pretrainings, store),
        SECONDS_TO_SCORE: seconds_to_score(
            pretrainings, adaptations, normalised, config.adapt.env_steps, store
        ),
    }
    study = StudyResults(
        title=title_of(config, methods),
        estimand=estimand_of(config, len(tasks)),
        episodes=curves,
        score_ranges=ranges,
        normalised_name="Human-normalised score",  # of tasks with ranges of their own, as Atari's games
        score_bounds=score_bounds_of(config, tasks),
        budget=Budget(env_steps=config.adapt.env_steps),
        claims=claims_of(config, trained_trials(config, "rl2")),
        cells={name: table for name, table in cells.items() if table is not None and len(table)},
        trials=trials,
        trained_trials={  # a memory that is reset at each trial has no horizon to go beyond
            job.method: job.spec["config"]["trials"]
            for job in adaptations
            if job.spec["paradigm"] == "rl2" and job.spec["config"]["trials"] > 1
        },
        train_sizes={job.method: len(job.parent.spec["tasks"]) for job in adaptations if job.parent},
        families={job.method: job.method.partition("@")[0] for job in adaptations},
        eps_schedules={
            job.method: tuple(job.parent.spec["config"]["eps_schedule"])
            for job in adaptations
            if job.parent and job.spec["paradigm"] == "reptile"
        },
        best_scores={task: fvm_envs.best_return(fvm_envs.Task.parse(task)) for task in tasks}
        if config.benchmark == "toy"
        else None,
        preconditions=[
            *preconditions_of(pretrainings, store, config.unit),
            *not_collapsed(posteriors(pretrainings, store), config.unit),
        ],
        ledgers={method: spent_by(method, adaptations, store, config.trials) for method in methods},
        costs=cost_summary(costs, methods),
        baselines=kept.filter(pl.col("method").is_in(played)).rename({"method": "baseline"}),
        online=online_table(adaptations, store),
        pretraining=online_table(pretrainings, store) if pretrainings else None,
        folds=plan.folds,
        recorded_splits=list(store.recorded_splits().values()),
        leak_audit=audit,
        config=asdict(config),
        environment=environments_of(plan.jobs, store),
        rerun=rerun,
        notes=[
            note
            for note in (
                config.note,
                restart_note(config),
                posterior_note(posteriors(pretrainings, store), config.unit),
                divergence(pretrainings + adaptations, store),
            )
            if note
        ],
        labels=labels_of(methods, played, config.unit),
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


def labels_of(methods: Sequence[str], played: Sequence[str], unit: str) -> dict[str, str]:
    """Returns the labels of methods, of the families that their sizes share, and of scripted players."""
    names = dict.fromkeys([*methods, *(method.partition("@")[0] for method in methods), *played])
    return {name: label_of(name, unit) for name in names}


def trained_trials(config: StudyConfig, name: str) -> int:
    """Returns the trials in one of RL2's lifetimes while it was trained."""
    own = config.settings.get(name, Settings()).config
    return RL2Config(**own).trials


def score_bounds_of(config: StudyConfig, tasks: Sequence[str]) -> dict[str, tuple[float, float]] | None:
    """Returns the lowest and highest return of each task, empty if there are none, None if its range's."""
    if config.benchmark == "atari":
        return {}
    return None if config.score_bounds is None else dict.fromkeys(tasks, config.score_bounds)


def title_of(config: StudyConfig, methods: Sequence[str]) -> str:
    """Returns the report's title: who against whom, where those are few."""
    if len(methods) > 4:
        return f"{len(methods)} ways to adapt to a new task of {config.family}"
    return f"{' vs '.join(label_of(method, config.unit) for method in methods)} on {config.family}"


def estimand_of(config: StudyConfig, num_tasks: int) -> str:
    """Returns the sentence that says what is estimated."""
    learner = config.adapt.learner
    acts = "sampled"
    if isinstance(learner, RainbowConfig):
        acts = f"greedy but for {learner.evaluation_eps:.1%} random ones"
    return (
        f"Expected episode return of the adapted agent, its actions {acts}, after "
        f"{config.adapt.env_steps:,} env steps of adaptation on each of these {num_tasks} held-out tasks of "
        f"{config.family} (tasks fixed), and on a new task chosen by the same rule (tasks random)."
    )


def preconditions_of(pretrainings: Sequence[Job], store: Store, unit: str) -> list[Precondition]:
    """Returns, for each pretrained method, whether its agents beat random play on their training tasks."""
    found = []
    for method in dict.fromkeys(job.method for job in pretrainings):
        scores: dict[bool, list[float]] = {True: [], False: []}
        for job in (job for job in pretrainings if job.method == method):
            table = store.table([job], "training")
            ranges = {task: score_range(fvm_envs.Task.parse(task)) for task in table["task"].unique()}
            table = normalise(table, ranges)
            for is_random, mine in scores.items():
                chosen = table.filter((pl.col("policy") == "random") == is_random)
                mine.append(float(chosen["score"].to_numpy().mean()))
        found.append(pretraining_learned(scores[False], scores[True], name=learned(method, unit)))
    return found


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


def posteriors(pretrainings: Sequence[Job], store: Store) -> dict[str, list[float]]:
    """Returns, for each PEARL, each pretraining's KL to the prior in nats over its last tenth."""
    table = store.table([job for job in pretrainings if job.spec["paradigm"] == "pearl"], "metrics")
    if table.is_empty():
        return {}
    last_tenth = pl.col("env_step") > 0.9 * pl.col("env_step").max().over("checkpoint")
    late = table.filter(last_tenth).filter(metric="posterior_kl")
    nats: dict[str, list[float]] = {}
    for method, mean in (
        (late.group_by("method", "checkpoint").agg(pl.col("value").mean()).sort("method", "checkpoint"))
        .drop("checkpoint")
        .iter_rows()
    ):
        nats.setdefault(method, []).append(mean)
    return nats


def posterior_note(nats: Mapping[str, Sequence[float]], unit: str) -> str:
    """Returns a sentence on how much PEARL's posteriors say, empty where there are none."""
    if not nats:
        return ""
    each = [
        f"{label_of(method, unit)} {np.mean(mine):.2f} ({min(mine):.2f} to {max(mine):.2f} over "
        f"{plural(len(mine), 'pretraining')})"
        for method, mine in nats.items()
    ]
    return (
        "Nats between posterior and prior in the last tenth of pretraining, near 0 where it has collapsed: "
        f"{'; '.join(each)}."
    )


def not_collapsed(nats: Mapping[str, Sequence[float]], unit: str) -> list[Precondition]:
    """Returns, for each PEARL, whether all of its posteriors are further than that from the prior."""
    return [
        Precondition(
            spoken(method, unit),
            min(mine) > COLLAPSED_NATS,
            f"least {min(mine):.2f} nats, {COLLAPSED_NATS} wanted",
        )
        for method, mine in nats.items()
    ]


def divergence(jobs: Sequence[Job], store: Store) -> str:
    """Returns a sentence on runs whose weights became infinite or NaN, empty if none did; they are kept."""
    lost = [job.title for job in jobs if store.note(job, "costs")["diverged"]]
    if not lost:
        return ""
    return f"{len(lost)} of {len(jobs)} runs diverged and are scored as they play: {', '.join(lost)}."


def online_table(jobs: Sequence[Job], store: Store) -> pl.DataFrame:
    """Returns method, seed, task, env_step, return of training episodes, in bins of env steps."""
    frames = []
    for job in jobs:
        frame = store.table([job], "online")
        task = str(job.spec.get("task", ""))
        frames.append(frame.with_columns(task=pl.lit(task)))
    return pl.concat(frames).select("method", "seed", "task", "env_step", "episodes", "return", "length")


def audit_leaks(config: StudyConfig, plan: Plan) -> LeakAudit:
    """Looks for each held-out level among the training levels of all seeds."""
    train = sorted({fvm_envs.Task.parse(task) for fold in plan.folds.values() for task in fold.train})
    held_out = [fvm_envs.Task.parse(config.task_id(level)) for level in config.held_out]
    themes = bool(config.env_options.get("restrict_themes", False))
    found = leaked(fvm_envs.TaskSet(train), fvm_envs.TaskSet(held_out), restrict_themes=themes)
    how = (
        "entities of the serialised level, and rewards of fixed actions"
        if config.benchmark == "procgen"
        else "ids"
    )
    return LeakAudit(
        audited=len(held_out), against=len(train), leaked=tuple(task.id for task in found), how=how
    )


def environments_of(jobs: Sequence[Job], store: Store) -> Mapping[str, Any]:
    """Returns what ran the jobs; several kinds are named, with how many jobs each ran."""
    kinds: dict[str, list[Job]] = {}
    for job in jobs:
        kinds.setdefault(canonical_json(store.note(job, "manifest")), []).append(job)
    if len(kinds) == 1:
        return store.note(jobs[0], "manifest")
    mixed = {f"mixed: {len(mine)} jobs": store.note(mine[0], "manifest") for mine in kinds.values()}
    return mixed
