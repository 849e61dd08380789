"""A cabinet of three drawers, which two tasks open and close."""

from __future__ import annotations

import math

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.rotation import Array
from fvm_envs.manipulation.task import grip, throw
from fvm_envs.manipulation.world import World

DRAWERS = ("bottom", "middle", "top")
HEIGHTS = (0.11, 0.185, 0.26)
"""Heights of the drawers' middles: high enough for a hand, which is 20 cm wide."""
TRAVEL = 0.2
HANDLE = 0.04
"""How far a handle stands off its drawer's front."""
_WIDTH, _DEPTH, _HALF_GAP = 0.13, 0.12, 0.0375
_PITCH = math.radians(25.0)
_CASE: mjcf.Colour = (0.45, 0.32, 0.2)
_FRONT: mjcf.Colour = (0.85, 0.76, 0.6)


def pieces(damping: float = 5.0, friction: float = 1.0) -> tuple[str, str]:
    """The cabinet, whose front is at x = 0 and looks along -x, and the pairs that do not touch.

    It has no back: the cameras behind it see which drawer is open.

    Args:
        damping: Of the drawers, N s/m.
        friction: Dry, of the drawers, N.
    """
    low, high = HEIGHTS[0] - _HALF_GAP, HEIGHTS[-1] + _HALF_GAP
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    case = "".join(
        mjcf.geom("box", (_DEPTH, 0.006, half + 0.006), _CASE, pos=(_DEPTH, side * (_WIDTH + 0.006), middle))
        for side in (-1, 1)
    )
    case += "".join(
        mjcf.geom("box", (_DEPTH, _WIDTH + 0.012, 0.005), _CASE, pos=(_DEPTH, 0, z))
        for z in (low - 0.003, high + 0.003)
    )
    case += "".join(
        mjcf.geom("box", (0.012, 0.012, 0.5 * low), _CASE, pos=(x, side * _WIDTH, 0.5 * low - 0.004))
        for x in (0.02, 2 * _DEPTH - 0.02)
        for side in (-1, 1)
    )
    drawers = ""
    for name, height in zip(DRAWERS, HEIGHTS, strict=True):
        wall = 0.024
        box = mjcf.slide(
            f"{name}_joint", (-1, 0, 0), (0.0, TRAVEL), damping=damping, frictionloss=friction, armature=0.1
        )
        box += mjcf.geom("box", (0.006, _WIDTH - 0.004, 0.034), _FRONT, pos=(0, 0, 0), mass=0.1)
        box += mjcf.geom(
            "box", (_DEPTH - 0.02, _WIDTH - 0.012, 0.003), _FRONT, pos=(_DEPTH - 0.01, 0, -0.03), mass=0.1
        )
        box += mjcf.geom(
            "box", (0.003, _WIDTH - 0.012, wall), _FRONT, pos=(2 * _DEPTH - 0.033, 0, -0.006), mass=0.05
        )
        box += "".join(
            mjcf.geom(
                "box",
                (_DEPTH - 0.02, 0.003, wall),
                _FRONT,
                pos=(_DEPTH - 0.01, side * (_WIDTH - 0.012), -0.006),
                mass=0.05,
            )
            for side in (-1, 1)
        )
        box += mjcf.geom(
            "capsule", (0.007,), mjcf.STEEL, ends=(-HANDLE, -0.045, 0, -HANDLE, 0.045, 0), mass=0.03
        )
        box += "".join(
            mjcf.geom("cylinder", (0.005,), mjcf.STEEL, ends=(0, y, 0, -HANDLE, y, 0), mass=0.01)
            for y in (-0.042, 0.042)
        )
        drawers += mjcf.part(f"{name}_drawer", box, pos=(0, 0, height))
    bodies = ("cabinet", *(f"{name}_drawer" for name in DRAWERS))
    pairs = [(one, two) for i, one in enumerate(bodies) for two in bodies[:i]]
    return mjcf.furniture("cabinet", case + drawers), mjcf.exclude(*pairs)


def place(world: World, rng: np.random.Generator) -> None:
    """In front of the robot, turned by up to 22.5 degrees, as RLBench does."""
    yaw = math.pi / 8
    world.put("cabinet", *throw(rng, area=(0.46, -0.12, 0.52, 0.12), yaw=(-yaw, yaw)))


def handle(world: World, drawer: str) -> tuple[Array, Array]:
    """The middle of a drawer's handle, and the gripper's orientation there, fingers above and below."""
    away = world.direction("cabinet", (1, 0, 0))
    approach = math.cos(_PITCH) * away + np.array([0.0, 0.0, -math.sin(_PITCH)])
    return world.point(f"{drawer}_drawer", (-HANDLE, 0, 0)), grip(approach, (0, 0, 1))
