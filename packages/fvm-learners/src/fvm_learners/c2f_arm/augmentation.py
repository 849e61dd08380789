"""What is done to a batch's scenes and actions before they are learned from.

    p' = R_z(a) (p - c) + c + t        a, t uniform; drawn again while the action leaves the bounds

moves points and action alike (SE(3) without tilts); finer grids are jittered about their voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.rotation import (
    about_z,
    bins_of,
    euler_of,
    matrices_of,
    with_fingers_towards_minus_y,
)

Array = NDArray[np.float64]
ATTEMPTS = 100


@dataclass(frozen=True)
class Motion:
    """Rigid motions of B scenes: p' = turn p + shift.

    Attributes:
        turn: [B, 3, 3].
        shift: [B, 3] m.
    """

    turn: Array
    shift: Array

    def points(self, positions: Array) -> Array:
        """Where positions [B, ..., 3] go."""
        extra = (1,) * (positions.ndim - 2)
        moved = np.einsum("bij,b...j->b...i", self.turn, positions)
        return np.asarray(moved + self.shift.reshape(len(self.shift), *extra, 3))

    def rays(self, rotation: Array, translation: Array) -> tuple[Array, Array]:
        """Cameras' rays-to-world [B, C, 3, 3], [B, C, 3] as seen in the moved scenes."""
        return np.einsum("bij,bcjk->bcik", self.turn, rotation), self.points(translation)


def draw_motions(position: Array, config: C2FARMConfig, rng: np.random.Generator) -> Motion:
    """Motions that keep the actions' positions [B, 3] within bounds; none where a hundred draws do not."""
    num = len(position)
    box = config.workspace or config.bounds
    low, high = np.array(box[:3]) + 1e-6, np.array(box[3:]) - 1e-6
    pivot = np.array([*config.yaw_centre, 0.0])
    motion = Motion(np.broadcast_to(np.eye(3), (num, 3, 3)).copy(), np.zeros((num, 3)))
    if not config.yaw_degrees and not any(config.shift):
        return motion
    left = np.arange(num)
    for _ in range(ATTEMPTS):
        turn = about_z(np.radians(rng.uniform(-config.yaw_degrees, config.yaw_degrees, len(left))))
        shift = rng.uniform(-1.0, 1.0, (len(left), 3)) * np.array(config.shift)
        drawn = Motion(turn, pivot - turn @ pivot + shift)
        moved = drawn.points(position[left])
        fits = ((moved >= low) & (moved < high)).all(axis=1)
        motion.turn[left[fits]], motion.shift[left[fits]] = drawn.turn[fits], drawn.shift[fits]
        left = left[~fits]
        if not len(left):
            break
    return motion


def rotation_bins(quaternions: NDArray[np.floating], turn: Array, config: C2FARMConfig) -> NDArray[np.int64]:
    """The bins [B, 3] of turned orientations xyzw [B, 4]."""
    matrices = turn @ matrices_of(quaternions)
    if config.gripper_symmetry:
        matrices = with_fingers_towards_minus_y(matrices)
    return bins_of(euler_of(matrices), config.rotation_bins)


def draw_jitter(num: int, config: C2FARMConfig, rng: np.random.Generator) -> Array:
    """Shifts [depths - 1, B, 3] of the finer grids' centres as shares of their half sides."""
    return rng.uniform(-config.jitter, config.jitter, (len(config.half_sides), num, 3))
