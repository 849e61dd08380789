"""Reach a sphere of a given colour that floats among two others."""

from __future__ import annotations

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, TipDetected
from fvm_envs.manipulation.rotation import Array
from fvm_envs.manipulation.task import (
    DOWN,
    PALETTE,
    ManipulationTask,
    Pieces,
    PlacementError,
    Waypoint,
    grip,
    other_colours,
    throw,
    to,
)
from fvm_envs.manipulation.world import World

SPHERES = ("target", "distractor0", "distractor1")
RADIUS = 0.025
MIN_DISTANCE = 0.2


class ReachTarget(ManipulationTask):
    """Three spheres that can be seen and not touched."""

    name = "reach_target"
    description = "reach the sphere of the variation's colour with the gripper's tip"
    num_variations = len(PALETTE)

    def pieces(self) -> Pieces:
        """The spheres, and the zone round the target."""
        spheres = {
            name: mjcf.geom("sphere", (RADIUS,), mjcf.WHITE, name=name, visual=True) for name in SPHERES
        }
        spheres["target"] += mjcf.zone("target_zone", (RADIUS,) * 3)
        return Pieces("".join(mjcf.furniture(name, geom) for name, geom in spheres.items()))

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """In the air above the table, some way apart; the target's colour is the variation."""
        centres: list[Array] = []
        for name in SPHERES:
            centre, _ = throw(rng, height=rng.uniform(0.85, 1.25))
            if any(np.linalg.norm(centre - other) < MIN_DISTANCE for other in centres):
                raise PlacementError("two spheres are too near to each other")
            world.put(name, centre)
            centres.append(centre)
        colours = [PALETTE[variation], *other_colours(rng, 2, variation)]
        for name, colour in zip(SPHERES, colours, strict=True):
            world.paint(name, colour)

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The tip is in the target."""
        return (TipDetected("target_zone"),)

    def demonstration(self, world: World) -> list[Waypoint]:
        """Straight there."""
        return [to(world.position("target"), grip(DOWN, (0, 1, 0)), open=True)]
