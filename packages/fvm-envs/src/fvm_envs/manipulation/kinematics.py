"""Forward and inverse kinematics of the arm, on a scratch model of the robot alone.

The inverse is damped least squares with a pull towards the home posture that is dropped after half of the
iterations (near a limit it would keep the search from converging), and joints that press against a limit
frozen.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation import panda
from fvm_envs.manipulation.rotation import Array, rotation_vector
from fvm_envs.manipulation.scene import compile_model, engine

if TYPE_CHECKING:
    import mujoco

LOWER, UPPER, HOME = (np.array(values) for values in (panda.LOWER, panda.UPPER, panda.HOME))
DAMPING = 1e-4
LARGEST_STEP_RAD = 0.4
POSTURE_GAIN = 0.1
POSITION_TOLERANCE_M = 1e-3
ROTATION_TOLERANCE_RAD = 5e-3


@cache
def _arm_model() -> mujoco.MjModel:
    return compile_model(
        '<mujoco><compiler angle="radian" autolimits="false"/>'
        f"<default>{panda.defaults()}</default><worldbody>{panda.body()}</worldbody></mujoco>"
    )


class Arm:
    """The arm's kinematics; poses are of the tip, position [3] and matrix [3, 3] in the world."""

    def __init__(self) -> None:
        self._mujoco = engine()
        self._model = _arm_model()
        self._data = self._mujoco.MjData(self._model)
        self._tip = self._model.site("tip").id
        nv = self._model.nv
        self._jacobian_p, self._jacobian_r = np.zeros((3, nv)), np.zeros((3, nv))

    def pose(self, joints: Array) -> tuple[Array, Array]:
        """Position and orientation of the tip at these joint positions."""
        self._data.qpos[: panda.NUM_JOINTS] = joints
        self._mujoco.mj_kinematics(self._model, self._data)
        position: Array = self._data.site_xpos[self._tip].copy()
        return position, self._data.site_xmat[self._tip].reshape(3, 3).copy()

    def within_reach(self, position: Array, matrix: Array) -> bool:
        """False only where the stretched arm is too short for a pose, whatever its joints' limits."""
        wrist = position - panda.WRIST_TO_TIP * matrix[:, 2]
        return float(np.linalg.norm(wrist - panda.SHOULDER)) < panda.REACH

    def solve(self, start: Array, position: Array, matrix: Array, iterations: int = 60) -> Array | None:
        """Joint positions that reach a pose, searched from `start`, within the limits, or None."""
        joints = np.clip(start, LOWER, UPPER)
        identity = np.eye(6) * DAMPING
        for iteration in range(iterations):
            at, orientation = self.pose(joints)
            error = np.concatenate([position - at, rotation_vector(matrix @ orientation.T)])
            if (
                float(error[:3] @ error[:3]) < POSITION_TOLERANCE_M**2
                and float(error[3:] @ error[3:]) < ROTATION_TOLERANCE_RAD**2
            ):
                return joints
            self._mujoco.mj_comPos(self._model, self._data)
            self._mujoco.mj_jacSite(self._model, self._data, self._jacobian_p, self._jacobian_r, self._tip)
            jacobian = np.vstack(
                [self._jacobian_p[:, : panda.NUM_JOINTS], self._jacobian_r[:, : panda.NUM_JOINTS]]
            )
            posture = POSTURE_GAIN * (HOME - joints) if iteration < iterations // 2 else None
            step = _step(jacobian, error, posture, identity)
            pinned = ((joints <= LOWER) & (step < 0.0)) | ((joints >= UPPER) & (step > 0.0))
            if pinned.any():
                free: NDArray[np.bool_] = ~pinned
                step = np.where(free, _step(jacobian * free, error, posture, identity), 0.0)
            size = float(np.abs(step).max())
            if size > LARGEST_STEP_RAD:
                step *= LARGEST_STEP_RAD / size
            joints = np.clip(joints + step, LOWER, UPPER)
        return None


def _step(jacobian: Array, error: Array, posture: Array | None, damping: Array) -> Array:
    rest = error if posture is None else error - jacobian @ posture
    step: Array = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + damping, rest)
    return step if posture is None else posture + step
