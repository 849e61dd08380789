"""`make_vec`: a vector environment for the tasks of any benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fvm_envs.procgen.env import ProcgenVec
from fvm_envs.slots import OnEpisodeEnd, SlotEnv
from fvm_envs.task import Task, TaskSet
from fvm_envs.toy.env import CatchVec

BENCHMARKS: dict[str, type[SlotEnv]] = {"procgen": ProcgenVec, "toy": CatchVec}
"""The vector environment of each benchmark."""


def make_vec(
    tasks: TaskSet | Sequence[Task | str] | str,
    num_envs: int,
    seed: int,
    *,
    on_episode_end: OnEpisodeEnd = "resample",
    **options: Any,
) -> SlotEnv:
    """A vector environment whose slots move between `tasks`.

    Args:
        tasks: Tasks of one benchmark, or their text as `TaskSet.parse` reads it.
        num_envs: Number of slots.
        seed: Seeds the draws of tasks and the slots' own dynamics.
        on_episode_end: "resample" draws a slot's next task, "stay" repeats it.
        **options: What the benchmark's class takes besides (`ProcgenVec`: actions, use_backgrounds,
            restrict_themes, num_threads; `CatchVec`: cell_pixels).

    Raises:
        ValueError: If the tasks are of several benchmarks, or there is no such benchmark, game or option
            value.
        TypeError: If the benchmark has no such option.
    """
    if num_envs < 1:
        raise ValueError(f"num_envs is {num_envs}: at least one slot is needed")
    task_set = TaskSet.parse(tasks) if isinstance(tasks, str) else TaskSet(tasks)
    benchmarks = sorted({task.benchmark for task in task_set})
    if len(benchmarks) != 1:
        raise ValueError(f"the tasks are of the benchmarks {benchmarks}: give tasks of exactly one")
    if benchmarks[0] not in BENCHMARKS:
        raise ValueError(
            f"there is no benchmark {benchmarks[0]!r}: the benchmarks are {', '.join(BENCHMARKS)}"
        )
    return BENCHMARKS[benchmarks[0]](task_set, num_envs, seed, on_episode_end=on_episode_end, **options)
