"""The physical state of a task: bodies that can be put, painted, joined and asked for.

Models are compiled once a process and shared; what an episode changes (positions, colours, the relative
pose that a weld keeps) lives here and is saved with the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation import panda, scene
from fvm_envs.manipulation.mjcf import Colour, Vector
from fvm_envs.manipulation.rotation import Array, quaternion_of

if TYPE_CHECKING:
    import mujoco

    from fvm_envs.manipulation.task import ManipulationTask


@cache
def model_of(task: ManipulationTask) -> mujoco.MjModel:
    """The compiled model of a task, one a process."""
    pieces = task.pieces()
    return scene.compile_model(
        scene.mjcf(pieces.objects, task.graspable, equality=pieces.equality, contact=pieces.contact)
    )


class World:
    """A task's model with the state of one episode.

    Args:
        task: Which task's objects are on the table.
    """

    def __init__(self, task: ManipulationTask) -> None:
        self.mujoco = mujoco = scene.engine()
        model = model_of(task)
        self.task = task
        self.model = model
        self.data = mujoco.MjData(model)
        self.variation = 0
        self.colours: NDArray[np.uint8] = np.zeros((model.ngeom, 3), dtype=np.uint8)
        self.grasped: str | None = None
        self._welds: Array = model.eq_data.copy()
        self._qpos_at_start: Array = self.data.qpos.copy()
        self._tip = model.site("tip").id
        self._hand = model.body("hand").id
        self._pads = tuple(model.geom(name).id for name in panda.PADS)
        self._graspable = {model.body(name).id: name for name in task.graspable}
        self._joints: dict[str, tuple[int, int]] = {
            model.joint(i).name: (int(model.jnt_qposadr[i]), int(model.jnt_dofadr[i]))
            for i in range(model.njnt)
        }
        self._integration = mujoco.mjtState.mjSTATE_INTEGRATION
        self.clear()

    def clear(self, variation: int = 0) -> None:
        """Everything as the model says, the arm at home with its gripper open; nothing of the past stays."""
        self.mujoco.mj_resetData(self.model, self.data)
        self.variation = variation
        self.colours[:] = np.round(self.model.geom_rgba[:, :3] * 255.0)
        self.grasped = None
        self.data.qpos[: panda.NUM_JOINTS] = panda.HOME
        self.data.ctrl[: panda.NUM_JOINTS] = panda.HOME
        self.data.ctrl[panda.NUM_JOINTS] = panda.OPEN
        for name in panda.FINGER_JOINTS:
            self.data.qpos[self._joints[name][0]] = panda.OPEN

    def begin(self) -> None:
        """Take the present joint positions as those of the start."""
        self._qpos_at_start[:] = self.data.qpos

    # What a task asks.

    def joint(self, name: str) -> float:
        """The position of a joint, m or rad."""
        return float(self.data.qpos[self._joints[name][0]])

    def joint_at_start(self, name: str) -> float:
        """Its position when the episode began."""
        return float(self._qpos_at_start[self._joints[name][0]])

    def position(self, body: str) -> Array:
        """The position of a body's frame in the world, a copy."""
        position: Array = self.data.body(body).xpos.copy()
        return position

    def matrix(self, body: str) -> Array:
        """The orientation of a body's frame in the world, a copy, [3, 3]."""
        matrix: Array = self.data.body(body).xmat.reshape(3, 3).copy()
        return matrix

    def point(self, body: str, offset: Vector) -> Array:
        """A point given in a body's frame, in the world."""
        return self.position(body) + self.matrix(body) @ np.asarray(offset, dtype=np.float64)

    def direction(self, body: str, vector: Vector) -> Array:
        """A direction given in a body's frame, in the world."""
        turned: Array = self.matrix(body) @ np.asarray(vector, dtype=np.float64)
        return turned

    def inside(self, point: Array, zone: str) -> bool:
        """Whether a point is in a zone."""
        site = self.data.site(zone)
        local = site.xmat.reshape(3, 3).T @ (point - site.xpos)
        return bool((np.abs(local) <= self.model.site(zone).size).all())

    def tip(self) -> tuple[Array, Array]:
        """Position and orientation of the gripper's tip, copies."""
        position: Array = self.data.site_xpos[self._tip].copy()
        return position, self.data.site_xmat[self._tip].reshape(3, 3).copy()

    # What a task does.

    def put(self, body: str, position: Vector, matrix: Array | None = None) -> None:
        """Put a piece of furniture or a thing somewhere, upright unless `matrix` says how it is turned."""
        x, y, z, w = quaternion_of(np.eye(3) if matrix is None else matrix)
        mocap = int(self.model.body(body).mocapid[0])
        if mocap >= 0:
            self.data.mocap_pos[mocap] = position
            self.data.mocap_quat[mocap] = (w, x, y, z)
        else:
            start = self._joints[body][0]
            self.data.qpos[start : start + 7] = (*position, w, x, y, z)

    def set_joint(self, name: str, value: float) -> None:
        """Put a joint somewhere."""
        self.data.qpos[self._joints[name][0]] = value

    def paint(self, geom: str, colour: Colour) -> None:
        """Give a geom another colour."""
        self.colours[self.model.geom(geom).id] = np.round(np.array(colour) * 255.0)

    def paint_body(self, body: str, colour: Colour) -> None:
        """Give all geoms of a body another colour."""
        self.colours[self.model.geom_bodyid == self.model.body(body).id] = np.round(np.array(colour) * 255.0)

    def join(self, weld: str) -> None:
        """Switch on a weld that keeps the present pose of its second body in its first."""
        equality = self.model.equality(weld).id
        one, two = int(self.model.eq_obj1id[equality]), int(self.model.eq_obj2id[equality])
        turn: Array = self.data.xmat[one].reshape(3, 3).T
        x, y, z, w = quaternion_of(turn @ self.data.xmat[two].reshape(3, 3))
        relative = turn @ (self.data.xpos[two] - self.data.xpos[one])
        self._welds[equality, :11] = (0, 0, 0, *relative, w, x, y, z, 1)
        self.data.eq_active[equality] = 1

    def unjoin(self, equality: str) -> None:
        """Switch off a weld or another equality."""
        self.data.eq_active[self.model.equality(equality).id] = 0

    # What the simulator does.

    def kinematics(self) -> None:
        """Bring the poses of all bodies up to date with the joints."""
        self.mujoco.mj_kinematics(self.model, self.data)

    def steps(self, num: int) -> None:
        """Let the physics run for `num` time steps."""
        self.model.eq_data[:] = self._welds
        self.mujoco.mj_step(self.model, self.data, nstep=num)
        self.task.watch(self)

    def touched(self) -> str | None:
        """The graspable body that both pads touch, or None."""
        self.mujoco.mj_collision(self.model, self.data)
        sides: tuple[set[int], set[int]] = (set(), set())
        for one, two in self.data.contact.geom.tolist():
            for side, pad in enumerate(self._pads):
                if pad in (one, two):
                    sides[side].add(int(self.model.geom_bodyid[two if pad == one else one]))
        both = sorted(sides[0] & sides[1] & set(self._graspable))
        return self._graspable[both[0]] if both else None

    def grasp(self, body: str) -> None:
        """Attach a body to the hand."""
        self.join(f"grasp:{body}")
        self.grasped = body

    def release(self) -> None:
        """Let go of what the hand holds."""
        if self.grasped is not None:
            self.unjoin(f"grasp:{self.grasped}")
            self.grasped = None

    def state(self) -> dict[str, Any]:
        """Everything that changes: arrays and JSON values."""
        size = self.mujoco.mj_stateSize(self.model, self._integration)
        physics = np.empty(size)
        self.mujoco.mj_getState(self.model, self.data, physics, self._integration)
        return {
            "variation": self.variation,
            "physics": physics,
            "colours": self.colours.copy(),
            "welds": self._welds.copy(),
            "qpos_at_start": self._qpos_at_start.copy(),
            "grasped": self.grasped,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: If it is of another task.
        """
        physics = np.asarray(state["physics"], dtype=np.float64)
        size = self.mujoco.mj_stateSize(self.model, self._integration)
        if physics.shape != (size,) or np.shape(state["colours"]) != self.colours.shape:
            raise ValueError(f"the saved state is damaged, or not of {self.task.name}")
        self.mujoco.mj_resetData(self.model, self.data)
        self.mujoco.mj_setState(self.model, self.data, physics, self._integration)
        self.variation = int(state["variation"])
        self.colours[:] = state["colours"]
        self._welds[:] = state["welds"]
        self._qpos_at_start[:] = state["qpos_at_start"]
        self.grasped = state["grasped"]
        self.kinematics()
