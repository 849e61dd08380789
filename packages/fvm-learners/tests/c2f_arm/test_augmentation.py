"""Augmentation as a rigid motion: distances stay, and actions stay within bounds."""

from dataclasses import replace

import numpy as np
import pytest
from fvm_learners.c2f_arm import C2FARMConfig
from fvm_learners.c2f_arm.augmentation import Motion, draw_jitter, draw_motions, rotation_bins
from fvm_learners.c2f_arm.rotation import about_z, matrices_of

CONFIG = C2FARMConfig(low_dim=(), yaw_degrees=45.0, shift=(0.1, 0.1, 0.03))
INSIDE = np.random.default_rng(0).uniform([-0.1, -0.3, 0.8], [0.5, 0.3, 1.4], (64, 3))


def test_a_motion_by_hand():
    motion = Motion(about_z(np.array([np.pi / 2, 0.0])), np.array([[0.0, 0, 1], [1, 0, 0]]))
    assert motion.points(np.array([[1.0, 2, 3], [1, 2, 3]])) == pytest.approx(
        np.array([[-2, 1, 4], [2, 2, 3]])
    )
    clouds = np.arange(12.0).reshape(2, 2, 3)
    moved = motion.points(clouds)
    assert moved[0, 1] == pytest.approx([-clouds[0, 1, 1], clouds[0, 1, 0], clouds[0, 1, 2] + 1])
    assert moved[1] == pytest.approx(clouds[1] + [1, 0, 0])


def test_a_camera_that_moves_along_sees_each_point_where_it_was():
    motion = draw_motions(INSIDE[:2], CONFIG, np.random.default_rng(1))
    rays = about_z(np.array([0.4, -0.7, 1.1, 2.0])).reshape(2, 2, 3, 3)
    eye = np.random.default_rng(2).normal(size=(2, 2, 3))
    pixel = np.array([0.2, -0.3, 1.5])
    world = np.einsum("bcij,j->bci", rays, pixel) + eye
    turned, placed = motion.rays(rays, eye)
    assert np.einsum("bcij,j->bci", turned, pixel) + placed == pytest.approx(motion.points(world))


def test_motions_are_rigid_within_their_range_and_keep_actions_within_bounds():
    motion = draw_motions(INSIDE, CONFIG, np.random.default_rng(0))
    moved = motion.points(INSIDE)
    low, high = np.array(CONFIG.bounds[:3]), np.array(CONFIG.bounds[3:])
    assert ((moved >= low) & (moved < high)).all()
    yaw = np.degrees(np.arctan2(motion.turn[:, 1, 0], motion.turn[:, 0, 0]))
    assert np.abs(yaw).max() <= 45
    assert np.ptp(yaw) > 60
    pivot = np.array([*CONFIG.yaw_centre, 0.0])
    shift = motion.points(np.broadcast_to(pivot, (64, 3))) - pivot  # the axis only shifts
    assert (np.abs(shift) <= CONFIG.shift).all()
    assert (motion.turn @ motion.turn.transpose(0, 2, 1)) == pytest.approx(
        np.broadcast_to(np.eye(3), (64, 3, 3))
    )


def test_what_no_draw_can_keep_inside_stays_where_it_is():
    outside = np.array([[5.0, 5.0, 5.0], [0.2, 0.0, 1.0]])
    motion = draw_motions(outside, CONFIG, np.random.default_rng(0))
    assert np.array_equal(motion.turn[0], np.eye(3))
    assert motion.shift[0].tolist() == [0, 0, 0]
    assert not np.array_equal(motion.turn[1], np.eye(3))


def test_without_a_range_nothing_is_drawn():
    rng, untouched = np.random.default_rng(0), np.random.default_rng(0)
    still = replace(CONFIG, yaw_degrees=0.0, shift=(0.0, 0.0, 0.0))
    assert np.array_equal(draw_motions(INSIDE, still, rng).points(INSIDE), INSIDE)
    assert rng.random() == untouched.random()


def test_orientations_turn_along():
    """A quarter about z moves the bin of the third angle by a quarter of the circle."""
    upright = np.array([[0.0, 0, 0, 1]])
    config = replace(CONFIG, rotation_bins=8, gripper_symmetry=False)
    before = rotation_bins(upright, np.eye(3)[None], config)
    after = rotation_bins(upright, about_z(np.array([np.pi / 2])), config)
    assert (before.tolist(), after.tolist()) == ([[4, 4, 4]], [[4, 4, 6]])


def test_jitter_is_of_each_finer_grid_within_its_share():
    config = C2FARMConfig(low_dim=(), grid_sizes=(8, 8, 8), half_sides=(0.3, 0.1), jitter=0.25)
    jitter = draw_jitter(200, config, np.random.default_rng(0))
    assert jitter.shape == (2, 200, 3)
    assert 0.24 < np.abs(jitter).max() <= 0.25


def test_a_motion_moves_points_cameras_and_actions_alike():
    config = C2FARMConfig(yaw_degrees=45, shift=(0.1, 0.1, 0.03))
    rng = np.random.default_rng(0)
    position = rng.uniform([0, -0.2, 0.8], [0.4, 0.2, 1.0], (50, 3))
    motion = draw_motions(position, config, rng)
    moved = motion.points(position)
    assert (np.abs(moved - position).max(axis=0) > 0.05)[:2].all()
    # A camera's points p = t + d R ray: moved cameras show moved points.
    rotation, translation = rng.standard_normal((50, 1, 3, 3)), rng.standard_normal((50, 1, 3))
    turned, shifted = motion.rays(rotation, translation)
    ray = np.array([3.0, 4.0, 1.0]) * 0.7
    seen = motion.points(translation + rotation @ ray)
    np.testing.assert_allclose(shifted + turned @ ray, seen, atol=1e-12)
    # Distances to the axis of the turn change by the shift alone.
    np.testing.assert_allclose(np.linalg.det(motion.turn), 1.0)
    assert (np.abs(moved[:, 2] - position[:, 2]) <= 0.03).all()


def test_motions_keep_actions_in_bounds():
    config = C2FARMConfig(yaw_degrees=45, shift=(0.3, 0.3, 0.3), workspace=(0, -0.3, 0.75, 0.5, 0.3, 1.2))
    rng = np.random.default_rng(1)
    position = rng.uniform([0.01, -0.29, 0.76], [0.49, 0.29, 1.19], (200, 3))
    moved = draw_motions(position, config, rng).points(position)
    assert (moved >= [0, -0.3, 0.75]).all()
    assert (moved <= [0.5, 0.3, 1.2]).all()


def test_symmetric_grasps_have_one_label():
    config = C2FARMConfig(gripper_symmetry=True)
    q = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])  # half turns about x and y: both look down
    assert np.allclose(matrices_of(q)[:, :, 2], [0, 0, -1])
    bins = rotation_bins(q, np.broadcast_to(np.eye(3), (2, 3, 3)), config)
    assert bins[0].tolist() == bins[1].tolist()
    plain = rotation_bins(q, np.broadcast_to(np.eye(3), (2, 3, 3)), C2FARMConfig())
    assert plain[0].tolist() != plain[1].tolist()
