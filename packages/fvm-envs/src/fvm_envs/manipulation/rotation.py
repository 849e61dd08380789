"""Rotations: quaternions xyzw as RLBench writes them, matrices whose columns are axes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def matrix_of(quaternion: Array) -> Array:
    """The rotation matrix [3, 3] of a unit quaternion xyzw."""
    x, y, z, w = (float(part) for part in quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_of(matrix: Array) -> Array:
    """The unit quaternion xyzw, w >= 0, of a rotation matrix."""
    m = [[float(value) for value in row] for row in matrix]
    trace = m[0][0] + m[1][1] + m[2][2]
    q = [0.0, 0.0, 0.0, 0.0]
    if trace > 0.0:
        s = 2.0 * math.sqrt(1.0 + trace)
        q = [(m[2][1] - m[1][2]) / s, (m[0][2] - m[2][0]) / s, (m[1][0] - m[0][1]) / s, 0.25 * s]
    else:
        i = max(range(3), key=lambda axis: m[axis][axis])
        j, k = (i + 1) % 3, (i + 2) % 3
        s = 2.0 * math.sqrt(max(1e-30, 1.0 + m[i][i] - m[j][j] - m[k][k]))
        q[i], q[j], q[k] = 0.25 * s, (m[j][i] + m[i][j]) / s, (m[k][i] + m[i][k]) / s
        q[3] = (m[k][j] - m[j][k]) / s
    out = np.array(q)
    out /= np.linalg.norm(out)
    return -out if out[3] < 0.0 else out


def rotation_vector(matrix: Array) -> Array:
    """Axis times angle in [0, pi] of a rotation matrix."""
    x, y, z, w = (float(part) for part in quaternion_of(matrix))
    sine = math.sqrt(x * x + y * y + z * z)
    scale = 2.0 if sine < 1e-9 else 2.0 * math.atan2(sine, w) / sine
    return np.array([scale * x, scale * y, scale * z])


def turn_about(vector: Array) -> Array:
    """The rotation matrix of axis times angle."""
    angle = math.sqrt(float(vector @ vector))
    if angle < 1e-12:
        return np.eye(3)
    sine = math.sin(0.5 * angle) / angle
    return matrix_of(np.array([*(vector * sine), math.cos(0.5 * angle)]))


def about_z(angle: float) -> Array:
    """The rotation matrix of a turn about the vertical."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def facing(approach: Array, finger_axis: Array) -> Array:
    """The rotation matrix of a gripper that points along `approach` and opens along `finger_axis`.

    The part of `finger_axis` along `approach` is taken off.
    """
    z = np.asarray(approach, dtype=np.float64)
    z = z / np.linalg.norm(z)
    y = np.asarray(finger_axis, dtype=np.float64)
    y = y - z * float(y @ z)
    y = y / np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z], axis=1)
