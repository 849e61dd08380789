"""Put the rubbish, and no tomato, in the bin."""

from __future__ import annotations

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, Detected
from fvm_envs.manipulation.scene import TABLE_TOP
from fvm_envs.manipulation.task import (
    DOWN,
    ManipulationTask,
    Pieces,
    PlacementError,
    Waypoint,
    apart,
    grip,
    throw,
    to,
)
from fvm_envs.manipulation.world import World

BIN_RADIUS, BIN_HEIGHT = 0.075, 0.13
THINGS = ("rubbish", "tomato0", "tomato1")
SPACING = 0.12


def tomato(name: str) -> str:
    """A red ball, slightly flat, with a green stalk."""
    return mjcf.thing(
        name,
        mjcf.geom(
            "ellipsoid", (0.026, 0.026, 0.023), (0.85, 0.12, 0.08), mass=0.04, friction=(0.8, 0.02, 0.01)
        )
        + mjcf.geom("cylinder", (0.011, 0.002), (0.15, 0.5, 0.15), pos=(0, 0, 0.0225), visual=True)
        + mjcf.geom("capsule", (0.003, 0.006), (0.15, 0.5, 0.15), pos=(0, 0, 0.028), visual=True),
    )


class PutRubbishInBin(ManipulationTask):
    """A crumpled sheet of paper and two tomatoes in a row; a bin."""

    name = "put_rubbish_in_bin"
    description = "put the crumpled paper in the bin"
    graspable = THINGS

    def pieces(self) -> Pieces:
        """The three things and the bin with its zone."""
        paper = (0.95, 0.95, 0.9)
        # A cube that lies still, hidden in the folds.
        rubbish = mjcf.geom("box", (0.018, 0.018, 0.018), paper, mass=0.03) + "".join(
            mjcf.geom("box", size, paper, euler=euler, visual=True)
            for size, euler in (
                ((0.022, 0.015, 0.017), (0.3, 0.5, 0.2)),
                ((0.016, 0.021, 0.015), (0.9, -0.4, 0.8)),
                ((0.015, 0.017, 0.022), (-0.5, 0.3, 1.3)),
                ((0.02, 0.013, 0.019), (0.2, -0.9, 2.2)),
            )
        )
        steel = (0.3, 0.33, 0.38)
        bin = (
            mjcf.ring(BIN_RADIUS, BIN_HEIGHT, 0.006, steel, flare=0.12, sides=14)
            + mjcf.geom("cylinder", (BIN_RADIUS - 0.006, 0.003), steel, pos=(0, 0, 0.003))
            + mjcf.zone("bin_zone", (0.06, 0.06, 0.06), pos=(0, 0, 0.06))
        )
        return Pieces(
            mjcf.thing("rubbish", rubbish)
            + tomato("tomato0")
            + tomato("tomato1")
            + mjcf.furniture("bin", bin)
        )

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """The row and the bin anywhere, apart; the order in the row is drawn."""
        middle, matrix = throw(rng, area=(0.1, -0.25, 0.4, 0.25))
        spots = [middle + matrix @ np.array([0, SPACING * i, 0.0]) for i in (-1, 0, 1)]
        where, _ = throw(rng)
        if any(abs(spot[1]) > 0.36 or not 0.0 < spot[0] < 0.48 for spot in spots):
            raise PlacementError("the row sticks out of the workspace")
        for spot in spots:
            apart([where, spot], BIN_RADIUS + 0.09)
        world.put("bin", where)
        for name, i in zip(THINGS, rng.permutation(3), strict=True):
            height = 0.018 if name == "rubbish" else 0.023
            world.put(name, spots[i] + np.array([0, 0, height]), matrix)

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The paper is in the bin."""
        return (Detected("rubbish", "bin_zone"),)

    def demonstration(self, world: World) -> list[Waypoint]:
        """Above, grasp, lift, let go over the bin."""
        rubbish = world.position("rubbish")
        rubbish[2] = max(rubbish[2], TABLE_TOP + 0.014)
        matrix = grip(DOWN, world.direction("rubbish", (0, 1, 0)))
        return [
            to(rubbish, matrix, open=True, raised=0.1),
            to(rubbish, matrix, open=False),
            to(rubbish, matrix, open=False, raised=0.2),
            to(world.point("bin", (0, 0, BIN_HEIGHT + 0.05)), matrix, open=True),
        ]
