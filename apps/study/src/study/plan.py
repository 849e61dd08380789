"""From a config to its jobs: the baselines, pretrainings, adaptations and measures of a study.

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
from study.errors import StudyError
from study.folder.files import canonical_json
from study.identity import fields_of, version_of
from study.jobs.environments import score_range_of
from study.learners import kind_of, own_networks, spec_of
from study.methods import Method, Row, pretraining_of
from study.registry import Measure, registered
from study.tuning.grid import Point, at_point, points_of


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
    cluster: str = ""  # whose runs share an error, where it is neither the pretraining nor the run alone

    @cached_property
    def key(self) -> str:
        """SHA-256 of the spec, as 64 hex digits."""
        return hashlib.sha256(canonical_json(self.spec).encode()).hexdigest()

    @property
    def checkpoint(self) -> str:
        """Name of the cluster whose runs share an error: the pretraining; a run without one is its own."""
        if self.cluster:
            return self.cluster
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

    def episodes_at(self, env_step: int) -> int:
        """Returns how many episodes an adaptation's agent of this env step plays on its task."""
        evaluation = self.spec["evaluation"]
        early = evaluation.get("early_episodes") if env_step < self.budget_env_steps else None
        return int(early or evaluation["episodes"])

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
    """Returns the jobs of the grid: baselines, pretrainings, adaptations, measures.

    Where looks are planned, all that a seed needs comes before the next one's.

    Raises:
        StudyError: Two rows are the same trainings.
    """
    methods = [Method.parse(name) for name in config.methods]
    arms = [(method, point) for method in methods for point in points_of(config, method)]
    folds: dict[str, Fold] = {}
    pretrainings: list[Job] = []
    adaptations: list[Job] = []
    held_out = [config.task_id(task) for task in config.tested]
    for seed in range(config.first_seed, config.first_seed + config.seeds) if methods else ():
        of_seed = training_folds(config, seed)
        alone = [arm for arm in arms if not arm[0].kind.pretrains]
        mine = next(iter(of_seed.values())).held_out if config.split else held_out
        adaptations += [
            _adaptation(config, arm, task, seed, None, demos)
            for arm in alone
            for demos in config.demos or (None,)
            for task in mine
        ]
        for number, (name, fold) in enumerate(of_seed.items()):
            folds[f"{name}/{seed}"] = fold
            number = seed if config.split else number
            parents = {
                (method.pretrained_as, point.of_pretraining): _pretraining(
                    config, (method, point), fold, seed, number
                )
                for method, point in arms
                if method.kind.pretrains
            }
            pretrainings += parents.values()
            adaptations += [
                _adaptation(
                    config, arm, task, seed, parents[arm[0].pretrained_as, arm[1].of_pretraining], demos
                )
                for arm in arms
                if arm[0].kind.pretrains
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
    trained = [*pretrainings, *adaptations, *measures]
    if config.looks:
        trained.sort(key=lambda job: job.seed)
    played = list(dict.fromkeys(task for fold in folds.values() for task in fold.held_out))
    jobs = (*_baselines(config, played if config.split else held_out), *trained)
    found = {job.key: job for job in jobs}
    for job in adaptations:  # a pretraining may be that of several rows
        if job.method != (other := found[job.key].method):
            raise StudyError(
                f"{job.method} and {other} are the same trainings, what tells them apart changes nothing: "
                "leave one of them out"
            )
    return Plan(jobs=tuple(found.values()), folds=folds)


def training_folds(config: StudyConfig, seed: int) -> dict[str, Fold]:
    """Returns what one seed trains on and adapts to, by the training set's name."""
    found = _folds(config, seed)
    if not config.on_validation:
        return found
    return {name: Fold(fold.train, (), fold.validation) for name, fold in found.items()}


def _folds(config: StudyConfig, seed: int) -> dict[str, Fold]:
    """Returns the splits of one seed, by the training set's name.

    Sets of numbered levels are the seed's own draw. Sets of named tasks are the first ones of the pool; where
    held-out tasks have a training task each, a set of one is a fold for each of them.
    """
    if config.folds:
        return {f"fold {number}": fold for number, fold in enumerate(config.folds)}
    if config.split:
        return {str(config.split[0]): redrawn(config, seed)}
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


def redrawn(config: StudyConfig, seed: int) -> Fold:
    """Returns the split of the pool that a seed draws; the same order for every family."""
    order = [config.task_id(task) for task in config.train_pool]
    np.random.default_rng(seed).shuffle(order)
    ends = np.cumsum(config.split)
    train, validation, held_out = (tuple(order[a:b]) for a, b in zip((0, *ends), ends, strict=False))
    return Fold(train, validation, held_out)


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


def _pretraining(config: StudyConfig, arm: tuple[Method, Point], fold: Fold, seed: int, number: int) -> Job:
    name = arm[0].pretrained_as
    config = at_point(config, *arm)
    spec = {
        "kind": "pretrain",
        "tasks": list(fold.train),
        "seed": seed,
        **_learning(config, name, "pretrain", len(fold.train)),
    }
    if config.train_demos:
        spec["demos"] = config.train_demos  # of each task
    row = Row.parse(sized(name, config, len(fold.train)))
    method = replace(row, point=arm[1].of_pretraining).name
    single = not config.split and len(fold.held_out) < len(config.tested)
    only = fold.held_out[0] if single else ""
    return Job(kind="pretrain", spec=spec, method=method, fold=number, seed=seed, held_out=only)


def _adaptation(
    config: StudyConfig,
    arm: tuple[Method, Point],
    task: str,
    seed: int,
    parent: Job | None,
    demos: int | None,
) -> Job:
    method, point = arm
    config = at_point(config, method, point)
    spec = {"kind": "adapt", "task": task, "seed": seed, **_learning(config, method.pretraining, "adapt")}
    spec["at"] = list(config.snapshots)
    spec["evaluation"] = everywhere_of(config)
    if config.evaluation.early_episodes:
        spec["evaluation"]["early_episodes"] = config.evaluation.early_episodes
    spec["versions"]["evaluation"] = EVALUATION_VERSION
    spec["adaptation"] = method.adaptation
    learner = config.phase("adapt", method.pretraining).learner
    able, kept = kind_of(learner).capabilities, retentions.settings_for(learner, config.retain)
    if method.retained:
        learner = retentions.learner_of(learner, method.retained, kept)
        spec["phase"]["learner"] = spec_of(learner)
        spec["retain"] = retentions.spec_of(method.retained, kept, able)
    elif config.far is not None and parent and method.way.does == "learns":
        spec["retain"] = retentions.spec_of((), kept, able)  # how far it goes is always measured
    if config.reset_sigmas and parent and method.way.does == "learns":
        spec["reset_sigmas"] = True
    spec["parent"] = parent.key if parent else None
    if demos:
        spec["demos"] = demos
    label = sized(method.name, config, len(parent.spec["tasks"])) if parent else method.name
    label = replace(Row.parse(label), demos=demos, point=point.name).name
    fold = parent.fold if parent else seed if config.split else 0
    job = Job(kind="adapt", spec=spec, method=label, fold=fold, seed=seed, parent=parent)
    if config.split and parent is None:  # the runs of a split share what is easy or hard about it
        job = replace(job, cluster=f"{label}/{seed}")
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
        **{name: version_of(network) for name, network in own_networks(phase.learner).items()},
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
        low, high = score_range_of(config.benchmark, task)
        spec["reward_scale"] = 1.0 / (high if high > 0 else -low)
    return spec


def _envs(config: StudyConfig) -> dict[str, Any]:
    return {"benchmark": config.benchmark, "env_options": dict(config.env_options)}


def everywhere_of(config: StudyConfig) -> dict[str, Any]:
    """Returns what an evaluation of one agent on held-out tasks uses of a study's."""
    evaluation = config.evaluation
    return {name: getattr(evaluation, name) for name in ("episodes", "max_steps", "num_envs")}
