"""Keyframes of a demonstration: the few frames whose poses an agent should go to (James & Davison 2022).

A frame is one if the gripper changed, if the arm stopped, or if it is the last. The arm has stopped in frame
i if all joints are slower than .1 rad/s, the gripper did not change over frames i-2 to i+1, i is not the last
but one, and the last stop is more than four frames ago; frames 0 and 1 are never stops (ARM's code reads
indices -2 and -1 there). If the last two keyframes are neighbours, the first of them goes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fvm_learners.c2f_arm.rotation import matrices_of

STOPPED_RAD_S = 0.1
COOLDOWN_FRAMES = 4
SAME_PLACE_M = 0.01
SAME_ANGLE_DEGREES = 10.0


def keyframes_of(
    gripper_open: NDArray[np.floating], joint_velocities: NDArray[np.floating]
) -> tuple[int, ...]:
    """Indices of the keyframes, ascending.

    Args:
        gripper_open: [T] 0 or 1.
        joint_velocities: [T, J] rad/s.
    """
    num, cooldown = len(gripper_open), 0
    found: list[int] = []
    for i in range(1, num):
        near = gripper_open[max(0, i - 2) : i + 2]
        stopped = (
            cooldown <= 0
            and i >= 2
            and i != num - 2
            and bool((near == gripper_open[i]).all())
            and bool((np.abs(joint_velocities[i]) <= STOPPED_RAD_S).all())
        )
        cooldown = COOLDOWN_FRAMES if stopped else cooldown - 1
        if stopped or i == num - 1 or gripper_open[i] != gripper_open[i - 1]:
            found.append(i)
    if len(found) > 1 and found[-1] - found[-2] == 1:
        found.pop(-2)
    return tuple(found)


def merged(keyframes: Sequence[int], gripper_pose: NDArray[np.floating]) -> tuple[int, ...]:
    """The keyframes without those at the pose of the next one that stays, within 1 cm and 10 degrees.

    What such a pair adds is a change of the gripper, which the later one's action does as well.

    Args:
        keyframes: Ascending.
        gripper_pose: [T, 7] position in m and quaternion xyzw.
    """
    kept = list(keyframes)
    matrices = matrices_of(np.asarray(gripper_pose)[:, 3:])
    for i in range(len(kept) - 2, -1, -1):
        here, following = kept[i], kept[i + 1]
        metres = np.linalg.norm(
            np.asarray(gripper_pose[here, :3], dtype=np.float64) - gripper_pose[following, :3]
        )
        cosine = (np.trace(matrices[here].T @ matrices[following]) - 1) / 2
        degrees = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
        if metres < SAME_PLACE_M and degrees < SAME_ANGLE_DEGREES:
            kept.pop(i)
    return tuple(kept)
