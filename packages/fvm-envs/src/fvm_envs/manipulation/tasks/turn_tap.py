"""Turn the left or the right handle of a tap."""

from __future__ import annotations

import itertools
import math

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, JointMoved, TipNear
from fvm_envs.manipulation.rotation import about_z
from fvm_envs.manipulation.task import DOWN, ManipulationTask, Pieces, Waypoint, grip, throw, to
from fvm_envs.manipulation.world import World

SIDES = ("left", "right")
OFFSET, HEIGHT = 0.11, 0.1
"""Of a handle's axis from the spout, and of its bar above the table."""
TURN = math.radians(112.0)
REACH = 0.06
"""How near the tip must be to the handle that it has turned, m."""


class TurnTap(ManipulationTask):
    """A spout between two handles whose bars are held by friction and turned with the wrist."""

    name = "turn_tap"
    description = "turn the left or the right tap by a quarter"
    num_variations = len(SIDES)

    def pieces(self) -> Pieces:
        """Foot, bent spout, two handles."""
        steel = mjcf.STEEL
        body = mjcf.geom("box", (0.035, OFFSET + 0.03, 0.012), steel, pos=(0, 0, 0.012))
        points = ((0, 0.02), (0, 0.13), (0.03, 0.155), (0.075, 0.15), (0.085, 0.12))
        spout = [(x0, 0, z0, x1, 0, z1) for (x0, z0), (x1, z1) in itertools.pairwise(points)]
        body += "".join(mjcf.geom("capsule", (0.012,), steel, ends=ends) for ends in spout)
        parts = ""
        for side, sign, colour in (("left", 1, (0.85, 0.15, 0.12)), ("right", -1, (0.12, 0.3, 0.85))):
            body += mjcf.geom(
                "cylinder", (0.016,), steel, ends=(0, sign * OFFSET, 0.02, 0, sign * OFFSET, 0.07)
            )
            handle = mjcf.hinge(
                f"{side}_joint", (0, 0, 1), (-2.6, 2.6), damping=0.02, frictionloss=0.05, armature=0.002
            )
            handle += mjcf.geom("cylinder", (0.013, 0.014), mjcf.GREY, pos=(0, 0, -0.016), mass=0.03)
            handle += mjcf.geom("box", (0.038, 0.007, 0.009), steel, mass=0.04)
            handle += mjcf.geom("cylinder", (0.008, 0.0012), colour, pos=(0, 0, 0.0095), visual=True)
            parts += mjcf.part(f"{side}_handle", handle, pos=(0, sign * OFFSET, HEIGHT))
        return Pieces(
            mjcf.furniture("tap", body + parts),
            contact=mjcf.exclude(*(("tap", f"{side}_handle") for side in SIDES)),
        )

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """Anywhere, any way round."""
        world.put("tap", *throw(rng))

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The variation's handle turned by 90 degrees, with the tip at it: nothing that swept past it."""
        side = SIDES[variation]
        return (JointMoved(f"{side}_joint", 1.57), TipNear(f"{side}_handle", REACH))

    def demonstration(self, world: World) -> list[Waypoint]:
        """Above the bar, grasp it, turn it in two goes, towards where the wrist has room."""
        name = f"{SIDES[world.variation]}_handle"
        where, matrix = world.position(name), grip(DOWN, world.direction(name, (0, 1, 0)))
        # The yaw of the fingers' axis from where the arm has it at home, within a quarter turn.
        yaw = math.atan2(float(matrix[0, 1]), -float(matrix[1, 1]))
        turn = -math.copysign(0.5 * TURN, yaw)
        return [
            to(where, matrix, open=True, raised=0.1),
            to(where, matrix, open=False),
            to(where, about_z(turn) @ matrix, open=False),
            to(where, about_z(2 * turn) @ matrix, open=False),
        ]
