"""Envs of a study's tasks, by the benchmark's suite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from fvm_envs import Task, TaskSet, Trials
from fvm_envs.suite import Suite

from study.errors import StudyError, unknown
from study.machine.limits import cores
from study.registry import registered

THREADED_ENVS = 128  # of which a step takes milliseconds, far longer than handing them out
THREADS = 4


def suite_of(benchmark: str) -> Suite:
    """Returns the suite of a benchmark.

    Raises:
        StudyError: Nobody knows the benchmark.
    """
    known = registered().benchmarks
    if benchmark not in known:
        raise unknown("benchmark", benchmark, known, pluggable=True)
    return known[benchmark].suite


def make_envs(
    benchmark: str,
    tasks: Sequence[Any],
    num_envs: int,
    seed: int,
    *,
    on_episode_end: str = "stay",
    trials: float | None = None,
    reward_scale: float = 0.1,
    **options: Any,
) -> Any:
    """Returns a vector env whose slots move between tasks.

    Args:
        benchmark: Whose suite makes it.
        tasks: Tasks or their ids.
        num_envs: Number of slots.
        seed: Of the draws of tasks and the slots' own dynamics.
        on_episode_end: "resample" draws a slot's next task, "stay" repeats it.
        trials: Episodes of a task that make one episode here, for agents that remember; None for one each.
        reward_scale: Factor on the rewards that such an agent sees.
        **options: Of the suite's envs.
    """
    make, chosen = suite_of(benchmark).make, TaskSet(tasks)
    if trials is None:
        return make(chosen, num_envs, seed, on_episode_end=on_episode_end, **options)
    env = make(chosen, num_envs, seed, on_episode_end="stay", **options)
    return Trials(env, seed, on_episode_end=on_episode_end, trials=trials, reward_scale=reward_scale)  # type: ignore[arg-type]


def threads_of(benchmark: str, num_envs: int, device: str) -> dict[str, int]:
    """Returns the option that has threads step many envs where a GPU waits for them; empty elsewhere.

    On a CPU each job has one core. Beside a GPU 256 Procgen envs take one thread longer than the learner.
    """
    if device == "cpu" or num_envs < THREADED_ENVS or not suite_of(benchmark).threaded:
        return {}
    return {"num_threads": min(THREADS, cores())}


def score_range_of(benchmark: str, task: str) -> tuple[float, float]:
    """Returns the returns that count as 0 and as 1 on a task.

    Raises:
        StudyError: The suite gives no such two.
    """
    suite = suite_of(benchmark)
    came: Any = suite.score_range(Task.parse(task))
    two = isinstance(came, tuple) and len(came) == 2 and all(isinstance(end, Real) for end in came)
    if not (two and all(map(math.isfinite, came)) and came[0] < came[1]):
        raise StudyError(
            f"the suite {suite.name} gives {came!r} as score_range of {task}; let it give (low, high), the "
            "returns that count as 0 and as 1, the lower one first"
        )
    return came[0], came[1]


def check_task(benchmark: str, task: str) -> None:
    """Raises ValueError unless there is such a task."""
    check: Any = suite_of(benchmark).check
    if check(Task.parse(task)) is False:
        raise ValueError(f"there is no task {task}, says the check of the suite {benchmark}")


def env_options(spec: Mapping[str, Any], trials: float = 1) -> dict[str, Any]:
    """Returns the options of a job's envs; agents that remember have lifetimes of so many trials."""
    options = dict(spec["env_options"])
    if "reward_scale" in spec:
        options |= {"trials": trials, "reward_scale": spec["reward_scale"]}
    return options
