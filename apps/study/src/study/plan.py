"""config -> jobs: which pretrainings, adaptations and baselines a study consists of.

A job's key is the SHA-256 of the canonical JSON of its spec, in which its parent's key stands. The spec
holds all that decides the job's results, and nothing else: no device, no number of workers, no path. Every
seed of a job follows from its key, so two jobs never share a random stream and a job gives the same result
in any study.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from fvm_envs import Task, score_range
from fvm_eval.folds import Fold, nested_train_sets

from study.config import RESULT_VERSIONS, Settings, StudyConfig
from study.files import canonical_json
from study.learners import name_of, spec_of
from study.methods import GRADIENT, PARADIGMS, PRETRAININGS, Method


@dataclass(frozen=True, kw_only=True)
class Job:
    """One baseline, one pretraining or one adaptation."""

    kind: str  # "baseline", "pretrain" or "adapt"
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
        pretraining = self.parent or self
        return f"{pretraining.method}/{self.seed}" + f"/{pretraining.held_out}" * bool(pretraining.held_out)

    @property
    def title(self) -> str:
        """A few words for people."""
        if self.kind == "baseline":
            tasks = self.spec["tasks"]
            return f"play {self.method}" + (f" on {tasks[0].partition('/')[2]}" if len(tasks) == 1 else "")
        task = self.spec.get("task", "")
        return f"{self.kind} {self.method} seed {self.seed}" + (f" on {task.rsplit('/')[-1]}" if task else "")

    @property
    def budget_env_steps(self) -> int:
        """Training env steps of this job; 0 for a baseline."""
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
    """Returns the jobs of the grid: baselines first, then pretrainings, then adaptations."""
    methods = [Method.parse(name) for name in config.methods]
    pretrained = dict.fromkeys(method.pretraining for method in methods)
    folds: dict[str, Fold] = {}
    pretrainings: list[Job] = []
    adaptations: list[Job] = []
    held_out = [config.task_id(task) for task in config.held_out]
    for seed in range(config.first_seed, config.first_seed + config.seeds):
        if "scratch" in pretrained:
            adaptations += [
                _adaptation(config, Method.parse("scratch"), task, seed, None) for task in held_out
            ]
        for number, (name, fold) in enumerate(training_folds(config, seed).items()):
            folds[f"{name}/{seed}"] = fold
            parents = {
                pretraining: _pretraining(config, pretraining, fold, seed, number)
                for pretraining in pretrained
                if pretraining != "scratch"
            }
            pretrainings += parents.values()
            adaptations += [
                _adaptation(config, method, task, seed, parents[method.pretraining])
                for method in methods
                if method.pretraining in parents
                for task in fold.held_out
            ]
    jobs = (*_baselines(config, held_out), *pretrainings, *adaptations)
    return Plan(jobs=jobs, folds=folds)


def training_folds(config: StudyConfig, seed: int) -> dict[str, Fold]:
    """Returns what one seed trains on and adapts to, by the training set's name.

    Sets of numbered levels are the seed's own draw. Sets of named tasks are the first ones of the pool; where
    held-out tasks have a training task each, a set of one is a fold for each of them.
    """
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
    return name if len(config.train_sizes) == 1 else f"{name}@{size}"


def _baselines(config: StudyConfig, held_out: Sequence[str]) -> list[Job]:
    jobs = []
    for policy in ("random", config.script):
        if policy is not None:
            spec = {"kind": "baseline", "policy": policy, "tasks": list(held_out)}
            spec |= _common(config, "evaluation")
            jobs.append(Job(kind="baseline", spec=spec, method=policy, fold=0, seed=0))
    return jobs


def _pretraining(config: StudyConfig, name: str, fold: Fold, seed: int, number: int) -> Job:
    spec = {
        "kind": "pretrain",
        "tasks": list(fold.train),
        "seed": seed,
        **_learning(config, name, "pretrain", len(fold.train)),
    }
    if config.evaluation.new_levels:
        first = config.new_levels_from
        spec["new_tasks"] = [config.task_id(first + i) for i in range(config.evaluation.new_levels)]
    method = sized(name, config, len(fold.train))
    only = fold.held_out[0] if len(fold.held_out) < len(config.held_out) else ""
    return Job(kind="pretrain", spec=spec, method=method, fold=number, seed=seed, held_out=only)


def _adaptation(config: StudyConfig, method: Method, task: str, seed: int, parent: Job | None) -> Job:
    spec = {"kind": "adapt", "task": task, "seed": seed, **_learning(config, method.pretraining, "adapt")}
    spec["at"] = list(config.adapt.at(config.evaluation.snapshots))
    spec["adaptation"] = method.adaptation
    if config.reset_sigmas and parent and method.adaptation in GRADIENT:
        spec["reset_sigmas"] = True
    spec["parent"] = parent.key if parent else None
    label = sized(method.name, config, len(parent.spec["tasks"])) if parent else method.name
    fold = parent.fold if parent else 0
    return Job(kind="adapt", spec=spec, method=label, fold=fold, seed=seed, parent=parent)


def _learning(config: StudyConfig, name: str, kind: str, size: int = 0) -> dict[str, Any]:
    """Returns what a pretraining's spec and those of its adaptations share."""
    pretraining = PRETRAININGS[name]
    phase = config.phase(kind, name, size)
    spec = _common(config, "evaluation", name_of(phase.learner), pretraining.paradigm)
    spec["paradigm"] = pretraining.paradigm
    spec["phase"] = {"env_steps": phase.env_steps, "num_envs": phase.num_envs, **spec_of(phase.learner)}
    if phase.restart_every is not None:
        spec["phase"]["restart_every"] = phase.restart_every
    if make_config := PARADIGMS[pretraining.paradigm].Config:
        own = config.settings.get(name, Settings()).config
        spec["config"] = asdict(make_config(**{**own, **pretraining.config}))
    if pretraining.paradigm == "rl2":
        # Its input is the reward as a part of the best, never normalised by what was seen.
        task = Task.parse(config.task_id(config.held_out[0]))
        spec["reward_scale"] = 1.0 / score_range(task)[1]
    return spec


def _common(config: StudyConfig, *versioned: str) -> dict[str, Any]:
    return {
        "benchmark": config.benchmark,
        "env_options": dict(config.env_options),
        "evaluation": asdict(config.evaluation),
        "versions": {name: RESULT_VERSIONS[name] for name in (config.benchmark, *versioned)},
    }
