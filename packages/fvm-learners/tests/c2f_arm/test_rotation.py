"""Many rotations at once, against single ones built of Rz Ry Rx, and what a bin stands for."""

import numpy as np
import pytest
from fvm_learners.c2f_arm.rotation import (
    about_z,
    angles_of,
    bins_of,
    euler_of,
    matrices_of,
    quaternions_of,
    with_fingers_towards_minus_y,
)

RNG = np.random.default_rng(0)
EULER = np.stack([RNG.uniform(-180, 180, 30), RNG.uniform(-89, 89, 30), RNG.uniform(-180, 180, 30)], axis=1)


def turn(axis, degrees):
    """A turn about one axis: the other two, in cyclic order, go towards each other."""
    matrix, angle = np.eye(3), np.radians(degrees)
    j, k = (axis + 1) % 3, (axis + 2) % 3
    matrix[j, j] = matrix[k, k] = np.cos(angle)
    matrix[k, j], matrix[j, k] = np.sin(angle), -np.sin(angle)
    return matrix


def by_definition(euler):
    return np.stack([turn(2, z) @ turn(1, y) @ turn(0, x) for x, y, z in euler])


def test_angles_are_about_the_fixed_axes_x_then_y_then_z():
    assert matrices_of(quaternions_of(EULER)) == pytest.approx(by_definition(EULER))


def test_there_and_back():
    assert euler_of(by_definition(EULER)) == pytest.approx(EULER)
    quaternions = quaternions_of(EULER)
    assert np.linalg.norm(quaternions, axis=1) == pytest.approx(np.ones(30))
    assert (quaternions[:, 3] >= 0).all()


@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_at_the_poles_the_first_angle_is_0_and_the_rotation_is_the_same(pole):
    matrices = by_definition([[30.0, pole, 50.0], [0.0, pole, -20.0]])
    angles = euler_of(matrices)
    assert angles[:, 0].tolist() == [0, 0]
    assert angles[:, 1] == pytest.approx([pole] * 2)
    assert by_definition(angles) == pytest.approx(matrices, abs=1e-7)


def test_quaternions_need_not_have_length_1():
    quaternions = quaternions_of(EULER)
    assert matrices_of(-3.5 * quaternions) == pytest.approx(matrices_of(quaternions))


def test_bins_are_the_nearest_and_the_circle_closes():
    angles = np.array([[-180.0, 0.0, 179.9], [-177.6, 44.9, 2.4], [2.6, -90.0, 177.4]])
    assert bins_of(angles, 72).tolist() == [[0, 36, 0], [0, 45, 36], [37, 18, 71]]
    assert angles_of(np.array([[0, 36, 71]]), 72).tolist() == [[-180, 0, 175]]
    every = np.arange(72)[:, None] * np.ones(3, dtype=np.int64)
    assert np.array_equal(bins_of(angles_of(every, 72), 72), every)


def test_about_z_is_the_turn_about_the_vertical():
    angles = np.array([0.0, 0.3, -2.0])
    assert about_z(angles) == pytest.approx(np.stack([turn(2, np.degrees(a)) for a in angles]))


def test_of_two_equal_grasps_the_one_with_its_fingers_towards_minus_y_is_learned():
    matrices = by_definition(EULER)
    chosen = with_fingers_towards_minus_y(matrices)
    assert (chosen[:, 1, 1] <= 0).all()
    assert (matrices[:, 1, 1] > 0).any()
    for before, after in zip(matrices, chosen, strict=True):
        half_turn = before @ turn(2, 180)
        assert after == pytest.approx(before) or after == pytest.approx(half_turn)
        assert after[:, 2] == pytest.approx(before[:, 2])  # the approach stays
