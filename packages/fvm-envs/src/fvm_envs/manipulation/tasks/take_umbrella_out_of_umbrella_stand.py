"""Pull an umbrella out of its stand."""

from __future__ import annotations

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, Detected
from fvm_envs.manipulation.task import DOWN, ManipulationTask, Pieces, Waypoint, grip, throw, to
from fvm_envs.manipulation.world import World

RADIUS, TALL = 0.045, 0.17
LENGTH = 0.3
GRASP = 0.31


class TakeUmbrellaOutOfUmbrellaStand(ManipulationTask):
    """A furled umbrella with a crook, upright in a hollow stand."""

    name = "take_umbrella_out_of_umbrella_stand"
    description = "pull the umbrella out of the stand"
    graspable = ("umbrella",)

    def pieces(self) -> Pieces:
        """Stand with the zone of the umbrella's lower end; umbrella."""
        copper = (0.55, 0.35, 0.22)
        stand = (
            mjcf.ring(RADIUS, TALL, 0.006, copper, sides=12)
            + mjcf.ring(RADIUS + 0.004, 0.012, 0.008, mjcf.WOOD, pos=(0, 0, TALL - 0.012))
            + mjcf.geom("cylinder", (RADIUS + 0.01, 0.005), mjcf.WOOD, pos=(0, 0, 0.005))
            + mjcf.zone("stand_zone", (0.06, 0.06, 0.1), pos=(0, 0, 0.08))
        )
        cloth, wood = (0.15, 0.2, 0.55), (0.5, 0.3, 0.12)
        umbrella = (
            mjcf.geom("cylinder", (0.005, 0.012), mjcf.STEEL, pos=(0, 0, 0.012), mass=0.01)
            + mjcf.geom("ellipsoid", (0.026, 0.026, 0.09), cloth, pos=(0, 0, 0.105), mass=0.1)
            + mjcf.geom("cylinder", (0.006,), mjcf.DARK, ends=(0, 0, 0.02, 0, 0, LENGTH), mass=0.05)
            + mjcf.geom("capsule", (0.0095,), wood, ends=(0, 0, 0.25, 0, 0, LENGTH + 0.025), mass=0.04)
            + mjcf.geom("box", (0.027, 0.027, 0.004), mjcf.DARK, pos=(0, 0, 0.15), visual=True)
        )
        bows = ((0, 0.325, 0.012, 0.345), (0.012, 0.345, 0.032, 0.347), (0.032, 0.347, 0.045, 0.33))
        umbrella += "".join(
            mjcf.geom("capsule", (0.0085,), wood, ends=(x0, 0, z0, x1, 0, z1), visual=True)
            for x0, z0, x1, z1 in bows
        )
        return Pieces(mjcf.furniture("stand", stand) + mjcf.thing("umbrella", umbrella))

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """Anywhere, any way round."""
        position, matrix = throw(rng)
        world.put("stand", position, matrix)
        world.put("umbrella", position + np.array([0, 0, 0.011]), matrix)

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The umbrella's end has left the stand."""
        return (Detected("umbrella", "stand_zone", negated=True),)

    def demonstration(self, world: World) -> list[Waypoint]:
        """Above the handle, grasp it, pull."""
        where = world.point("umbrella", (0, 0, GRASP))
        matrix = grip(DOWN, world.direction("umbrella", (0, 1, 0)))
        return [
            to(where, matrix, open=True, raised=0.1),
            to(where, matrix, open=False),
            to(where, matrix, open=False, raised=0.24),
        ]
