"""Demonstrations: what the robot did and felt frame by frame, and the keyframes an agent learns from.

A demonstration is played by the scripted waypoints and kept only if they solve the task, and the actions of
its keyframes alone do so too; otherwise another episode is drawn. Frames are .06 s apart. Physical states
are kept instead of pictures, which are rendered on demand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation import panda
from fvm_envs.manipulation.observation import Observation, ObservationConfig, observe
from fvm_envs.manipulation.rotation import Array, quaternion_of
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.task import ManipulationTask
from fvm_envs.manipulation.tasks import TASKS

TICKS_A_FRAME = 3
DWELL_TICKS = 4
"""Stillness at a waypoint, so that a frame shows the stop; a change of the gripper shows by itself."""
STOPPED_RAD_S = 0.1
COOLDOWN_FRAMES = 4
ATTEMPTS = 10


@dataclass(frozen=True)
class Demo:
    """One demonstration of T frames.

    Attributes:
        task: Its name.
        variation: Its variation.
        seed: Of the episode: `Simulator.reset(TASKS[task], variation, seed)` is its start.
        frames: Proprioception under RLBench's names, float32 [T, ...].
        qpos: Joint and object positions, [T, nq].
        mocap: Positions and quaternions (wxyz) of the furniture, [nmocap, 7].
        colours: Of all geoms, uint8 [2, num_geoms, 3], before and after the task is solved.
        solved: The first frame that has the second colours.
        keyframes: Indices of the frames an agent should go to, ascending.
    """

    task: str
    variation: int
    seed: int
    frames: dict[str, NDArray[np.float32]]
    qpos: Array
    mocap: Array
    colours: NDArray[np.uint8]
    solved: int
    keyframes: tuple[int, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.qpos)

    @property
    def actions(self) -> NDArray[np.float32]:
        """The macro actions [k, 8] that lead from one keyframe to the next."""
        return actions_of(self.frames, self.keyframes)

    def observation(
        self, frame: int, config: ObservationConfig, simulator: Simulator | None = None, time: float = 1.0
    ) -> Observation:
        """The observation of a frame, its pictures rendered now.

        Args:
            frame: Its index.
            config: Which pictures.
            simulator: To show it on, whose table is used up; a new one by default.
            time: What the observation says of it.
        """
        simulator = simulator or Simulator()
        simulator.stage(
            TASKS[self.task], self.qpos[frame], self.mocap, self.colours[int(frame >= self.solved)]
        )
        obs = observe(simulator, config, time)
        return obs | {name: values[frame] for name, values in self.frames.items()}


def actions_of(frames: dict[str, NDArray[np.float32]], keyframes: Sequence[int]) -> NDArray[np.float32]:
    """The macro actions [k, 8] that lead to the poses and gripper states of these frames."""
    chosen = list(keyframes)
    return np.concatenate([frames["gripper_pose"][chosen], frames["gripper_open"][chosen]], axis=1)


def keyframes_of(gripper_open: NDArray[Any], joint_velocities: NDArray[Any]) -> tuple[int, ...]:
    """ARM's keyframes: where the gripper changed, where the arm stopped, and the last frame.

    The arm has stopped in frame i if all joints are slower than .1 rad/s, the gripper did not change over
    frames i-2 to i+1, i is not the last but one, and the last stop is more than four frames ago. Frames 0 and
    1 are never stops. If the last two keyframes are neighbours, the first of them goes.

    Args:
        gripper_open: 0 or 1, [T].
        joint_velocities: rad/s, [T, 7].
    """
    num = len(gripper_open)
    found: list[int] = []
    cooldown = 0
    for i in range(num):
        same = gripper_open[max(0, i - 2) : i + 2]
        stopped = (
            cooldown <= 0
            and i >= 2
            and i != num - 2
            and bool((same == gripper_open[i]).all())
            and bool((np.abs(joint_velocities[i]) <= STOPPED_RAD_S).all())
        )
        cooldown = COOLDOWN_FRAMES if stopped else cooldown - 1
        changed = i > 0 and gripper_open[i] != gripper_open[i - 1]
        if i > 0 and (changed or i == num - 1 or stopped):
            found.append(i)
    if len(found) > 1 and found[-1] - found[-2] == 1:
        found.pop(-2)
    return tuple(found)


def play(simulator: Simulator, task: ManipulationTask, variation: int, seed: int) -> Demo | None:
    """The demonstration of an episode, or None if it fails."""
    simulator.reset(task, variation, seed)
    world = simulator.world
    first = world.colours.copy()
    felt: list[dict[str, Array]] = [simulator.proprioception()]
    qpos = [world.data.qpos.copy()]
    lit = [False]
    ticks = 0

    def record() -> None:
        felt.append(simulator.proprioception())
        qpos.append(world.data.qpos.copy())
        lit.append(not np.array_equal(world.colours, first))

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks % TICKS_A_FRAME == 0:
            record()

    simulator.on_tick = tick
    try:
        success, was_open = False, True
        for waypoint in task.demonstration(world):
            outcome = simulator.execute(
                waypoint.position, quaternion_of(waypoint.matrix), waypoint.open, to_the_end=True
            )
            success = outcome.success
            if outcome.failure:
                break
            if waypoint.open == was_open:
                simulator.rest(DWELL_TICKS)
            was_open = waypoint.open
    finally:
        simulator.on_tick = None
    if not success:
        return None
    if ticks % TICKS_A_FRAME:
        record()
    frames = {name: np.stack([frame[name] for frame in felt]) for name in felt[0]}
    demo = Demo(
        task.name,
        variation,
        seed,
        {name: values.astype(np.float32) for name, values in frames.items()},
        np.stack(qpos),
        np.concatenate([world.data.mocap_pos, world.data.mocap_quat], axis=1),
        np.stack([first, world.colours]),
        lit.index(True) if any(lit) else len(lit),
        keyframes_of(frames["gripper_open"][:, 0], frames["joint_velocities"][:, : panda.NUM_JOINTS]),
    )
    return demo if solves(simulator, demo) else None


def solves(simulator: Simulator, demo: Demo) -> bool:
    """Whether the actions of a demonstration's keyframes solve its episode, played from the start."""
    simulator.reset(TASKS[demo.task], demo.variation, demo.seed)
    for action in demo.actions.astype(np.float64):
        outcome = simulator.execute(action[:3], action[3:7], bool(action[7] > 0.5))
        if outcome.success or outcome.failure:
            return outcome.success
    return False


def get_demos(
    task: str, n: int, seed: int, *, variation: int = 0, simulator: Simulator | None = None
) -> Sequence[Demo]:
    """Demonstrations of fresh episodes; demonstration i is the same for every n.

    Args:
        task: Name of the task.
        n: How many.
        seed: Seeds the episodes.
        variation: Of the task.
        simulator: To play them on; a new one by default.

    Raises:
        ValueError: If there is no such task.
        RuntimeError: If ten episodes in a row cannot be solved.
    """
    if task not in TASKS:
        raise ValueError(f"there is no task {task!r}: the tasks are {', '.join(TASKS)}")
    simulator = simulator or Simulator()
    demos = []
    for child in np.random.SeedSequence(seed).spawn(n):
        for episode in child.generate_state(ATTEMPTS, np.uint64).tolist():
            demo = play(simulator, TASKS[task], variation, int(episode >> 1))
            if demo is not None:
                demos.append(demo)
                break
        else:
            raise RuntimeError(f"{task}: {ATTEMPTS} episodes in a row could not be demonstrated")
    return demos
