"""config -> jobs: which pretrainings, adaptations and baselines a study consists of.

A job's key is the SHA-256 of the canonical JSON of its spec, in which its parent's key stands. The spec
holds all that decides the job's results, and nothing else: no device, no number of workers, no path. Every
seed of a job follows from its key, so two jobs never share a random stream and a job gives the same result
in any study.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from fvm_eval.folds import Fold, nested_train_sets
from fvm_meta import MultiTask, Paradigm, Scratch

from study.checkpoint import canonical_json
from study.config import RESULT_VERSIONS, StudyConfig

# Every paradigm a study can run, by the name its users give it.
PARADIGMS: dict[str, type[Paradigm]] = {"scratch": Scratch, "multitask": MultiTask}
PRETRAINED = ("multitask",)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One baseline, one pretraining or one adaptation."""

    kind: str  # "baseline", "pretrain" or "adapt"
    spec: Mapping[str, Any] = field(hash=False)
    method: str  # row label in tables; several training-set sizes make several labels
    fold: int
    seed: int
    parent: Job | None = None

    @cached_property
    def key(self) -> str:
        """SHA-256 of the spec, as 64 hex digits."""
        return hashlib.sha256(canonical_json(self.spec).encode()).hexdigest()

    @property
    def checkpoint(self) -> str:
        """Name of the cluster whose runs share an error: the pretraining; a run without one is its own."""
        alone = self.kind == "adapt" and self.parent is None
        return f"{self.method}/{self.seed}" + (f"/{self.spec['task']}" if alone else "")

    @property
    def title(self) -> str:
        """A few words for people."""
        what = {"baseline": "play", "pretrain": "pretrain", "adapt": "adapt"}[self.kind]
        task = self.spec.get("task", "")
        return f"{what} {self.method} seed {self.seed}" + (f" on {task.rsplit('/')[-1]}" if task else "")

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
    folds: Mapping[str, Fold]  # by "levels/seed"

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
    held_out = [config.task_id(level) for level in config.held_out_levels]
    validation = [config.task_id(level) for level in config.validation_levels]
    evaluation = asdict(config.evaluation)
    common = {"benchmark": config.benchmark, "env_options": dict(config.env_options)}
    folds: dict[str, Fold] = {}
    spec: dict[str, Any]
    baselines, pretrainings, adaptations = [], [], []

    for policy in ("random", config.script):
        if policy is not None:
            spec = {
                **common,
                "kind": "baseline",
                "policy": policy,
                "tasks": held_out,
                "evaluation": evaluation,
            }
            spec["versions"] = _versions(config, "evaluation")
            baselines.append(Job(kind="baseline", spec=spec, method=policy, fold=0, seed=0))

    adapt: dict[str, Any] = {
        **common,
        "kind": "adapt",
        "phase": asdict(config.adapt),
        "evaluation": evaluation,
    }
    adapt["at"] = list(config.adapt.at(config.evaluation.snapshots))
    for seed in range(config.seeds):
        if "scratch" in config.methods:
            for task in held_out:
                spec = {**adapt, "paradigm": "scratch", "task": task, "seed": seed, "parent": None}
                spec["versions"] = _versions(config, "evaluation", "ppo", "scratch")
                adaptations.append(Job(kind="adapt", spec=spec, method="scratch", fold=0, seed=seed))
        pool = [config.task_id(level) for level in range(*config.pool)]
        drawn = nested_train_sets(pool, config.train_levels, np.random.default_rng(seed))
        for fold, (size, train) in enumerate(zip(config.train_levels, drawn, strict=True)):
            folds[f"{size}/{seed}"] = Fold(train, tuple(validation), tuple(held_out))
            for method in (m for m in config.methods if m in PRETRAINED):
                label = method if len(config.train_levels) == 1 else f"{method}@{size}"
                versions = _versions(config, "evaluation", "ppo", method)
                spec = {**common, "kind": "pretrain", "paradigm": method, "tasks": list(train), "seed": seed}
                spec |= {"phase": asdict(config.pretrain), "evaluation": evaluation, "versions": versions}
                parent = Job(kind="pretrain", spec=spec, method=label, fold=fold, seed=seed)
                pretrainings.append(parent)
                for task in held_out:
                    spec = {**adapt, "paradigm": method, "task": task, "seed": seed}
                    spec |= {"parent": parent.key, "versions": versions}
                    adaptations.append(
                        Job(kind="adapt", spec=spec, method=label, fold=fold, seed=seed, parent=parent)
                    )
    return Plan(jobs=(*baselines, *pretrainings, *adaptations), folds=folds)


def _versions(config: StudyConfig, *names: str) -> dict[str, int]:
    return {name: RESULT_VERSIONS[name] for name in (config.benchmark, *names)}
