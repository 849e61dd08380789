"""Take the lid off a saucepan by its knob."""

from __future__ import annotations

import math

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, Detected, Grasped
from fvm_envs.manipulation.rotation import about_z
from fvm_envs.manipulation.task import DOWN, ManipulationTask, Pieces, Waypoint, grip, throw, to
from fvm_envs.manipulation.world import World

RADIUS, HEIGHT = 0.075, 0.07
RIM = HEIGHT + 0.003
"""Height of the lid's frame while it lies on the pan."""
LIFT = 0.16


class TakeLidOffSaucepan(ManipulationTask):
    """A steel pan with a black handle; its lid has a knob."""

    name = "take_lid_off_saucepan"
    description = "lift the lid off the saucepan by its knob"
    graspable = ("lid",)

    def pieces(self) -> Pieces:
        """Pan, lid and the zone above the pan."""
        # The lid lies on three pads on the rim, which saves the contacts with all boxes of the wall.
        pads = "".join(
            mjcf.geom(
                "box",
                (0.005, 0.005, 0.001),
                mjcf.STEEL,
                pos=(RADIUS * math.cos(angle), RADIUS * math.sin(angle), HEIGHT - 0.001),
            )
            for angle in (0.0, 2.0 * math.pi / 3.0, 4.0 * math.pi / 3.0)
        )
        pan = (
            mjcf.ring(RADIUS, HEIGHT - 0.006, 0.007, mjcf.STEEL, pos=(0, 0, 0.004), sides=16)
            + pads
            + mjcf.geom("cylinder", (RADIUS, 0.004), mjcf.STEEL, pos=(0, 0, 0.004))
            + mjcf.geom("capsule", (0.009,), mjcf.DARK, ends=(RADIUS + 0.01, 0, 0.055, 0.2, 0, 0.062))
            + mjcf.zone("lifted_zone", (0.07, 0.07, 0.06), pos=(0, 0, RIM + LIFT))
        )
        lid = (
            mjcf.geom("cylinder", (RADIUS + 0.005, 0.003), (0.62, 0.64, 0.68), mass=0.1)
            + mjcf.geom("cylinder", (RADIUS - 0.016, 0.005), mjcf.STEEL, pos=(0, 0, -0.007), mass=0.05)
            + mjcf.geom("cylinder", (RADIUS - 0.03, 0.003), mjcf.STEEL, pos=(0, 0, 0.005), mass=0.02)
            + mjcf.geom("cylinder", (0.008, 0.012), mjcf.DARK, pos=(0, 0, 0.018), mass=0.01)
            + mjcf.geom("cylinder", (0.016, 0.012), mjcf.DARK, pos=(0, 0, 0.036), mass=0.02)
        )
        return Pieces(mjcf.furniture("saucepan", pan) + mjcf.thing("lid", lid))

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """Anywhere, the handle any way round."""
        position, matrix = throw(rng)
        world.put("saucepan", position, matrix)
        world.put("lid", position + np.array([0, 0, RIM + 0.001]), matrix @ about_z(rng.uniform(-3, 3)))

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The lid is held, above the pan."""
        return (Grasped("lid"), Detected("lid", "lifted_zone"))

    def demonstration(self, world: World) -> list[Waypoint]:
        """Above the knob, grasp it, lift."""
        knob = world.point("lid", (0, 0, 0.036))
        matrix = grip(DOWN, world.direction("saucepan", (0, 1, 0)))
        return [
            to(knob, matrix, open=True, raised=0.1),
            to(knob, matrix, open=False),
            to(knob, matrix, open=False, raised=LIFT),
        ]
