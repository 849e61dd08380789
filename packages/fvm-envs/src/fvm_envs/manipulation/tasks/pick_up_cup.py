"""Pick up the cup of a given colour by its rim."""

from __future__ import annotations

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, Detected, Grasped
from fvm_envs.manipulation.task import (
    DOWN,
    PALETTE,
    ManipulationTask,
    Pieces,
    Waypoint,
    apart,
    grip,
    other_colours,
    throw,
    to,
)
from fvm_envs.manipulation.world import World

RADIUS, HEIGHT, WALL = 0.04, 0.1, 0.006
MIN_DISTANCE = 0.17


def cup(name: str) -> str:
    """A hollow cup with a handle, its frame at the bottom."""
    # The wall ends above the table: only the bottom stands on it, which saves a hundred contacts.
    wall = mjcf.ring(RADIUS, HEIGHT - 0.002, WALL, mjcf.WHITE, pos=(0, 0, 0.002), mass=0.08)
    bottom = mjcf.geom("cylinder", (RADIUS, 0.003), mjcf.WHITE, pos=(0, 0, 0.003), mass=0.04)
    bows = ((0.043, 0.078, 0.062, 0.072), (0.062, 0.072, 0.066, 0.045), (0.066, 0.045, 0.043, 0.024))
    handle = "".join(
        mjcf.geom("capsule", (0.005,), mjcf.WHITE, ends=(x0, 0, z0, x1, 0, z1), mass=0.004)
        for x0, z0, x1, z1 in bows
    )
    return mjcf.thing(name, wall + bottom + handle)


class PickUpCup(ManipulationTask):
    """Two cups of different colours."""

    name = "pick_up_cup"
    description = "pick up the cup of the variation's colour"
    num_variations = len(PALETTE)
    graspable = ("cup1", "cup2")

    def pieces(self) -> Pieces:
        """The cups, and the zone where the first one stands."""
        start = mjcf.zone("start_zone", (0.06, 0.06, 0.05))
        return Pieces(cup("cup1") + cup("cup2") + mjcf.furniture("start", start))

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """Anywhere, apart; the first cup's colour is the variation."""
        places = [throw(rng) for _ in range(2)]
        apart([position for position, _ in places], MIN_DISTANCE)
        world.put("start", *places[0])
        colours = [PALETTE[variation], *other_colours(rng, 1, variation)]
        for name, (position, matrix), colour in zip(self.graspable, places, colours, strict=True):
            world.put(name, position, matrix)
            world.paint_body(name, colour)

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The right cup is held and has left its place."""
        return (Grasped("cup1"), Detected("cup1", "start_zone", negated=True))

    def demonstration(self, world: World) -> list[Waypoint]:
        """One finger into the cup, beside the handle; close on the wall, lift."""
        rim = world.point("cup1", (0, RADIUS, HEIGHT - 0.014))
        matrix = grip(DOWN, world.direction("cup1", (0, 1, 0)))
        return [
            to(rim, matrix, open=True, raised=0.1),
            to(rim, matrix, open=False),
            to(rim, matrix, open=False, raised=0.15),
        ]
