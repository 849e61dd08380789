"""Pick up the block of a given colour and lift it to a target in the air."""

from __future__ import annotations

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, Detected, Grasped
from fvm_envs.manipulation.scene import TABLE_TOP
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

BLOCKS = ("block", "distractor0", "distractor1")
HALF_SIDE = 0.024
MIN_DISTANCE = 0.1


class PickAndLift(ManipulationTask):
    """Three blocks on the table and a ball that marks where the right one has to go."""

    name = "pick_and_lift"
    description = "lift the block of the variation's colour to the floating ball"
    num_variations = len(PALETTE)
    graspable = BLOCKS

    def pieces(self) -> Pieces:
        """The blocks, and the ball with its zone."""
        blocks = "".join(
            mjcf.thing(name, mjcf.geom("box", (HALF_SIDE,) * 3, mjcf.WHITE, name=f"{name}_box"))
            for name in BLOCKS
        )
        ball = mjcf.geom("sphere", (0.03,), (0.95, 0.1, 0.1), visual=True)
        return Pieces(blocks + mjcf.furniture("goal", ball + mjcf.zone("goal_zone", (0.035,) * 3)))

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """Blocks anywhere, apart; the ball 15 to 40 cm above the table."""
        places = [throw(rng, height=TABLE_TOP + HALF_SIDE) for _ in BLOCKS]
        apart([position for position, _ in places], MIN_DISTANCE)
        colours = [PALETTE[variation], *other_colours(rng, 2, variation)]
        for name, (position, matrix), colour in zip(BLOCKS, places, colours, strict=True):
            world.put(name, position, matrix)
            world.paint(f"{name}_box", colour)
        world.put("goal", throw(rng, height=TABLE_TOP + rng.uniform(0.15, 0.4))[0])

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The block is held, at the ball."""
        return (Grasped("block"), Detected("block", "goal_zone"))

    def demonstration(self, world: World) -> list[Waypoint]:
        """Above, grasp, straight up, to the ball."""
        block, matrix = world.position("block"), grip(DOWN, world.direction("block", (0, 1, 0)))
        return [
            to(block, matrix, open=True, raised=0.1),
            to(block, matrix, open=False),
            to(block, matrix, open=False, raised=0.1),
            to(world.position("goal"), matrix, open=False),
        ]
