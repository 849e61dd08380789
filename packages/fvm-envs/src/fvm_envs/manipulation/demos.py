"""Demonstrations: what the robot did and felt frame by frame, and the keyframes an agent learns from.

A demonstration is played by the scripted waypoints and kept only if they solve the task, and the actions of
ARM's keyframes alone do so too; otherwise another episode is drawn. Settled or merged keyframes are taken
where their actions solve the episode as well. Frames are .06 s apart. Physical states are kept instead of
pictures, which are rendered on demand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation import panda
from fvm_envs.manipulation.keyframes import KeyframeRule, keyframes_of, merged, settled
from fvm_envs.manipulation.observation import (
    EPISODE_LENGTH,
    Observation,
    ObservationConfig,
    observe,
    remaining_time,
)
from fvm_envs.manipulation.rotation import Array, quaternion_of
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.task import ManipulationTask
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.slot_inputs import read_count

TICKS_A_FRAME = 3
DWELL_TICKS = 4
"""Stillness at a waypoint, so that a frame shows the stop; a change of the gripper shows by itself."""
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
        rule: What `keyframes` are by: the rule asked for, or the next simpler one that solves the episode.
        config: Which pictures its observations have.
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
    rule: KeyframeRule = "arm"
    config: ObservationConfig = field(default_factory=ObservationConfig)
    _stage: list[Simulator] = field(default_factory=list, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        # A simulator is made again where a demonstration is sent to.
        return {**self.__dict__, "_stage": []}

    def __len__(self) -> int:
        return len(self.qpos)

    @property
    def actions(self) -> NDArray[np.float32]:
        """The macro actions [k, 8] that lead from one keyframe to the next."""
        return actions_of(self.frames, self.keyframes)

    def observation(
        self,
        frame: int,
        config: ObservationConfig | None = None,
        simulator: Simulator | None = None,
        time: float | None = None,
    ) -> Observation:
        """The observation of a frame, its pictures rendered now.

        Args:
            frame: Its index.
            config: Which pictures; by default the demonstration's own.
            simulator: To show it on, whose table is used up; by default one of the demonstration's own, made
                at first use and kept.
            time: What the observation says of it; by default what an agent sees that has done the actions of
                all keyframes up to this frame, in an episode of 10.

        Raises:
            IndexError: If there is no such frame.
        """
        if not 0 <= frame < len(self):
            raise IndexError(f"there is no frame {frame}: the frames are 0 to {len(self) - 1}")
        if simulator is None:
            if not self._stage:
                self._stage.append(Simulator())
            simulator = self._stage[0]
        if time is None:
            time = remaining_time(sum(keyframe <= frame for keyframe in self.keyframes), EPISODE_LENGTH)
        simulator.stage(
            TASKS[self.task], self.qpos[frame], self.mocap, self.colours[int(frame >= self.solved)]
        )
        obs = observe(simulator, config or self.config, time)
        return obs | {name: values[frame] for name, values in self.frames.items()}


def actions_of(frames: dict[str, NDArray[np.float32]], keyframes: Sequence[int]) -> NDArray[np.float32]:
    """The macro actions [k, 8] that lead to the poses and gripper states of these frames."""
    chosen = list(keyframes)
    return np.concatenate([frames["gripper_pose"][chosen], frames["gripper_open"][chosen]], axis=1)


def play(
    simulator: Simulator, task: ManipulationTask, variation: int, seed: int, rule: KeyframeRule = "arm"
) -> Demo | None:
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
    if not solves(simulator, demo):
        return None
    keyframes = demo.keyframes
    rules: dict[KeyframeRule, tuple[int, ...]] = {
        "merged": settled(merged(keyframes, demo.frames), demo.frames),
        "settled": settled(keyframes, demo.frames),
        "arm": keyframes,
    }
    for name in list(rules)[list(rules).index(rule) :]:
        chosen = replace(demo, keyframes=rules[name], rule=name)
        if name == "arm" or solves(simulator, chosen):
            return chosen
    raise AssertionError("unreachable: ARM's keyframes solve the episode")


def solves(simulator: Simulator, demo: Demo) -> bool:
    """Whether the actions of a demonstration's keyframes solve its episode, played from the start."""
    simulator.reset(TASKS[demo.task], demo.variation, demo.seed)
    for action in demo.actions.astype(np.float64):
        outcome = simulator.execute(action[:3], action[3:7], bool(action[7] > 0.5))
        if outcome.success or outcome.failure:
            return outcome.success
    return False


def get_demos(
    task: str,
    n: int,
    seed: int,
    *,
    variation: int = 0,
    simulator: Simulator | None = None,
    keyframes: KeyframeRule = "arm",
    config: ObservationConfig | None = None,
) -> Sequence[Demo]:
    """Demonstrations of fresh episodes; demonstration i is of the same episode for every n and rule.

    Args:
        task: Name of the task.
        n: How many.
        seed: Seeds the episodes.
        variation: Of the task.
        simulator: To play them on; a new one by default.
        keyframes: Which frames an agent should go to, as `manipulation.keyframes` has it. Where the actions
            of merged keyframes do not solve the episode a demonstration has settled ones, else ARM's; its
            `rule` says which.
        config: Which pictures their observations have; all of the front camera's by default.

    Raises:
        ValueError: If there is no such task or rule.
        RuntimeError: If ten episodes in a row cannot be solved.
    """
    if task not in TASKS:
        raise ValueError(f"there is no task {task!r}: the tasks are {', '.join(TASKS)}")
    if keyframes not in get_args(KeyframeRule):
        raise ValueError(f"keyframes is {keyframes!r}: expected one of {', '.join(get_args(KeyframeRule))}")
    n = read_count("n", n, 0, 10**6)
    simulator = simulator or Simulator()
    stage: list[Simulator] = []
    demos = []
    for child in np.random.SeedSequence(seed).spawn(n):
        for episode in child.generate_state(ATTEMPTS, np.uint64).tolist():
            demo = play(simulator, TASKS[task], variation, int(episode >> 1), keyframes)
            if demo is not None:
                demo = replace(demo, config=config or ObservationConfig())
                object.__setattr__(demo, "_stage", stage)  # one simulator shows them all
                demos.append(demo)
                break
        else:
            raise RuntimeError(f"{task}: {ATTEMPTS} episodes in a row could not be demonstrated")
    return demos
