"""Put the handset of a telephone on its base."""

from __future__ import annotations

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, Detected, NothingGrasped
from fvm_envs.manipulation.task import DOWN, ManipulationTask, Pieces, Waypoint, apart, grip, throw, to
from fvm_envs.manipulation.world import World

RED: mjcf.Colour = (0.7, 0.12, 0.1)
REST = (-0.015, 0.0, 0.064)
"""The handset's frame on the base, in the base's."""
HANDSET_HEIGHT = 0.024
MIN_DISTANCE = 0.24


class PhoneOnBase(ManipulationTask):
    """An old telephone: a handset with two ends, a base with a cradle and keys."""

    name = "phone_on_base"
    description = "put the handset on the telephone's base"
    graspable = ("handset",)

    def pieces(self) -> Pieces:
        """Base with keys and four prongs; handset."""
        base = mjcf.geom("box", (0.06, 0.095, 0.02), RED, pos=(0.01, 0, 0.02))
        base += "".join(
            mjcf.geom(
                "box",
                (0.006, 0.008, 0.003),
                mjcf.WHITE,
                pos=(0.03 + 0.016 * i, 0.024 * j, 0.042),
                visual=True,
            )
            for i in range(3)
            for j in (-1, 0, 1)
        )
        base += "".join(
            mjcf.geom(
                "box",
                (0.004, 0.012, 0.011),
                mjcf.DARK,
                pos=(REST[0] + 0.036 * side, 0.066 * end, 0.05),
                euler=(0, 0.25 * side, 0),
            )
            for side in (-1, 1)
            for end in (-1, 1)
        )
        base += mjcf.zone("dock", (0.025, 0.03, 0.015), pos=REST)
        handset = mjcf.geom("box", (0.013, 0.066, 0.009), RED, mass=0.06)
        for end in (-1, 1):
            handset += mjcf.geom(
                "cylinder", (0.024, 0.012), RED, pos=(0, 0.066 * end, -0.012), mass=0.03
            ) + mjcf.geom("cylinder", (0.018, 0.003), mjcf.DARK, pos=(0, 0.066 * end, -0.0222), visual=True)
        return Pieces(mjcf.furniture("base", base) + mjcf.thing("handset", handset))

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """Both anywhere, apart."""
        base, handset = throw(rng), throw(rng)
        apart([base[0], handset[0]], MIN_DISTANCE)
        world.put("base", *base)
        world.put("handset", handset[0] + np.array([0, 0, HANDSET_HEIGHT]), handset[1])

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The handset lies in its cradle and nobody holds it."""
        return (Detected("handset", "dock"), NothingGrasped())

    def demonstration(self, world: World) -> list[Waypoint]:
        """Above, grasp, lift, above the base, let go in the cradle."""
        handset, dock = world.position("handset"), world.point("base", REST)
        taken, given = (grip(DOWN, world.direction(name, (1, 0, 0))) for name in ("handset", "base"))
        return [
            to(handset, taken, open=True, raised=0.1),
            to(handset, taken, open=False),
            to(handset, taken, open=False, raised=0.12),
            to(dock, given, open=False, raised=0.1),
            to(dock, given, open=True, raised=0.003),
        ]
