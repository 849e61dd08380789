"""The Franka Emika Panda as MJCF: published kinematics, bodies drawn from capsules, cylinders and boxes.

Frames, joint limits and the gripper's travel are Franka's (Denavit-Hartenberg parameters of the data sheet
"Franka Emika Panda", a = .0825 and .088, d = .333, .316, .384, .107; the fingers' pads meet .1034 m from
the hand's frame). The site "tip" is RLBench's: between the pads, z out of the hand, y the axis along which
the fingers open.
"""

from __future__ import annotations

import math
from typing import Any

from fvm_envs.manipulation.mjcf import DARK, GREY, WHITE, Colour, Vector, element, numbers

BASE = (-0.27, 0.0, 0.75)
"""Where the arm stands: at RLBench's place on the table."""
LOWER = (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973)
UPPER = (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973)
HOME = (0.0, 0.175, 0.0, -0.873, 0.0, 1.222, 0.785)
"""Joint positions at the start of an episode, rad: RLBench's, the tip high above the table."""
OPEN = 0.04
"""Travel of each finger, m."""
NUM_JOINTS = 7
SHOULDER = (BASE[0], BASE[1], BASE[2] + 0.333)
WRIST_TO_TIP = 0.107 + 0.1034
REACH = math.hypot(0.0825, 0.316) + math.hypot(0.0825, 0.384) + 0.088
"""Of the point where the last axis meets the wrist from the shoulder, m."""
PADS = ("left_pad", "right_pad")
FINGER_JOINTS = ("left_finger", "right_finger")

_HALF = math.sqrt(0.5)
_FORWARD, _BACK = (_HALF, _HALF, 0.0, 0.0), (_HALF, -_HALF, 0.0, 0.0)
# Frame of each joint in the link before: position, quaternion wxyz.
_FRAMES: tuple[tuple[Vector, Vector], ...] = (
    ((0.0, 0.0, 0.333), (1.0, 0.0, 0.0, 0.0)),
    ((0.0, 0.0, 0.0), _BACK),
    ((0.0, -0.316, 0.0), _FORWARD),
    ((0.0825, 0.0, 0.0), _FORWARD),
    ((-0.0825, 0.384, 0.0), _BACK),
    ((0.0, 0.0, 0.0), _FORWARD),
    ((0.088, 0.0, 0.0), _FORWARD),
)
_MASSES = (2.5, 2.5, 2.0, 2.0, 2.0, 1.2, 0.6)
_GAINS = (4500, 4500, 3500, 3500, 2000, 2000, 2000)
DAMPING_S = 0.05
"""Velocity gain of the servos over their position gain; at .1 a saturated joint chattered for ever."""
_FORCES = (87, 87, 87, 87, 12, 12, 12)


def _shape(kind: str, size: Vector, colour: Colour, *, ends: Vector | None = None, **more: Any) -> str:
    return element("geom", type=kind, class_="robot", size=size, fromto=ends, rgba=(*colour, 1.0), **more)


def _rod(radius: float, ends: Vector, colour: Colour = WHITE, kind: str = "capsule") -> str:
    return _shape(kind, (radius,), colour, ends=ends)


_LINKS = (
    _rod(0.057, (0, 0, -0.19, 0, 0, -0.03)) + _rod(0.055, (0, -0.06, 0, 0, 0.06, 0), GREY, "cylinder"),
    _rod(0.056, (0, -0.02, 0, 0, -0.19, 0)),
    _rod(0.054, (0, 0, -0.11, 0, 0, -0.055))
    + _rod(0.045, (0, 0, -0.055, 0.0825, 0, 0))
    + _rod(0.047, (0.0825, -0.055, 0, 0.0825, 0.055, 0), GREY, "cylinder"),
    _rod(0.045, (0, 0, 0, -0.0825, 0.09, 0)) + _rod(0.052, (-0.0825, 0.09, 0, -0.0825, 0.12, 0)),
    _rod(0.048, (0, 0, -0.25, 0, 0, -0.2))
    + _rod(0.04, (0, 0.03, -0.2, 0, 0.065, -0.03))
    + _rod(0.044, (0, 0.05, 0, 0, -0.03, 0), GREY, "cylinder"),
    _rod(0.043, (0, 0, -0.03, 0, 0, 0.05)) + _rod(0.042, (0.01, 0, 0, 0.085, 0, 0)),
    _rod(0.042, (0, 0, 0.0, 0, 0, 0.095), WHITE, "cylinder")
    + _rod(0.034, (0, 0, 0.095, 0, 0, 0.107), DARK, "cylinder"),
)


def _finger(side: str, sign: int) -> str:
    """A finger whose pad's inner face is at y = 0 when closed; `sign` is the side on which it opens."""
    inner = (
        element("inertial", pos=(0, 0, 0.02), mass=0.05, diaginertia=(3e-5, 3e-5, 1e-5))
        + element(
            "joint",
            name=f"{side}_finger",
            type="slide",
            axis=(0, sign, 0),
            limited="true",
            range=(0, OPEN),
            armature=0.05,
            damping=5,
        )
        + _shape("box", (0.009, 0.007, 0.017), GREY, pos=(0, sign * 0.0135, 0.017))
        + _shape("box", (0.0095, 0.0055, 0.02), DARK, pos=(0, sign * 0.009, 0.03))
        + element(
            "geom",
            type="box",
            class_="pad",
            name=f"{side}_pad",
            size=(0.0095, 0.005, 0.0105),
            pos=(0, sign * 0.005, 0.0445),
        )
    )
    return element("body", inner, name=f"{side}_finger", pos=(0, 0, 0.0584), gravcomp=1)


def _hand() -> str:
    inner = (
        element("inertial", pos=(0, 0, 0.03), mass=0.6, diaginertia=(0.002, 0.001, 0.002))
        + _shape("box", (0.025, 0.092, 0.018), WHITE, pos=(0, 0, 0.04))
        + _rod(0.027, (0, -0.075, 0.026, 0, 0.075, 0.026))
        + _shape("box", (0.02, 0.1, 0.004), DARK, pos=(0, 0, 0.06))
        + element("site", name="tip", pos=(0, 0, 0.1034), group=5, size=(0.005,))
        # Tilted by 20 degrees towards the tip.
        + element("camera", name="wrist", pos=(0.07, 0, 0.02), xyaxes=(0, 1, 0, 0.94, 0, 0.342), fovy=60)
        + _shape("box", (0.015, 0.02, 0.012), DARK, pos=(0.055, 0, 0))
        + _finger("left", 1)
        + _finger("right", -1)
    )
    turn = math.pi / 8
    return element(
        "body",
        inner,
        name="hand",
        pos=(0, 0, 0.107),
        quat=(math.cos(turn), 0, 0, -math.sin(turn)),
        gravcomp=1,
    )


def body() -> str:
    """The arm as a body of the world."""
    inner = _hand()
    for i in range(NUM_JOINTS - 1, -1, -1):
        pos, quat = _FRAMES[i]
        joint = element(
            "joint",
            name=f"joint{i + 1}",
            axis=(0, 0, 1),
            limited="true",
            range=(LOWER[i], UPPER[i]),
            damping=1,
            armature=0.1,
        )
        mass = element("inertial", pos=(0, 0, 0), mass=_MASSES[i], diaginertia=(0.01 * _MASSES[i],) * 3)
        inner = element(
            "body", mass + joint + _LINKS[i] + inner, name=f"link{i + 1}", pos=pos, quat=quat, gravcomp=1
        )
    foot = (
        _rod(0.07, (0, 0, 0, 0, 0, 0.05), WHITE, "cylinder")
        + _rod(0.062, (0, 0, 0.05, 0, 0, 0.13), WHITE)
        + _shape("box", (0.06, 0.065, 0.03), WHITE, pos=(-0.07, 0, 0.03))
    )
    return element("body", foot + inner, name="link0", pos=BASE)


def defaults() -> str:
    """Classes of the robot's geoms: it touches objects, never itself."""
    pad = (
        '<geom group="0" contype="1" conaffinity="2" priority="1" friction="2 .05 .0005" condim="4" '
        f'solref=".004 1" rgba="{numbers((0.25, 0.25, 0.27, 1.0))}" mass="0"/>'
    )
    robot = '<geom group="0" contype="1" conaffinity="2" mass="0"/>'
    return f'<default class="robot">{robot}</default><default class="pad">{pad}</default>'


def actuators() -> str:
    """Position servos of the joints and of the left finger, which carries the right one along."""
    arm = "".join(
        element(
            "position",
            joint=f"joint{i + 1}",
            kp=_GAINS[i],
            kv=DAMPING_S * _GAINS[i],
            ctrllimited="true",
            forcelimited="true",
            forcerange=(-_FORCES[i], _FORCES[i]),
            ctrlrange=(LOWER[i], UPPER[i]),
        )
        for i in range(NUM_JOINTS)
    )
    finger = element(
        "position",
        joint="left_finger",
        kp=800,
        kv=30,
        ctrllimited="true",
        forcelimited="true",
        forcerange=(-25, 25),
        ctrlrange=(-0.005, OPEN),
    )
    return arm + finger


def coupling() -> str:
    """The equality that makes the fingers move alike."""
    return element("joint", joint1="right_finger", joint2="left_finger", polycoef=(0, 1, 0, 0, 0))
