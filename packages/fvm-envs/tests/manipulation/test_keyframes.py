import numpy as np
import pytest
from fvm_envs.manipulation.keyframes import keyframes_of, merged, settled


def motion(*speeds):
    return np.repeat(np.array(speeds, dtype=float)[:, None], 7, axis=1)


@pytest.mark.parametrize(
    ("open", "speeds", "expected"),
    [
        # Only the last frame; a change; a stop and the last frame.
        ([1] * 6, [1] * 6, (5,)),
        ([1, 1, 1, 0, 0, 0, 0], [1] * 7, (3, 6)),
        ([1] * 9, [1, 1, 1, 1, 0, 1, 1, 1, 1], (4, 8)),
        # The first two frames and the last but one are no stops.
        ([1] * 7, [0, 0, 1, 1, 1, 0, 1], (6,)),
        # A long stop counts once in five frames.
        ([1] * 14, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1], (3, 8, 13)),
        # No stop where the gripper changes in frames i-2 to i+1; neighbours at the end are one.
        ([1, 1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 1, 1, 1], (4, 8)),
        ([1, 1, 1, 1, 1, 0], [1] * 6, (5,)),
        ([1, 1, 1, 1, 0, 0], [1] * 6, (5,)),
    ],
)
def test_keyframes(open, speeds, expected):
    assert keyframes_of(np.array(open, dtype=float), motion(*speeds)) == expected


def frames_of(x, open, yaw_degrees=None):
    """A tip that moves along x (m), turned about the vertical."""
    half = np.radians(np.zeros(len(x)) if yaw_degrees is None else yaw_degrees) / 2
    pose = np.zeros((len(x), 7))
    pose[:, 0], pose[:, 5], pose[:, 6] = x, np.sin(half), np.cos(half)
    return {"gripper_pose": pose.astype(np.float32), "gripper_open": np.array(open, dtype=float)[:, None]}


def test_a_settled_frame_is_the_last_one_before_the_arm_sets_out():
    #                 0    1     2      3      4      5     6    7
    frames = frames_of([0, 0.10, 0.101, 0.101, 0.102, 0.12, 0.2, 0.2], [1, 0, 0, 0, 0, 0, 0, 1])
    assert settled((1, 6, 7), frames) == (
        4,
        6,
        7,
    )  # not into another gripper state, nor past the next keyframe
    assert settled((1, 3, 7), frames) == (2, 4, 7)
    turned = frames_of([0.0] * 4, [1] * 4, [0, 1, 3, 0])
    assert settled((0, 3), turned) == (1, 3)


def test_merged_keyframes_have_different_poses():
    frames = frames_of([0, 0.009, 0.009, 0.2, 0.211, 0.211], [1, 1, 0, 0, 0, 0])
    assert merged((0, 1, 2, 3, 4, 5), frames) == (2, 3, 5)
    turned = frames_of([0.0] * 3, [1] * 3, [0, 9, 20])
    assert merged((0, 1, 2), turned) == (1, 2)
    flipped = {**turned, "gripper_pose": turned["gripper_pose"] * [[1] * 3 + [-1] * 4, [1] * 7, [1] * 7]}
    assert merged((0, 1, 2), flipped) == (1, 2)  # q and -q are one rotation
    assert merged((2,), turned) == (2,)
