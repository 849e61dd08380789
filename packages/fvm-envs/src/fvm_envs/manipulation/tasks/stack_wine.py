"""Lay a bottle of wine on a rack."""

from __future__ import annotations

import math

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, Detected
from fvm_envs.manipulation.task import DOWN, ManipulationTask, Pieces, Waypoint, apart, grip, throw, to
from fvm_envs.manipulation.world import World

GLASS: mjcf.Colour = (0.07, 0.25, 0.12)
RADIUS, BODY, TALL = 0.028, 0.13, 0.235
GRASP = 0.205
"""Height on the bottle at which its neck is held."""
AXIS = 0.17
"""Height of a lying bottle's axis above the table."""
PITCH = math.radians(25.0)
"""How far a lying bottle's bottom is tilted down."""
HALF = 0.5 * BODY


class StackWine(ManipulationTask):
    """An upright bottle, and a rack with two notched boards on which it lies, its bottom down and away."""

    name = "stack_wine"
    description = "lay the wine bottle on the rack"
    graspable = ("bottle",)

    def pieces(self) -> Pieces:
        """Bottle with a label and a cap; rack with the zone of the bottle's middle."""
        bottle = (
            mjcf.geom("cylinder", (RADIUS, HALF), GLASS, pos=(0, 0, HALF), mass=0.25)
            + mjcf.geom("sphere", (RADIUS,), GLASS, pos=(0, 0, BODY), mass=0.03)
            + mjcf.geom("cylinder", (0.012,), GLASS, ends=(0, 0, BODY, 0, 0, TALL), mass=0.03)
            + mjcf.geom(
                "cylinder", (0.013,), (0.5, 0.05, 0.1), ends=(0, 0, 0.2, 0, 0, TALL + 0.001), mass=0.01
            )
            + mjcf.geom("cylinder", (RADIUS + 0.0006, 0.03), (0.93, 0.9, 0.8), pos=(0, 0, 0.07), visual=True)
            + mjcf.spot("middle", (0, 0, HALF))
        )
        # In the cradle's frame the lying bottle's middle is the origin and its bottom points along +x.
        reach, thick = RADIUS + 0.005, 0.005
        cradle = mjcf.zone("rack_zone", (0.05, 0.025, 0.025))
        for x in (-0.04, 0.04):
            for side in (-1, 1):
                slope = reach * math.sqrt(0.5)
                cradle += mjcf.geom(
                    "box",
                    (0.01, 0.03, thick),
                    mjcf.WOOD,
                    pos=(x, side * slope, -slope),
                    euler=(side * math.pi / 4, 0, 0),
                )
            cradle += mjcf.geom("box", (0.01, 0.055, 0.012), mjcf.WOOD, pos=(x, 0, -0.06))
        dark = (0.36, 0.23, 0.12)
        frame = "".join(
            mjcf.geom("box", (0.011, 0.006, 0.085), dark, pos=(x, side * 0.058, 0.085))
            for x in (-0.045, 0.045)
            for side in (-1, 1)
        ) + "".join(
            mjcf.geom("box", (0.07, 0.006, 0.01), dark, pos=(0, side * 0.058, z))
            for side in (-1, 1)
            for z in (0.01, 0.12)
        )
        rack = frame + mjcf.part("cradle", cradle, pos=(0, 0, AXIS), euler=(0, PITCH, 0))
        return Pieces(mjcf.thing("bottle", bottle) + mjcf.furniture("rack", rack))

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """The rack at the far side, turned by up to 45 degrees; the bottle nearer."""
        quarter = math.pi / 4
        rack = throw(rng, area=(0.36, -0.2, 0.44, 0.2), yaw=(-quarter, quarter))
        bottle = throw(rng, area=(0.05, -0.3, 0.3, 0.3))
        apart([rack[0], bottle[0]], 0.2)
        world.put("rack", *rack)
        world.put("bottle", *bottle)

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The bottle's middle is where the rack holds it."""
        return (Detected("middle", "rack_zone"),)

    def demonstration(self, world: World) -> list[Waypoint]:
        """Above, grasp the neck, lift, turn in front of the rack, lay down."""
        neck = world.point("bottle", (0, 0, GRASP))
        along, across = world.direction("cradle", (1, 0, 0)), world.direction("cradle", (0, 1, 0))
        upright, lying = grip(DOWN, across), grip(along, across)
        rest = world.position("cradle") + along * (HALF - GRASP)
        return [
            to(neck, upright, open=True, raised=0.1),
            to(neck, upright, open=False),
            to(neck, upright, open=False, raised=0.2),
            to(rest, lying, open=False, raised=0.15),
            to(rest, lying, open=False, raised=0.002),
        ]
