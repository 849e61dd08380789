"""`make_vec`: a vector environment for the tasks of any benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fvm_envs.apple.env import AppleVec
from fvm_envs.atari.env import AtariVec
from fvm_envs.manipulation.env import ManipulationVec
from fvm_envs.procgen.env import ProcgenVec
from fvm_envs.rlbench.env import RLBenchVec
from fvm_envs.slot_env import OnEpisodeEnd, SlotEnv
from fvm_envs.slot_inputs import MAX_SLOTS, read_count
from fvm_envs.task import Task, TaskSet
from fvm_envs.toy.env import CatchVec
from fvm_envs.toy.two_stage import TwoStageVec
from fvm_envs.trials import Trials

BENCHMARKS: dict[str, type[SlotEnv]] = {
    "procgen": ProcgenVec,
    "atari": AtariVec,
    "rlbench": ManipulationVec,
    "toy": CatchVec,
    "two-stage": TwoStageVec,
    "apple": AppleVec,
}
"""The vector environment of each benchmark."""
SIMULATORS: dict[str, type[SlotEnv]] = {"mujoco": ManipulationVec, "coppeliasim": RLBenchVec}
"""Those of RLBench's tasks: our re-creations, whose scores are not RLBench's, and RLBench itself."""


def make_vec(
    tasks: TaskSet | Sequence[Task | str] | str,
    num_envs: int,
    seed: int,
    *,
    on_episode_end: OnEpisodeEnd = "resample",
    trials: float | None = None,
    reward_scale: float = 0.1,
    **options: Any,
) -> SlotEnv:
    """A vector environment whose slots move between `tasks`.

    Args:
        tasks: Tasks of one benchmark, or their text as `TaskSet.parse` reads it.
        num_envs: Number of slots.
        seed: Seeds the draws of tasks and the slots' own dynamics.
        on_episode_end: "resample" draws a slot's next task, "stay" repeats it.
        trials: Episodes of a task that make one episode here, as in `Trials`, for agents that remember;
            `math.inf` for as many as fit. None: an episode is an episode.
        reward_scale: Factor on the rewards that `Trials` shows in its observations.
        **options: What the benchmark's class takes besides (`ProcgenVec`: actions, use_backgrounds,
            restrict_themes, num_threads, start_states; `AtariVec`: draw, action_space, noop_max,
            repeat_action_probability, fire_reset, frame_stack, max_frames, num_threads; `ManipulationVec`:
            cameras, image_size and others, and `simulator`, "mujoco" or "coppeliasim"; `CatchVec`:
            cell_pixels; `TwoStageVec`: shared; `AppleVec`: feature, max_steps, reward; all of them:
            `episode_stats` and `autoreset`, as `SlotEnv` has them).

    Raises:
        ValueError: If the tasks are of several benchmarks, or there is no such benchmark, game or option
            value.
        TypeError: If the benchmark has no such option.
        ImportError: If the benchmark's extra is not installed.
    """
    num_envs = read_count("num_envs", num_envs, 1, MAX_SLOTS)
    task_set = TaskSet.parse(tasks) if isinstance(tasks, str) else TaskSet(tasks)
    benchmarks = sorted({task.benchmark for task in task_set})
    if len(benchmarks) != 1:
        raise ValueError(f"the tasks are of the benchmarks {benchmarks}: give tasks of exactly one")
    if benchmarks[0] not in BENCHMARKS:
        raise ValueError(
            f"there is no benchmark {benchmarks[0]!r}: the benchmarks are {', '.join(BENCHMARKS)}"
        )
    make = BENCHMARKS[benchmarks[0]]
    if benchmarks[0] == "rlbench":
        simulator = options.pop("simulator", "mujoco")
        if simulator not in SIMULATORS:
            raise ValueError(f"simulator is {simulator!r}: expected {' or '.join(map(repr, SIMULATORS))}")
        make = SIMULATORS[simulator]
    if trials is None:
        return make(task_set, num_envs, seed, on_episode_end=on_episode_end, **options)
    if benchmarks[0] == "rlbench":
        raise TypeError("manipulation tasks have no trials: their actions are not discrete")
    of_slots = {name: options.pop(name) for name in ("episode_stats", "autoreset") if name in options}
    env = make(task_set, num_envs, seed, on_episode_end="stay", **options)
    return Trials(
        env, seed, on_episode_end=on_episode_end, trials=trials, reward_scale=reward_scale, **of_slots
    )
