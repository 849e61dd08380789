"""The robot at work: macro actions planned, executed and judged, as RLBench's planning mode does.

A macro action is a pose of the tip and a gripper state: the arm goes there on a planned path, then the
gripper opens or closes. Closing on a body that both pads touch attaches it to the hand. Success is tested
every 20 ms and ends the motion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation import panda, scene
from fvm_envs.manipulation.kinematics import LOWER, UPPER, Arm
from fvm_envs.manipulation.planner import Collides, Planner
from fvm_envs.manipulation.rotation import Array, matrix_of, quaternion_of
from fvm_envs.manipulation.task import ManipulationTask, PlacementError
from fvm_envs.manipulation.world import World

Failure = Literal["", "outside workspace", "unreachable"]

TICK_STEPS = 10
TICK_S = TICK_STEPS * scene.TIMESTEP_S
FREE_SPEED, CLOSED_SPEED = 1.6, 1.2
"""Mean joint speed of a motion, rad/s, with an open and with a closed gripper: at 2 pushed blocks slid on."""
PEAK_ACCELERATION = 15.0
"""Of the joints, rad/s^2: faster, short motions overshot by millimetres."""
STILL_RAD_S, CLOSE_RAD, SETTLE_TICKS = 0.02, 2e-3, 25
FINGER_TICKS, FINGER_STILL_TICKS, FINGER_STILL_M_S = 25, 5, 5e-3
DROP_TICKS = 20
REST_STEPS = 100
PLACEMENTS = 100
CONTACT_DEPTH_M = 1e-3


@dataclass(frozen=True)
class Outcome:
    """What a macro action led to; `failure` says why none was possible."""

    success: bool
    failure: Failure = ""


class Simulator:
    """One robot at one table, which tasks are put on.

    Args:
        collision_checking: Plan round obstacles; RLBench's default is to plan a line and bump.
    """

    def __init__(self, *, collision_checking: bool = False) -> None:
        self.collision_checking = collision_checking
        self.on_tick: Callable[[], None] | None = None
        self._worlds: dict[str, World] = {}
        self._planner = Planner()
        self._rng = np.random.default_rng(0)
        self._world: World | None = None
        self.open = True
        self._to_the_end = False

    @property
    def world(self) -> World:
        """The table as it stands."""
        if self._world is None:
            raise RuntimeError("no task is on the table: call reset first")
        return self._world

    @property
    def arm(self) -> Arm:
        """The arm's kinematics."""
        return self._planner.arm

    def reset(self, task: ManipulationTask, variation: int, seed: int) -> None:
        """Start an episode; task, variation and seed alone determine it, whatever was played before.

        Raises:
            RuntimeError: If no placement was found at which the demonstration's poses can be reached.
        """
        if not 0 <= variation < task.num_variations:
            raise ValueError(f"{task.name} has {task.num_variations} variations, not one {variation}")
        self._use(task)
        layout, self._rng = (np.random.default_rng([part, seed]) for part in (0, 1))
        for _ in range(PLACEMENTS):
            self.world.clear(variation)
            self.open = True
            try:
                task.place(self.world, variation, layout)
            except PlacementError:
                continue
            self.world.kinematics()
            self.world.steps(REST_STEPS)
            self.world.kinematics()
            self.world.begin()
            if not task.solved(self.world) and self._demonstration_is_reachable():
                return
        raise RuntimeError(f"{task.name}: none of {PLACEMENTS} placements can be reached")

    def execute(self, position: Array, quaternion: Array, open: bool, *, to_the_end: bool = False) -> Outcome:
        """Carry out a macro action.

        Args:
            position: Of the tip in the world, m.
            quaternion: Of the tip, xyzw, of any length but zero.
            open: The gripper's state afterwards.
            to_the_end: Finish the motion where success would end it, as demonstrations do.
        """
        self._to_the_end = to_the_end
        low, high = scene.BOUNDS[:3], scene.BOUNDS[3:]
        if not all(a <= p <= b for a, p, b in zip(low, position, high, strict=True)) or (
            position[2] < scene.TABLE_TOP
        ):
            return Outcome(False, "outside workspace")
        matrix = matrix_of(quaternion / np.linalg.norm(quaternion))
        start = self.joints()
        collides = self._collision_test() if self.collision_checking else None
        path = self._planner.plan(start, np.asarray(position), matrix, self._rng, collides)
        if path is None:
            return Outcome(False, "unreachable")
        solved = self._follow(np.vstack([start, path])) or self._grip(open)
        return Outcome(solved or (to_the_end and self.world.task.solved(self.world)))

    def rest(self, ticks: int) -> None:
        """Stay for a while."""
        for _ in range(ticks):
            self._tick()

    def joints(self) -> Array:
        """The arm's joint positions, a copy, rad."""
        joints: Array = self.world.data.qpos[: panda.NUM_JOINTS].copy()
        return joints

    def proprioception(self) -> dict[str, Array]:
        """What the robot feels: RLBench's names, float32."""
        data = self.world.data
        position, matrix = self.world.tip()
        fingers = data.qpos[panda.NUM_JOINTS : panda.NUM_JOINTS + 2]
        values: dict[str, Any] = {
            "gripper_pose": np.concatenate([position, quaternion_of(matrix)]),
            "gripper_open": np.array([float(fingers.sum() > 0.9 * 2 * panda.OPEN)]),
            "gripper_joint_positions": np.clip(fingers, 0.0, panda.OPEN),
            "joint_positions": data.qpos[: panda.NUM_JOINTS],
            "joint_velocities": data.qvel[: panda.NUM_JOINTS],
        }
        return {name: value.astype(np.float32) for name, value in values.items()}

    def state(self) -> dict[str, Any]:
        """Everything of the episode: arrays and JSON values."""
        return {
            "world": self.world.state(),
            "planner": self._rng.bit_generator.state,
            "open": self.open,
        }

    def load_state(self, task: ManipulationTask, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: If it is of another task.
        """
        self._use(task)
        self.world.load_state(state["world"])
        self._rng.bit_generator.state = state["planner"]
        self.open = bool(state["open"])

    def stage(self, task: ManipulationTask, qpos: Array, mocap: Array, colours: NDArray[np.uint8]) -> None:
        """Show a moment of an episode: positions, furniture [nmocap, 7], colours. Not to be played on."""
        self._use(task)
        world = self.world
        world.clear()
        world.data.qpos[:] = qpos
        world.data.mocap_pos[:], world.data.mocap_quat[:] = mocap[:, :3], mocap[:, 3:]
        world.colours[:] = colours
        world.kinematics()

    def _use(self, task: ManipulationTask) -> None:
        if task.name not in self._worlds:
            self._worlds[task.name] = World(task)
        self._world = self._worlds[task.name]

    def _demonstration_is_reachable(self) -> bool:
        joints: Array | None = self.joints()
        for waypoint in self.world.task.demonstration(self.world):
            assert joints is not None
            joints = self.arm.solve(joints, waypoint.position, waypoint.matrix)
            if joints is None:
                return False
        return True

    # Motion.

    def _tick(self) -> bool:
        """Runs 20 ms of physics; whether the task is solved and the motion shall end."""
        world = self.world
        world.steps(TICK_STEPS)
        # mj_step leaves the poses of the time before; what is judged and seen belongs to the joints.
        world.kinematics()
        solved = world.task.solved(world)
        if solved:
            world.task.celebrate(world)
        if self.on_tick is not None:
            self.on_tick()
        return solved and not self._to_the_end

    def _follow(self, path: Array) -> bool:
        """Move along joint positions [n, 7], softly at both ends, until still; whether solved on the way."""
        data = self.world.data
        lengths = np.concatenate([[0.0], np.abs(np.diff(path, axis=0)).max(axis=1).cumsum()])
        speed = FREE_SPEED if self.open else CLOSED_SPEED
        # The acceleration of 3 t^2 - 2 t^3 peaks at both ends, at 6 x length / duration^2.
        duration = max(lengths[-1] / speed, float(np.sqrt(6.0 * lengths[-1] / PEAK_ACCELERATION)))
        num = max(3, int(np.ceil(duration / TICK_S)))
        time = np.arange(1, num + 1) / num
        along = lengths[-1] * time * time * (3.0 - 2.0 * time)
        targets = np.stack([np.interp(along, lengths, joint) for joint in path.T], axis=1)
        # The servos' damping holds a moving joint back by velocity x kv / kp: lead by as much.
        lead = np.diff(targets, axis=0, append=targets[-1:]) * (panda.DAMPING_S / TICK_S)
        for target in np.clip(targets + lead, LOWER, UPPER):
            data.ctrl[: panda.NUM_JOINTS] = target
            if self._tick():
                return True
        data.ctrl[: panda.NUM_JOINTS] = targets[-1]
        still = 0
        for _ in range(SETTLE_TICKS):
            velocity = float(np.abs(data.qvel[: panda.NUM_JOINTS]).max())
            still = still + 1 if velocity < STILL_RAD_S else 0
            arrived = float(np.abs(data.qpos[: panda.NUM_JOINTS] - targets[-1]).max()) < CLOSE_RAD
            if still >= 3 or (arrived and velocity < 5 * STILL_RAD_S):
                break
            if self._tick():
                return True
        return False

    def _grip(self, open: bool) -> bool:
        """Open or close the gripper; whether that solved the task."""
        world = self.world
        if open == self.open:
            return False
        self.open = open
        if open:
            world.release()
        world.data.ctrl[panda.NUM_JOINTS] = panda.OPEN if open else -0.005
        if open:
            return any(self._tick() for _ in range(DROP_TICKS))
        still = 0
        for _ in range(FINGER_TICKS):
            if self._tick():
                return True
            velocity = np.abs(world.data.qvel[panda.NUM_JOINTS : panda.NUM_JOINTS + 2]).max()
            still = still + 1 if velocity < FINGER_STILL_M_S else 0
            if still and (body := world.touched()) is not None:
                world.grasp(body)
                return self._tick()
            if still >= FINGER_STILL_TICKS:
                break
        return False

    # Collisions, where asked for.

    def _collision_test(self) -> Collides:
        """Whether joint positions bring the robot, or what it holds, into something it does not touch now."""
        world, mujoco = self.world, self.world.mujoco
        model = world.model
        scratch = mujoco.MjData(model)
        scratch.qpos[:] = world.data.qpos
        scratch.mocap_pos[:] = world.data.mocap_pos
        scratch.mocap_quat[:] = world.data.mocap_quat
        robot = model.body_rootid[model.geom_bodyid] == model.body("link0").id
        carried = None
        if world.grasped is not None:
            robot |= model.geom_bodyid == model.body(world.grasped).id
            position, matrix = world.tip()
            carried = (
                matrix.T @ (world.position(world.grasped) - position),
                matrix.T @ world.matrix(world.grasped),
                int(model.jnt_qposadr[model.body(world.grasped).jntadr[0]]),
            )

        def deep() -> set[tuple[int, int]]:
            if carried is not None:
                position, matrix = self.arm.pose(scratch.qpos[: panda.NUM_JOINTS])
                x, y, z, w = quaternion_of(matrix @ carried[1])
                at = position + matrix @ carried[0]
                scratch.qpos[carried[2] : carried[2] + 7] = (*at, w, x, y, z)
            mujoco.mj_kinematics(model, scratch)
            mujoco.mj_comPos(model, scratch)
            mujoco.mj_collision(model, scratch)
            contacts = scratch.contact
            return {
                (one, two)
                for (one, two), depth in zip(contacts.geom.tolist(), contacts.dist.tolist(), strict=True)
                if depth < -CONTACT_DEPTH_M and robot[one] != robot[two]
            }

        allowed = deep()

        def collides(joints: Array) -> bool:
            scratch.qpos[: panda.NUM_JOINTS] = joints
            return not deep() <= allowed

        return collides
