"""RLBench's tasks in MuJoCo as a vector environment of macro actions.

An action is float [8]: position of the gripper's tip (m, world), its quaternion xyzw, gripper open (above
one half). The reward is 1 when the task is solved, and the episode terminates. A pose that cannot be
reached terminates it with reward 0 and a reason in `info["failure"]`; after `episode_length` actions it is
truncated.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation.observation import EPISODE_LENGTH as EPISODE_LENGTH
from fvm_envs.manipulation.observation import Observation, ObservationConfig
from fvm_envs.manipulation.pool import Here, Pool, Processes
from fvm_envs.manipulation.scene import BOUNDS
from fvm_envs.manipulation.slot import Slot, Transition
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.slot_env import OnEpisodeEnd, SlotEnv, SlotOptions, State
from fvm_envs.slot_inputs import MAX_SLOTS, read_count, read_flag
from fvm_envs.task import Task, TaskSet

ACTION_SIZE = 8
_FAILURE = "<U32"


def variation_of(task: Task) -> tuple[str, int]:
    """Name and variation of a task, `rlbench/<name>` (variation 0) or `rlbench/<name>/<variation>`.

    Raises:
        ValueError: If there is no such task or variation.
    """
    if task.name not in TASKS:
        raise ValueError(f"there is no task {task.id}: the tasks are {', '.join(TASKS)}")
    num, variation = TASKS[task.name].num_variations, task.level or 0
    if variation >= num:
        raise ValueError(f"there is no task {task.id}: {task.name} has {num} variations, 0 to {num - 1}")
    return task.name, variation


class ManipulationVec(SlotEnv):
    """Slots that play manipulation tasks.

    Args:
        tasks: Such as `rlbench/push_button` or `rlbench/pick_up_cup/3`.
        num_envs: Number of slots.
        seed: Seeds the draws of tasks and the slots' episodes.
        on_episode_end: "resample" draws the next task from `tasks`, "stay" repeats it.
        cameras: Names out of `scene.CAMERAS`.
        image_size: Pixels of a picture's sides, or height and width.
        rgb: Observe `<camera>_rgb`.
        depth: Observe `<camera>_depth`.
        point_cloud: Observe `<camera>_point_cloud`.
        shadows: Draw shadows.
        renderer: "ray" or "gl".
        episode_length: Actions after which an episode is truncated.
        collision_checking: Plan round obstacles instead of bumping into them.
        num_processes: Processes that share the slots; 0 plays them in the caller's.
        **slot_options: `episode_stats` and `autoreset`, as `SlotEnv` takes them.

    Raises:
        ImportError: If MuJoCo is not installed.
        ValueError: If a task does not exist, or an option has no such value.
    """

    def __init__(
        self,
        tasks: TaskSet,
        num_envs: int,
        seed: int,
        *,
        on_episode_end: OnEpisodeEnd = "resample",
        cameras: Sequence[str] = ("front",),
        image_size: int | Sequence[int] = 128,
        rgb: bool = True,
        depth: bool = True,
        point_cloud: bool = True,
        shadows: bool = False,
        renderer: Literal["ray", "gl"] = "ray",
        episode_length: int = EPISODE_LENGTH,
        collision_checking: bool = False,
        num_processes: int = 0,
        **slot_options: Unpack[SlotOptions],
    ) -> None:
        self.closed = False
        self._pool: Pool | None = None
        num_envs = read_count("num_envs", num_envs, 1, MAX_SLOTS)
        num_processes = read_count("num_processes", num_processes, 0, 1024)
        episode_length = read_count("episode_length", episode_length, 1, 10**6)
        collision_checking = read_flag("collision_checking", collision_checking)
        self._variations = [self._variation(task) for task in tasks]
        pictures = {"cameras": cameras, "image_size": image_size, "renderer": renderer, "shadows": shadows}
        self.observation_config = ObservationConfig.of(
            {**pictures, "rgb": rgb, "depth": depth, "point_cloud": point_cloud}
        )
        self._slot_options = self.observation_config, episode_length, collision_checking
        self._pool = self._make_pool(num_envs, num_processes)
        self._given_seeds: dict[int, int] = {}
        self._obs: list[Observation] = [{} for _ in range(num_envs)]
        low = np.array([*BOUNDS[:3], -1, -1, -1, -1, 0], dtype=np.float32)
        high = np.array([*BOUNDS[3:], 1, 1, 1, 1, 1], dtype=np.float32)
        super().__init__(
            tasks,
            num_envs,
            seed,
            on_episode_end=on_episode_end,
            observation_space=self.observation_config.space(),
            action_space=gym.spaces.Box(low, high, dtype=np.float32),
            **slot_options,
        )

    def _variation(self, task: Task) -> tuple[str, int]:
        return variation_of(task)

    def _make_pool(self, num_envs: int, num_processes: int) -> Pool:
        make = functools.partial(Slot, *self._slot_options)
        return Here(make, num_envs) if num_processes == 0 else Processes(make, num_envs, num_processes)

    def _call(self, method: str, arguments: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        if self._pool is None:
            raise RuntimeError("the environment is closed: make a new one")
        return self._pool.call(method, arguments)

    def seed_dynamics(self, slot: int, seed: np.random.SeedSequence) -> None:
        """Seed the episodes of a slot."""
        self._call("seed", {slot: (seed.generate_state(4).tolist(),)})

    def seed_episode(self, slot: int, seed: int) -> None:
        """Make the next episode of a slot that which `Simulator.reset(task, variation, seed)` begins."""
        self._given_seeds[slot] = seed

    def begin(self, slots: NDArray[np.int64], *, autoreset: bool) -> None:
        """Lay the table of its task in each of `slots`."""
        arguments = {
            slot: (*self._variations[self.task_index[slot]], self._given_seeds.pop(slot, None))
            for slot in slots.tolist()
        }
        for slot, obs in self._call("begin", arguments).items():
            self._obs[slot] = obs

    def read_actions(self, actions: Any) -> NDArray[Any]:
        """Macro actions as float64 [num_envs, 8].

        Raises:
            ValueError: If they are misshapen or not finite, or a quaternion is zero.
        """
        read = np.asarray(actions)
        if read.shape != (self.num_envs, ACTION_SIZE) or read.dtype.kind != "f":
            raise ValueError(
                f"actions have dtype {read.dtype} and shape {read.shape}: expected floats, "
                f"({self.num_envs}, {ACTION_SIZE}), a position, a quaternion xyzw and the gripper's state"
            )
        read = read.astype(np.float64)
        if not np.isfinite(read).all():
            raise ValueError("actions hold a number that is not finite")
        if (np.square(read[:, 3:7]).sum(axis=1) < 1e-12).any():
            raise ValueError("an action's quaternion is zero: expected a rotation, xyzw")
        return read

    def advance(
        self, actions: NDArray[Any], slots: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One macro action of every slot."""
        results: dict[int, Transition] = self._call(
            "step", {slot: (actions[slot],) for slot in slots.tolist()}
        )
        reward = np.zeros(self.num_envs, dtype=np.float64)
        terminated, truncated = np.zeros((2, self.num_envs), dtype=bool)
        failure = np.zeros(self.num_envs, dtype=_FAILURE)
        for slot, transition in results.items():
            self._obs[slot] = transition.obs
            reward[slot], failure[slot] = transition.reward, transition.failure
            terminated[slot], truncated[slot] = transition.terminated, transition.truncated
        return reward, terminated, truncated, {"success": reward > 0.0, "failure": failure}

    def observe(self) -> Any:
        """The slots' observations, each entry stacked."""
        return {key: np.stack([obs[key] for obs in self._obs]) for key in self._obs[0]}

    def final_obs(self, slots: NDArray[np.int64]) -> list[Observation]:
        """The observations after the last actions of the episodes that have just ended."""
        return [self._obs[slot] for slot in slots]

    def waypoints(self, slot: int) -> NDArray[np.float64]:
        """The macro actions [k, 8] that the scripted planner plays from the start of this slot's episode.

        They are read off the objects' true poses, which no observation holds.
        """
        return cast("NDArray[np.float64]", self._call("waypoints", {slot: ()})[slot])

    def draw_slot(self, slot: int) -> NDArray[np.uint8]:
        """The slot's front view with shadows, uint8 [512, 512, 3]."""
        frame: NDArray[np.uint8] = self._call("frame", {slot: ()})[slot]
        return frame

    def film_slot(self, slot: int, every: int) -> list[NDArray[np.uint8]]:
        """Pictures of what a slot did since the last call, uint8 [512, 512, 3]; it is filmed from now on.

        Args:
            slot: Its index.
            every: A picture every so many ticks of motion, .02 s each; 0 to film no more.
        """
        every = read_count("every", every, 0, 10**6)
        film: list[NDArray[np.uint8]] = self._call("developed", {slot: ()})[slot]
        self._call("film", {slot: (every,)})
        return film

    def own_state(self) -> State:
        """The state of each slot, under `slot<i>`."""
        states = self._call("state", dict.fromkeys(range(self.num_envs), ()))
        return {f"slot{slot}": states[slot] for slot in range(self.num_envs)}

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `own_state` gave.

        Raises:
            ValueError: If a slot's state is damaged.
        """
        arguments = {slot: (state[f"slot{slot}"],) for slot in range(self.num_envs)}
        self._call("check", arguments)
        for slot, obs in self._call("load", arguments).items():
            self._obs[slot] = obs or {}

    def close_extras(self, **kwargs: Any) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
