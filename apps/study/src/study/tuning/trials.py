"""Tuning on validation tasks: the same number of trials for every pretraining, all of them kept.

A trial is one pretraining with other settings and its adaptations to the validation tasks; its score is the
mean value at budget. The first trial has the preset's own settings, the others are drawn at random from the
space below. Trials have seeds that no study uses. Held-out tasks are not touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from fvm_eval.curves import normalise
from fvm_eval.folds import Fold
from fvm_eval.table import TableError

from study.config import OF_FOLDS, Settings, StudyConfig
from study.folder.files import write_bytes
from study.folder.store import Store
from study.jobs.environments import score_range_of
from study.learners import kind_of
from study.methods import Method, pretraining_of
from study.plan import Job, Plan, make_plan

FIRST_SEED = 1_000_000  # of the tuning's seeds; a study's own begin at 0


def candidates(config: StudyConfig, name: str, trials: int) -> list[Settings]:
    """Returns a pretraining's settings, trial by trial; they do not depend on how many trials there are."""
    own, kind = config.settings.get(name, Settings()), pretraining_of(name)
    learner = kind_of(config.adapt.learner).name
    if learner not in kind.tuning and trials > 1:
        raise ValueError(f"{name} does not say what to tune with {learner}; leave out --tune")
    rng = np.random.default_rng(int(hashlib.sha256(f"{config.family} {name}".encode()).hexdigest(), 16))
    found = [own]
    draws = 0
    while len(found) < trials:
        draws += 1
        drawn: dict[str, dict[str, Any]] = {part: {} for part in ("config", "learner", "pretrain", "adapt")}
        for setting, draw in kind.tuning[learner].items():
            part, _, field = setting.partition(".")
            value = draw(rng)
            if field == "learning_rate":
                phase = config.phase("adapt" if part == "adapt" else "pretrain", name)
                value = float(f"{value * phase.learner.learning_rate:.1e}")
            if not (part == "config" and field in kind.config):  # a fixed schedule stays fixed
                drawn[part][field] = value
        merged: dict[str, Any] = {part: {**getattr(own, part), **drawn[part]} for part in drawn}
        settings = replace(own, **merged)
        # Rounded rates can meet; a method with few settings in all has to try some of them twice.
        if settings not in found or draws > 20 * trials:
            found.append(settings)
    return found


class Tuning:
    """The trials of a study: `plan` holds their jobs, `choose` the best once those are done.

    Raises:
        ValueError: Fewer than one trial, or no validation tasks.
    """

    def __init__(self, config: StudyConfig, trials: int) -> None:
        if trials < 1:
            raise ValueError(f"--tune {trials}: give the number of trials for each method, 1 or more")
        if not config.validation:
            raise ValueError(f"this study has no validation {config.unit}s to tune on")
        self.config, self.trials = config, trials
        self.grid: dict[tuple[str, int], tuple[Settings, Plan]] = {}
        for name in dict.fromkeys(Method.parse(method).pretraining for method in config.methods):
            for trial, settings in enumerate(candidates(config, name, trials)):
                self.grid[name, trial] = settings, make_plan(self._trial(name, settings))

    def _trial(self, name: str, settings: Settings) -> StudyConfig:
        splits: dict[str, Any] = {
            "train_sizes": self.config.train_sizes[-1:],
            "pairs": {},  # with held-out games, not with validation games
            "held_out": self.config.validation,
            "validation": (),
        }
        if self.config.folds:  # one stands for all: their training sets are nearly the same
            first = self.config.folds[0]
            splits = {**OF_FOLDS, "folds": (Fold(first.train, (), first.validation),)}
        return replace(
            self.config,
            methods=(name,),
            seeds=1,
            first_seed=FIRST_SEED,
            settings={**self.config.settings, name: settings},
            **splits,
        )

    @property
    def plan(self) -> Plan:
        """All trials' trainings; equal jobs of several trials are one."""
        jobs: dict[str, Job] = {}
        for _, plan in self.grid.values():
            jobs |= {job.key: job for job in plan.jobs if job.budget_env_steps}
        ordered = sorted(jobs.values(), key=lambda job: job.kind == "adapt")
        return Plan(jobs=tuple(ordered), folds={})

    def scores(self, store: Store) -> dict[str, list[float]]:
        """Returns each pretraining's mean normalised value at budget on the validation tasks, by trial."""
        validation = [self.config.task_id(task) for task in self.config.validation]
        ranges = {task: score_range_of(self.config.benchmark, task) for task in validation}
        found: dict[str, list[float]] = {}
        for (name, _), (_, plan) in self.grid.items():
            table = store.table([job for job in plan.jobs if job.kind == "adapt"], "episodes")
            last = table.filter(table["env_step"] == self.config.adapt.env_steps)
            if last.is_empty():
                raise TableError(f"the trials of {name} have no score at the budget")
            last = normalise(last, ranges)
            found.setdefault(name, []).append(float(last["score"].to_numpy().mean()))
        return found

    def spent(self, store: Store) -> pl.DataFrame:
        """Returns what the jobs of each trial took: pretraining, trial, env_steps."""
        rows = []
        for (name, trial), (_, plan) in self.grid.items():
            jobs = [job for job in plan.jobs if job.kind in ("pretrain", "adapt")]
            rows.append((name, trial, sum(int(store.note(job, "costs")["env_steps"]) for job in jobs)))
        return pl.DataFrame(rows, schema=["pretraining", "trial", "env_steps"], orient="row")

    def choose(self, scores: Mapping[str, Sequence[float]]) -> StudyConfig:
        """Returns the study with each pretraining's best settings; the earlier trial wins a tie."""
        best = {name: int(np.argmax(mine)) for name, mine in scores.items()}
        settings = {name: self.grid[name, trial][0] for name, trial in best.items()}
        return replace(self.config, settings={**self.config.settings, **settings}, trials=self.trials)

    def write(self, scores: Mapping[str, Sequence[float]], path: Path) -> None:
        """Writes all trials as CSV: pretraining, trial, score, settings."""
        lines = ["pretraining,trial,score,settings"]
        for (name, trial), (settings, _) in self.grid.items():
            parts = {part: values for part, values in asdict(settings).items() if values}
            text = str(parts).replace('"', "'")
            lines.append(f'{name},{trial},{scores[name][trial]:.4g},"{text}"')
        write_bytes(path, "\n".join(lines).encode() + b"\n")
