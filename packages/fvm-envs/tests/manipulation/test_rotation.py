"""Rotations against their definitions: matrices that turn known vectors, and there and back."""

import numpy as np
import pytest
from fvm_envs.manipulation.rotation import (
    about_z,
    facing,
    matrix_of,
    quaternion_of,
    rotation_vector,
    turn_about,
)

HALF = np.sqrt(0.5)
RNG = np.random.default_rng(0)
QUATERNIONS = [q / np.linalg.norm(q) for q in RNG.normal(size=(20, 4))]
TURNS = [matrix_of(q) for q in QUATERNIONS]


@pytest.mark.parametrize(
    ("quaternion", "x", "y"),
    [
        ((0, 0, 0, 1), (1, 0, 0), (0, 1, 0)),
        ((0, 0, HALF, HALF), (0, 1, 0), (-1, 0, 0)),  # a quarter about z
        ((HALF, 0, 0, HALF), (1, 0, 0), (0, 0, 1)),  # about x
        ((1, 0, 0, 0), (1, 0, 0), (0, -1, 0)),  # half about x
        ((0, 1, 0, 0), (-1, 0, 0), (0, 1, 0)),
    ],
)
def test_columns_are_where_the_axes_go(quaternion, x, y):
    matrix = matrix_of(np.array(quaternion, dtype=np.float64))
    assert matrix[:, 0] == pytest.approx(x)
    assert matrix[:, 1] == pytest.approx(y)
    assert matrix[:, 2] == pytest.approx(np.cross(x, y))
    again = quaternion_of(matrix)
    assert again == pytest.approx(np.array(quaternion)) or again == pytest.approx(-np.array(quaternion))


@pytest.mark.parametrize("quaternion", QUATERNIONS[:5])
def test_a_matrix_turns_as_the_quaternion_does(quaternion):
    """q v q* by Hamilton's product, written out."""

    def times(a, b):
        (ax, ay, az), aw, (bx, by, bz), bw = a[:3], a[3], b[:3], b[3]
        return np.array(
            [
                aw * bx + ax * bw + ay * bz - az * by,
                aw * by - ax * bz + ay * bw + az * bx,
                aw * bz + ax * by - ay * bx + az * bw,
                aw * bw - ax * bx - ay * by - az * bz,
            ]
        )

    vector = np.array([0.3, -1.2, 2.0])
    turned = times(times(quaternion, np.array([*vector, 0])), quaternion * [-1, -1, -1, 1])
    assert matrix_of(quaternion) @ vector == pytest.approx(turned[:3])


@pytest.mark.parametrize("matrix", [*TURNS, np.diag([1.0, -1, -1]), np.diag([-1.0, -1, 1])])
def test_there_and_back(matrix):
    quaternion = quaternion_of(matrix)
    assert matrix_of(quaternion) == pytest.approx(matrix)
    assert np.linalg.norm(quaternion) == pytest.approx(1)
    assert quaternion[3] >= 0
    assert turn_about(rotation_vector(matrix)) == pytest.approx(matrix, abs=1e-9)
    assert np.linalg.norm(rotation_vector(matrix)) <= np.pi + 1e-9


def test_small_and_no_turns():
    assert rotation_vector(np.eye(3)).tolist() == [0, 0, 0]
    assert turn_about(np.zeros(3)) == pytest.approx(np.eye(3))
    tiny = np.array([1e-7, -2e-7, 5e-8])
    assert rotation_vector(turn_about(tiny)) == pytest.approx(tiny, rel=1e-6)


def test_about_z_turns_x_towards_y():
    assert about_z(np.pi / 6) @ [1, 0, 0] == pytest.approx([np.sqrt(3) / 2, 0.5, 0])
    assert about_z(0.7) == pytest.approx(turn_about(np.array([0, 0, 0.7])))


def test_a_gripper_points_along_its_approach_whatever_the_fingers_axis_leans():
    matrix = facing(np.array([0, 0, -2.0]), np.array([0, 3.0, 5.0]))
    assert matrix[:, 2] == pytest.approx([0, 0, -1])
    assert matrix[:, 1] == pytest.approx([0, 1, 0])  # the part along the approach is taken off
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert matrix.T @ matrix == pytest.approx(np.eye(3))
