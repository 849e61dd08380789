"""Trajectories whose keyframes can be told by eye."""

import numpy as np
from fvm_learners.c2f_arm.keyframes import keyframes_of, merged


def moving(num, stops=()):
    speed = np.full((num, 7), 0.5)
    speed[list(stops)] = 0.05
    return speed


def test_stops_changes_and_the_end_are_keyframes():
    gripper = np.array([1] * 12 + [0] * 8)
    assert keyframes_of(gripper, moving(20, stops=[6])) == (6, 12, 19)


def test_a_long_stop_counts_once_and_again_after_its_cooldown():
    assert keyframes_of(np.ones(20), moving(20, stops=range(5, 9))) == (5, 19)
    assert keyframes_of(np.ones(20), moving(20, stops=range(5, 11))) == (5, 10, 19)


def test_no_stop_near_a_change_of_the_gripper_nor_in_the_first_two_frames():
    gripper = np.array([1] * 7 + [0] * 8)
    assert keyframes_of(gripper, moving(15, stops=[0, 1, 6, 8])) == (7, 14)


def test_of_two_neighbours_at_the_end_the_last_stays():
    gripper = np.array([1] * 9 + [0])
    assert keyframes_of(gripper, moving(10)) == (9,)
    assert keyframes_of(np.array([1] * 8 + [0, 0]), moving(10)) == (9,)


def test_the_frame_before_the_last_is_never_a_stop():
    assert keyframes_of(np.ones(10), moving(10, stops=[8])) == (9,)


def pose(*where):
    out = np.zeros((len(where), 7))
    out[:, 0], out[:, 6] = where, 1.0
    return out


def test_keyframes_of_one_pose_are_merged_into_the_last():
    poses = pose(0.0, 0.1, 0.105, 0.3, 0.3)
    assert merged((1, 2, 3, 4), poses) == (2, 4)
    turned = poses.copy()
    turned[1, 3:] = [0, 0, np.sin(np.radians(10)), np.cos(np.radians(10))]  # 20 degrees away from the next
    assert merged((1, 2, 3, 4), turned) == (1, 2, 4)
