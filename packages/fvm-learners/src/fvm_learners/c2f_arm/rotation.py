"""Rotations of many grippers at once: quaternions xyzw, matrices whose columns are axes, Euler bins.

An orientation is written as three angles about the fixed axes x, y, z in turn, R = Rz Ry Rx, each rounded to
a bin; bin b of a circle of n stands for the angle b (360 / n) - 180 degrees.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def matrices_of(quaternions: NDArray[np.floating]) -> Array:
    """The rotation matrices [B, 3, 3] of quaternions xyzw [B, 4], which need not have length 1."""
    q = np.asarray(quaternions, dtype=np.float64)
    x, y, z, w = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def euler_of(matrices: Array) -> Array:
    """The angles [B, 3] about x, y, z in degrees of rotation matrices [B, 3, 3]; the first is 0 at the poles.

    At the poles (the second angle is 90 or -90 degrees) only the sum of the other two matters.
    """
    m = np.asarray(matrices, dtype=np.float64)
    sine = np.clip(-m[:, 2, 0], -1.0, 1.0)
    pole = np.abs(sine) > 1.0 - 1e-10
    about_x = np.where(pole, 0.0, np.arctan2(m[:, 2, 1], m[:, 2, 2]))
    about_z = np.where(pole, np.arctan2(-m[:, 0, 1], m[:, 1, 1]), np.arctan2(m[:, 1, 0], m[:, 0, 0]))
    return np.asarray(np.degrees(np.stack([about_x, np.arcsin(sine), about_z], axis=1)))


def quaternions_of(euler_degrees: Array) -> Array:
    """The unit quaternions xyzw [B, 4], w >= 0, of angles about x, y, z [B, 3] in degrees."""
    half = np.radians(np.asarray(euler_degrees, dtype=np.float64)) / 2
    (sx, sy, sz), (cx, cy, cz) = np.sin(half).T, np.cos(half).T
    q = np.stack(
        [
            sx * cy * cz - cx * sy * sz,
            cx * sy * cz + sx * cy * sz,
            cx * cy * sz - sx * sy * cz,
            cx * cy * cz + sx * sy * sz,
        ],
        axis=1,
    )
    return np.asarray(np.where(q[:, 3:] < 0, -q, q))


def bins_of(euler_degrees: Array, num_bins: int) -> NDArray[np.int64]:
    """The nearest bins [B, 3] of angles [B, 3] in degrees."""
    width = 360.0 / num_bins
    return np.rint((euler_degrees + 180.0) / width).astype(np.int64) % num_bins


def angles_of(bins: NDArray[np.int64], num_bins: int) -> Array:
    """The angles [B, 3] in degrees that bins [B, 3] stand for."""
    return np.asarray(bins * (360.0 / num_bins) - 180.0, dtype=np.float64)


def about_z(angles: Array) -> Array:
    """The rotation matrices [B, 3, 3] of turns [B] about the vertical, in radians."""
    turns = np.zeros((len(angles), 3, 3))
    turns[:, 0, 0] = turns[:, 1, 1] = np.cos(angles)
    turns[:, 1, 0] = np.sin(angles)
    turns[:, 0, 1] = -turns[:, 1, 0]
    turns[:, 2, 2] = 1.0
    return turns


def with_fingers_towards_minus_y(matrices: Array) -> Array:
    """The same grasps [B, 3, 3], each turned half about its approach where its y axis points to +y.

    A parallel gripper is the same after half a turn about its approach (the z axis), so that one of the two
    orientations is enough to learn.
    """
    turned = matrices.copy()
    turned[matrices[:, 1, 1] > 0, :, :2] *= -1.0
    return turned
