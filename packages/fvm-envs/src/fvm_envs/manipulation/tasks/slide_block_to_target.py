"""Slide a block over the table onto a target."""

from __future__ import annotations

import math

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, Detected
from fvm_envs.manipulation.rotation import Array, about_z
from fvm_envs.manipulation.scene import TABLE_TOP
from fvm_envs.manipulation.task import (
    COLOURS,
    DOWN,
    ManipulationTask,
    Pieces,
    PlacementError,
    Waypoint,
    grip,
    throw,
    to,
)
from fvm_envs.manipulation.world import World

HALF = (0.06, 0.045, 0.035)
DISTANCE = 0.18
REACH = 0.024
"""How far behind a face the tip pushes: half a finger, and some air before it."""


class SlideBlockToTarget(ManipulationTask):
    """A block that is too wide for the gripper, and a green square."""

    name = "slide_block_to_target"
    description = "push the red block onto the green target"
    num_variations = 4

    def pieces(self) -> Pieces:
        """Block and target, with the zone of the block's middle."""
        target = mjcf.geom("box", (0.075, 0.06, 0.0008), COLOURS["green"], pos=(0, 0, 0.0008), visual=True)
        target += mjcf.zone("target_zone", (0.025, 0.025, 0.05), pos=(0, 0, HALF[2]))
        return Pieces(
            mjcf.thing("block", mjcf.geom("box", HALF, COLOURS["red"], mass=0.3))
            + mjcf.furniture("target", target)
        )

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """The block anywhere; the target on one of its four sides, as the variation says."""
        block, matrix = throw(rng, area=(0.08, -0.28, 0.42, 0.28))
        way = matrix @ _way(variation)
        target = block + DISTANCE * way
        if not (0.05 < target[0] < 0.45 and abs(target[1]) < 0.33):
            raise PlacementError("the target is off the workspace")
        world.put("block", (*block[:2], TABLE_TOP + HALF[2]), matrix)
        world.put("target", target, matrix)

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The block's middle is over the target's."""
        return (Detected("block", "target_zone"),)

    def demonstration(self, world: World) -> list[Waypoint]:
        """Closed behind the block, down, push."""
        direction = _way(world.variation)
        way = world.direction("block", direction)
        half = HALF[0] if world.variation % 2 == 0 else HALF[1]
        matrix = grip(DOWN, np.cross((0, 0, 1), way))
        middle = world.position("block")
        middle[2] = TABLE_TOP + 0.03
        behind = middle - way * (half + REACH)
        end = middle + way * (DISTANCE - half - 0.011)
        return [
            to(behind, matrix, open=False, raised=0.12),
            to(behind, matrix, open=False),
            to(end, matrix, open=False),
        ]


def _way(variation: int) -> Array:
    way: Array = about_z(variation * math.pi / 2)[:, 0]
    return way
