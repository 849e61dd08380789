"""config -> jobs: which baselines, pretrainings, adaptations and measures a study consists of.

A job's key is the SHA-256 of the canonical JSON of its spec, in which its parent's key stands. The spec
holds all that decides the job's results, and nothing else: no device, no number of workers, no path, no
label. Every seed of a job follows from its key, so two jobs never share a random stream and a job gives the
same result in any study.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from fvm_eval.folds import Fold, nested_train_sets

from study import retentions
from study.config import EVALUATION_VERSION, Settings, StudyConfig
from study.environments import score_range_of
from study.files import canonical_json
from study.identity import fields_of, version_of
from study.learners import kind_of, spec_of
from study.methods import Method, Row, pretraining_of
from study.registry import Measure, registered


@dataclass(frozen=True, kw_only=True)
class Job:
    """One baseline, one pretraining, one adaptation, or one measure of a trained agent."""

    kind: str  # "baseline", "pretrain", "adapt" or "measure"
    spec: Mapping[str, Any] = field(hash=False)
    method: str  # row label in tables; several training-set sizes make several labels
    fold: int
    seed: int
    parent: Job | None = None
    held_out: str = ""  # the one task that a pretraining is for, where it is not for all

    @cached_property
    def key(self) -> str:
        """SHA-256 of the spec, as 64 hex digits."""
        return hashlib.sha256(canonical_json(self.spec).encode()).hexdigest()

    @property
    def checkpoint(self) -> str:
        """Name of the cluster whose runs share an error: the pretraining; a run without one is its own."""
        if self.kind == "adapt" and self.parent is None:
            return f"{self.method}/{self.seed}/{self.spec['task']}"
        if self.kind == "measure" and self.parent is not None:
            return self.parent.checkpoint
        pretraining = self.parent or self
        return f"{pretraining.method}/{self.seed}" + f"/{pretraining.held_out}" * bool(pretraining.held_out)

    @property
    def title(self) -> str:
        """A few words for people."""
        if self.kind == "baseline":
            return f"play {self.method} on {self.spec['task'].partition('/')[2]}"
        if self.kind == "measure" and self.parent is not None:
            return f"{self.spec['measure']} of {self.parent.title}"
        task = self.spec.get("task", "")
        return f"{self.kind} {self.method} seed {self.seed}" + (f" on {task.rsplit('/')[-1]}" if task else "")

    @property
    def budget_env_steps(self) -> int:
        """Training env steps of this job; 0 where nothing is trained."""
        return int(self.spec["phase"]["env_steps"]) if "phase" in self.spec else 0

    def seeds(self) -> tuple[np.random.Generator, int]:
        """Returns the generator of the training stream and the seed of the evaluation, disjoint."""
        training, evaluation = np.random.SeedSequence(int(self.key, 16)).spawn(2)
        return np.random.default_rng(training), int(evaluation.generate_state(1)[0])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All jobs of a study, parents before children, and the folds they come from."""

    jobs: tuple[Job, ...]
    folds: Mapping[str, Fold]  # by "size/seed"

    @property
    def splits(self) -> dict[str, str]:
        """SHA-256 of each fold, by its name."""
        return {name: fold.sha256 for name, fold in self.folds.items()}

    @property
    def env_steps(self) -> int:
        """Training env steps of the whole grid."""
        return sum(job.budget_env_steps for job in self.jobs)


def make_plan(config: StudyConfig) -> Plan:
    """Returns the jobs of the grid: baselines, pretrainings, adaptations, measures."""
    methods = [Method.parse(name) for name in config.methods]
    alone = [method for method in methods if not method.kind.pretrains]
    pretrained = dict.fromkeys(method.pretrained_as for method in methods if method.kind.pretrains)
    folds: dict[str, Fold] = {}
    pretrainings: list[Job] = []
    adaptations: list[Job] = []
    held_out = [config.task_id(task) for task in config.held_out]
    for seed in range(config.first_seed, config.first_seed + config.seeds) if methods else ():
        adaptations += [
            _adaptation(config, one, task, seed, None, demos)
            for one in alone
            for demos in config.demos or (None,)
            for task in held_out
        ]
        for number, (name, fold) in enumerate(training_folds(config, seed).items()):
            folds[f"{name}/{seed}"] = fold
            parents = {name: _pretraining(config, name, fold, seed, number) for name in pretrained}
            pretrainings += parents.values()
            adaptations += [
                _adaptation(config, method, task, seed, parents[method.pretrained_as], demos)
                for method in methods
                if method.kind.pretrains
                for demos in config.demos or (None,)
                for task in fold.held_out
            ]
    asked = [
        _measure(config, measure, job)
        for job in (*pretrainings, *adaptations)
        for measure in registered().measures.values()
        if measure.play is not None and measure.at == "end" and measure.of == job.kind
    ]
    measures = [job for job in asked if job is not None]
    jobs = (*_baselines(config, held_out), *pretrainings, *adaptations, *measures)
    return Plan(jobs=tuple({job.key: job for job in jobs}.values()), folds=folds)


def training_folds(config: StudyConfig, seed: int) -> dict[str, Fold]:
    """Returns what one seed trains on and adapts to, by the training set's name.

    Sets of numbered levels are the seed's own draw. Sets of named tasks are the first ones of the pool; where
    held-out tasks have a training task each, a set of one is a fold for each of them.
    """
    if config.folds:
        return {f"fold {number}": fold for number, fold in enumerate(config.folds)}
    validation = tuple(config.task_id(task) for task in config.validation)
    held_out = tuple(config.task_id(task) for task in config.held_out)
    pool = [config.task_id(task) for task in config.train_pool]
    if isinstance(config.train_pool, range):
        drawn = nested_train_sets(pool, config.train_sizes, np.random.default_rng(seed))
        sets = zip(config.train_sizes, drawn, strict=True)
        return {str(size): Fold(train, validation, held_out) for size, train in sets}
    folds: dict[str, Fold] = {}
    for size in config.train_sizes:
        if size > 1 or not config.pairs:
            folds[str(size)] = Fold(tuple(pool[:size]), validation, held_out)
            continue
        for task in config.held_out:
            train = (config.task_id(config.pairs[str(task)]),)
            folds[f"1 for {task}"] = Fold(train, validation, (config.task_id(task),))
    return folds


def sized(name: str, config: StudyConfig, size: int) -> str:
    """Returns a method's row label: with its number of training tasks where there are several."""
    return name if len(config.train_sizes) == 1 or config.folds else f"{name}@{size}"


def _baselines(config: StudyConfig, held_out: Sequence[str]) -> list[Job]:
    versions = {"benchmark": benchmark_version(config.benchmark), "evaluation": EVALUATION_VERSION}
    shared = {**_envs(config), "evaluation": everywhere_of(config), "versions": versions}
    return [
        Job(
            kind="baseline",
            spec={"kind": "baseline", "policy": policy, "task": task, **shared},
            method=policy,
            fold=0,
            seed=0,
        )
        for policy in players_of(config)
        for task in held_out
    ]


def players_of(config: StudyConfig) -> list[str]:
    """Returns the scripted players of a study, chance last where nothing learns."""
    players = ["random"] if config.script is None else ["random", config.script]
    return players if config.methods else players[::-1]


def benchmark_version(name: str) -> int | str:
    """Returns the version of a benchmark's environments."""
    benchmark = registered().benchmarks[name]
    return version_of(benchmark.suite.make, benchmark.version)


def _pretraining(config: StudyConfig, name: str, fold: Fold, seed: int, number: int) -> Job:
    spec = {
        "kind": "pretrain",
        "tasks": list(fold.train),
        "seed": seed,
        **_learning(config, name, "pretrain", len(fold.train)),
    }
    if config.train_demos:
        spec["demos"] = config.train_demos  # of each task
    method = sized(name, config, len(fold.train))
    only = fold.held_out[0] if len(fold.held_out) < len(config.held_out) else ""
    return Job(kind="pretrain", spec=spec, method=method, fold=number, seed=seed, held_out=only)


def _adaptation(
    config: StudyConfig, method: Method, task: str, seed: int, parent: Job | None, demos: int | None
) -> Job:
    spec = {"kind": "adapt", "task": task, "seed": seed, **_learning(config, method.pretraining, "adapt")}
    spec["at"] = list(config.adapt.at(config.evaluation.snapshots))
    spec["evaluation"] = everywhere_of(config)
    spec["versions"]["evaluation"] = EVALUATION_VERSION
    spec["adaptation"] = method.adaptation
    learner = config.phase("adapt", method.pretraining).learner
    able, settings = kind_of(learner).capabilities, retentions.settings_for(learner, config.retain)
    if method.retained:
        learner = retentions.learner_of(learner, method.retained, settings)
        spec["phase"]["learner"] = spec_of(learner)
        spec["retain"] = retentions.spec_of(method.retained, settings, able)
    elif config.far is not None and parent and method.way.does == "learns":
        spec["retain"] = retentions.spec_of((), settings, able)  # how far it goes is always measured
    if config.reset_sigmas and parent and method.way.does == "learns":
        spec["reset_sigmas"] = True
    spec["parent"] = parent.key if parent else None
    if demos:
        spec["demos"] = demos
    label = sized(method.name, config, len(parent.spec["tasks"])) if parent else method.name
    label = replace(Row.parse(label), demos=demos).name
    fold = parent.fold if parent else 0
    job = Job(kind="adapt", spec=spec, method=label, fold=fold, seed=seed, parent=parent)
    for measure in registered().measures.values():
        if measure.at == "snapshots" and (settings := measure.wanted(config, job)) is not None:
            spec.setdefault("measures", {})[measure.name] = {
                "version": version_of(measure.play, measure.version),
                **settings,
            }
    return job


def _measure(config: StudyConfig, measure: Measure, parent: Job) -> Job | None:
    """Returns the job that asks the agent of a training; None where the study does not want it."""
    settings = measure.wanted(config, parent)
    if settings is None:
        return None
    spec = {
        "kind": "measure",
        "measure": measure.name,
        "parent": parent.key,
        "settings": dict(settings),
        "versions": {"measure": version_of(measure.play, measure.version), "evaluation": EVALUATION_VERSION},
    }
    return replace(parent, kind="measure", spec=spec, parent=parent)


def _learning(config: StudyConfig, name: str, kind: str, size: int = 0) -> dict[str, Any]:
    """Returns what a pretraining's spec and those of its adaptations share."""
    method = pretraining_of(name)
    phase = config.phase(kind, name, size)
    learner = kind_of(phase.learner)
    paradigm = method.made_by(learner)
    spec: dict[str, Any] = {**_envs(config), "paradigm": method.is_a}
    spec["versions"] = {
        "benchmark": benchmark_version(config.benchmark),
        "learner": version_of(learner.made_by),
        "paradigm": version_of(paradigm),
    }
    spec["phase"] = {
        "env_steps": phase.env_steps,
        "num_envs": phase.num_envs,
        "learner": spec_of(phase.learner),
    }
    if phase.restart_every is not None:
        spec["phase"]["restart_every"] = phase.restart_every
    if make_config := paradigm.Config:
        own = config.settings.get(name, Settings()).config
        spec["config"] = fields_of(make_config(**{**own, **method.config}))
    if method.lifetimes:
        # Its input is the reward as a part of the best, never normalised by what was seen.
        task = config.task_id(config.train_pool[0])
        spec["reward_scale"] = 1.0 / score_range_of(config.benchmark, task)[1]
    return spec


def _envs(config: StudyConfig) -> dict[str, Any]:
    return {"benchmark": config.benchmark, "env_options": dict(config.env_options)}


def everywhere_of(config: StudyConfig) -> dict[str, Any]:
    """Returns what an evaluation of one agent on held-out tasks uses of a study's."""
    evaluation = config.evaluation
    return {name: getattr(evaluation, name) for name in ("episodes", "max_steps", "num_envs")}
