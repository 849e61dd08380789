"""Switch on a lamp by the button in its foot."""

from __future__ import annotations

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, JointMoved
from fvm_envs.manipulation.task import COLOURS, DOWN, ManipulationTask, Pieces, Waypoint, grip, throw, to
from fvm_envs.manipulation.tasks.push_button import HEIGHT, button
from fvm_envs.manipulation.world import World

BUTTON = (0.0, -0.085, 0.0)
BRASS: mjcf.Colour = (0.78, 0.62, 0.3)


class LampOn(ManipulationTask):
    """A desk lamp with a dark bulb that turns white."""

    name = "lamp_on"
    description = "switch on the lamp by its button"

    def pieces(self) -> Pieces:
        """Foot, bent stem, shade, bulb, button."""
        stem = ((0, 0.085, 0.02, 0, 0.085, 0.13), (0, 0.085, 0.13, 0, 0.1, 0.15))
        lamp = (
            mjcf.geom("box", (0.055, 0.135, 0.013), (0.2, 0.25, 0.3), pos=(0, 0, 0.013))
            + mjcf.geom("cylinder", (0.03, 0.008), BRASS, pos=(0, 0.085, 0.03))
            + "".join(mjcf.geom("capsule", (0.008,), BRASS, ends=ends) for ends in stem)
            + mjcf.ring(0.042, 0.045, 0.005, (0.85, 0.8, 0.62), pos=(0, 0.1, 0.135), flare=-0.3)
            + mjcf.geom("sphere", (0.03,), COLOURS["black"], pos=(0, 0.1, 0.155), name="bulb")
        )
        return Pieces(
            mjcf.furniture("lamp", lamp + mjcf.part("switch", button("lamp_button"), pos=BUTTON)),
            contact=mjcf.exclude(("lamp", "lamp_button_cap"), ("switch", "lamp_button_cap")),
        )

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """Anywhere, any way round."""
        world.put("lamp", *throw(rng))

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The button moved."""
        return (JointMoved("lamp_button_joint", 0.003),)

    def celebrate(self, world: World) -> None:
        """Light."""
        world.paint("bulb", COLOURS["white"])
        world.paint("lamp_button_cap", COLOURS["lime"])

    def demonstration(self, world: World) -> list[Waypoint]:
        """Close above the button, the wrist beside the lamp; push down."""
        top = world.point("switch", (0, 0, HEIGHT))
        matrix = grip(DOWN, world.direction("lamp", (0, 1, 0)))
        return [to(top, matrix, open=False, raised=0.1), to(top, matrix, open=False, raised=-0.006)]
