"""Keyframes: the frames of a demonstration whose poses and gripper states are the actions that it teaches.

ARM's rule (James and Davison 2022, arXiv 2105.14829, section 4.1) takes the frame in which the gripper
changes. The fingers are still moving in it, which no agent ever sees after an action of its own; and a stop
before the gripper closes, the closing, and the stop after it are three keyframes of one pose, where one
macro action does all of it. Hence two further rules, each from the one before:

* settled: the last frame before the next keyframe in which tip and gripper are still as in the keyframe;
* merged: a keyframe goes if the next one has the same pose, and what is left is settled.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation.rotation import Array

KeyframeRule = Literal["arm", "settled", "merged"]

STOPPED_RAD_S = 0.1
COOLDOWN_FRAMES = 4
SETTLED_M, SETTLED_RAD = 0.002, float(np.radians(2.0))
"""How far a settled frame may be from its keyframe: the arm has not yet set out for the next one."""
SAME_M, SAME_RAD = 0.01, float(np.radians(10.0))
"""Poses this near to each other are one macro action."""


def keyframes_of(gripper_open: NDArray[Any], joint_velocities: NDArray[Any]) -> tuple[int, ...]:
    """ARM's keyframes: where the gripper changed, where the arm stopped, and the last frame.

    The arm has stopped in frame i if all joints are slower than .1 rad/s, the gripper did not change over
    frames i-2 to i+1, i is not the last but one, and the last stop is more than four frames ago. Frames 0 and
    1 are never stops. If the last two keyframes are neighbours, the first of them goes.

    Args:
        gripper_open: 0 or 1, [T].
        joint_velocities: [T, 7] in rad/s.
    """
    num = len(gripper_open)
    found: list[int] = []
    cooldown = 0
    for i in range(num):
        same = gripper_open[max(0, i - 2) : i + 2]
        stopped = (
            cooldown <= 0
            and i >= 2
            and i != num - 2
            and bool((same == gripper_open[i]).all())
            and bool((np.abs(joint_velocities[i]) <= STOPPED_RAD_S).all())
        )
        cooldown = COOLDOWN_FRAMES if stopped else cooldown - 1
        changed = i > 0 and gripper_open[i] != gripper_open[i - 1]
        if i > 0 and (changed or i == num - 1 or stopped):
            found.append(i)
    if len(found) > 1 and found[-1] - found[-2] == 1:
        found.pop(-2)
    return tuple(found)


def settled(keyframes: Sequence[int], frames: Mapping[str, NDArray[Any]]) -> tuple[int, ...]:
    """For each keyframe, the last frame before the next one in which the robot is still as it is there.

    Args:
        keyframes: Indices, ascending.
        frames: With `gripper_pose` [T, 7], position (m) and quaternion xyzw, and `gripper_open` [T, 1].
    """
    pose, gripper = frames["gripper_pose"].astype(np.float64), frames["gripper_open"][:, 0]
    found = []
    for keyframe, following in zip(keyframes, [*keyframes[1:], len(pose)], strict=True):
        last = keyframe
        while (
            last + 1 < following
            and gripper[last + 1] == gripper[keyframe]
            and near(pose[keyframe], pose[last + 1], SETTLED_M, SETTLED_RAD)
        ):
            last += 1
        found.append(last)
    return tuple(found)


def merged(keyframes: Sequence[int], frames: Mapping[str, NDArray[Any]]) -> tuple[int, ...]:
    """The keyframes whose next one has another pose; what the gripper does at a pose is done by its last.

    Args:
        keyframes: Indices, ascending.
        frames: With `gripper_pose` [T, 7], position (m) and quaternion xyzw.
    """
    pose = frames["gripper_pose"].astype(np.float64)
    kept = [
        one for one, two in itertools.pairwise(keyframes) if not near(pose[one], pose[two], SAME_M, SAME_RAD)
    ]
    return (*kept, *keyframes[-1:])


def near(one: Array, two: Array, distance_m: float, angle_rad: float) -> bool:
    """Whether two poses [7] are within a distance and an angle of each other."""
    cosine = min(1.0, abs(float(one[3:] @ two[3:])))
    return float(np.linalg.norm(one[:3] - two[:3])) <= distance_m and 2.0 * np.arccos(cosine) <= angle_rad
