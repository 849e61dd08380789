"""Push a button on the table: it must give way by more than 3 mm."""

from __future__ import annotations

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, JointMoved
from fvm_envs.manipulation.task import COLOURS, DOWN, ManipulationTask, Pieces, Waypoint, grip, throw, to
from fvm_envs.manipulation.world import World

HEIGHT = 0.05
BASE_COLOURS = tuple(colour for name, colour in COLOURS.items() if name not in ("red", "lime"))


def button(name: str, *, colour: mjcf.Colour = (1.0, 0.0, 0.0)) -> str:
    """A round cap in a ring, sprung, that slides down; its base is 26 mm high, its top at `HEIGHT`.

    It stands out of its ring by less than it must move: a finger can push it, an arm that lies on it cannot.
    """
    cap = mjcf.slide(
        f"{name}_joint", (0, 0, -1), (0.0, 0.012), stiffness=400, damping=8, armature=0.01
    ) + mjcf.geom("cylinder", (0.018, 0.011), colour, pos=(0, 0, 0.039), name=f"{name}_cap", mass=0.02)
    return mjcf.ring(0.027, 0.0215, 0.008, mjcf.STEEL, pos=(0, 0, 0.026), sides=10) + mjcf.part(
        f"{name}_cap", cap
    )


class PushButton(ManipulationTask):
    """A red button in a coloured base; it turns green when pushed."""

    name = "push_button"
    description = "push the red button"
    num_variations = len(BASE_COLOURS)

    def pieces(self) -> Pieces:
        """Base, ring and sprung cap."""
        base = mjcf.geom("box", (0.05, 0.05, 0.013), mjcf.WHITE, pos=(0, 0, 0.013), name="button_base")
        return Pieces(
            mjcf.furniture("button", base + button("button")),
            contact=mjcf.exclude(("button", "button_cap")),
        )

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """Anywhere, any way round; the variation is the base's colour."""
        world.put("button", *throw(rng))
        world.paint("button_base", BASE_COLOURS[variation])

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The cap moved."""
        return (JointMoved("button_joint", 0.003),)

    def celebrate(self, world: World) -> None:
        """Green."""
        world.paint("button_cap", COLOURS["lime"])

    def demonstration(self, world: World) -> list[Waypoint]:
        """Close above it, push down."""
        top, matrix = world.point("button", (0, 0, HEIGHT)), grip(DOWN, world.direction("button", (0, 1, 0)))
        return [to(top, matrix, open=False, raised=0.1), to(top, matrix, open=False, raised=-0.006)]
