import numpy as np
import pytest
from fvm_envs.manipulation import panda
from fvm_envs.manipulation.kinematics import HOME, LOWER, UPPER, Arm
from fvm_envs.manipulation.rotation import (
    about_z,
    facing,
    matrix_of,
    quaternion_of,
    rotation_vector,
    turn_about,
)

pytestmark = pytest.mark.manipulation


def dh(a, d, alpha, theta):
    """Craig's convention, as in Franka's table."""
    ca, sa, ct, st = np.cos(alpha), np.sin(alpha), np.cos(theta), np.sin(theta)
    return np.array(
        [[ct, -st, 0, a], [st * ca, ct * ca, -sa, -d * sa], [st * sa, ct * sa, ca, d * ca], [0, 0, 0, 1]]
    )


def franka(q):
    """Tip of the hand by Franka's published table of Denavit-Hartenberg parameters."""
    half = np.pi / 2
    table = [
        (0, 0.333, 0),
        (0, 0, -half),
        (0, 0.316, half),
        (0.0825, 0, half),
        (-0.0825, 0.384, -half),
        (0, 0, half),
        (0.088, 0, half),
    ]
    pose = np.eye(4)
    pose[:3, 3] = panda.BASE
    for (a, d, alpha), theta in zip(table, q, strict=True):
        pose = pose @ dh(a, d, alpha, theta)
    return pose @ dh(0, 0.107, 0, 0) @ dh(0, 0.1034, 0, -np.pi / 4)


def test_the_arm_is_frankas():
    arm, rng = Arm(), np.random.default_rng(0)
    for q in [np.zeros(7), *rng.uniform(LOWER, UPPER, size=(20, 7))]:
        position, matrix = arm.pose(q)
        np.testing.assert_allclose(position, franka(q)[:3, 3], atol=1e-9)
        np.testing.assert_allclose(matrix, franka(q)[:3, :3], atol=1e-9)


def test_home_is_where_rlbench_has_it():
    position, matrix = Arm().pose(HOME)
    np.testing.assert_allclose(position, (0.278, 0, 1.472), atol=0.03)
    assert matrix[2, 2] < -0.95  # points down


def test_a_reachable_pose_is_reached_within_the_limits():
    arm, rng = Arm(), np.random.default_rng(1)
    found = 0
    for _ in range(60):
        goal = rng.uniform(LOWER, UPPER)
        position, matrix = arm.pose(goal)
        assert arm.within_reach(position, matrix)
        start = np.clip(goal + rng.uniform(-0.3, 0.3, size=7), LOWER, UPPER)
        joints = arm.solve(start, position, matrix)
        if joints is None:
            continue
        found += 1
        at, orientation = arm.pose(joints)
        assert np.linalg.norm(at - position) < 1e-3
        assert np.linalg.norm(rotation_vector(matrix @ orientation.T)) < 5e-3
        assert (joints >= LOWER).all()
        assert (joints <= UPPER).all()
    assert found >= 54


def test_a_pose_out_of_reach_is_not():
    arm = Arm()
    position = np.array([1.2, 0.0, 1.0])
    assert not arm.within_reach(position, np.diag([1.0, -1.0, -1.0]))
    assert arm.solve(HOME, position, np.diag([1.0, -1.0, -1.0])) is None


def test_rotations():
    rng = np.random.default_rng(2)
    half_turns = [np.array(q, dtype=float) for q in ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))]
    for q in [*rng.normal(size=(100, 4)), *half_turns]:
        q = q / np.linalg.norm(q)
        matrix = matrix_of(q)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        back = quaternion_of(matrix)
        assert min(np.abs(back - q).max(), np.abs(back + q).max()) < 1e-9
        assert back[3] >= 0
        np.testing.assert_allclose(turn_about(rotation_vector(matrix)), matrix, atol=1e-9)
    np.testing.assert_allclose(about_z(np.pi / 2) @ (1, 0, 0), (0, 1, 0), atol=1e-12)
    hand = facing(np.array([0.0, 0, -1]), np.array([0, 1, 0.3]))
    np.testing.assert_allclose(hand, [[-1, 0, 0], [0, 1, 0], [0, 0, -1]], atol=1e-12)
