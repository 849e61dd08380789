"""Open one of three drawers by its handle."""

from __future__ import annotations

import numpy as np

from fvm_envs.manipulation import cabinet
from fvm_envs.manipulation.cabinet import DRAWERS
from fvm_envs.manipulation.conditions import Condition, JointMoved
from fvm_envs.manipulation.task import ManipulationTask, Pieces, Waypoint, to
from fvm_envs.manipulation.world import World


class OpenDrawer(ManipulationTask):
    """Pull a drawer out by 15 cm; the handle is held by friction."""

    name = "open_drawer"
    description = "open the bottom, middle or top drawer"
    num_variations = len(DRAWERS)

    def pieces(self) -> Pieces:
        """The cabinet."""
        objects, contact = cabinet.pieces()
        return Pieces(objects, contact=contact)

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """In front of the robot."""
        cabinet.place(world, rng)

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The variation's drawer came out."""
        return (JointMoved(f"{DRAWERS[variation]}_joint", 0.15, sign=1),)

    def demonstration(self, world: World) -> list[Waypoint]:
        """In front of the handle, grasp it, pull."""
        where, matrix = cabinet.handle(world, DRAWERS[world.variation])
        pulled = where + world.direction("cabinet", (-0.18, 0, 0))
        return [
            to(where, matrix, open=True, back=0.15),
            to(where, matrix, open=False),
            to(pulled, matrix, open=False),
        ]
