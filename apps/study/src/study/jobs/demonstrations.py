"""Demonstrations of tasks, as a study gives them to its learners.

A seed of the study has demonstrations of its own, the same for all its methods: of each training task
`train_demos`, of a held-out task as many as the row of the table says, of which the smaller numbers are the
first of the larger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fvm_envs import Task

from study.config import StudyConfig
from study.errors import StudyError
from study.jobs.environments import suite_of
from study.learners import kind_of, read_spec
from study.plan import Job

STREAMS = ("pretrain", "adapt")  # demonstrations of a task to train on are never those of a test


def demos_of(job: Job) -> list[Sequence[Any]]:
    """Returns what a training is shown of each of its tasks, as its learner takes it; empty for nothing.

    Raises:
        StudyError: A task cannot be demonstrated.
    """
    spec = job.spec
    count = int(spec.get("demos", 0))
    if not count:
        return []
    tasks = spec["tasks"] if job.kind == "pretrain" else [spec["task"]]
    return [demos_of_task(spec, task, count, STREAMS.index(job.kind)) for task in tasks]


def demos_of_task(spec: Mapping[str, Any], task: str, count: int, stream: int) -> Sequence[Any]:
    """Returns the demonstrations of one task for a job's learner, of one of the seed's two streams."""
    suite, (kind, _) = suite_of(spec["benchmark"]), read_spec(spec["phase"])
    assert suite.demos is not None, "checked before"
    assert kind.demonstration is not None, "checked before"
    entropy = [stream, int(spec["seed"]), *task.encode()]
    seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
    try:
        recorded = suite.demos(Task.parse(task), count, seed, spec["env_options"])
    except (RuntimeError, ValueError) as error:
        raise StudyError(f"cannot demonstrate {task} ({error}); leave it out, or give no demos") from None
    return [kind.demonstration(demo) for demo in recorded]


def check_demos(config: StudyConfig) -> None:
    """Raises StudyError unless a study's demonstrations can be given, and its learner learns from them."""
    if not config.train_demos and not any(config.demos):
        return
    asked = "--demos" if any(config.demos) else "train_demos"
    if suite_of(config.benchmark).demos is None:
        raise StudyError(
            f"{asked}: nobody demonstrates the tasks of {config.benchmark}; leave the demonstrations out"
        )
    learner = kind_of(config.adapt.learner)
    if learner.demonstration is None:
        raise StudyError(
            f"{asked}: {learner.name} does not learn from demonstrations; leave them out, or choose another "
            "preset"
        )
