"""Pull a USB stick out of a computer."""

from __future__ import annotations

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, Detected, NothingGrasped
from fvm_envs.manipulation.task import DOWN, ManipulationTask, Pieces, Waypoint, grip, throw, to
from fvm_envs.manipulation.world import World

TALL = 0.13
PORT = (0.05, 0.0, TALL)
"""Where the stick is, in the computer's frame."""


class TakeUsbOutOfComputer(ManipulationTask):
    """A small tower with a stick in the port on its top."""

    name = "take_usb_out_of_computer"
    description = "pull the USB stick out of the computer and let it go"
    graspable = ("usb",)

    def pieces(self) -> Pieces:
        """Case with a drive, a fan grille and a lamp; the stick, held by the port until the hand takes it."""
        front = 0.091
        case = (
            mjcf.geom("box", (0.09, 0.045, 0.5 * TALL), mjcf.DARK, pos=(0, 0, 0.5 * TALL))
            + mjcf.geom(
                "box", (0.003, 0.043, 0.5 * TALL - 0.003), mjcf.GREY, pos=(front, 0, 0.5 * TALL), visual=True
            )
            + mjcf.geom("box", (0.002, 0.034, 0.006), mjcf.DARK, pos=(front + 0.003, 0, 0.105), visual=True)
            + mjcf.geom("box", (0.002, 0.034, 0.003), mjcf.DARK, pos=(front + 0.003, 0, 0.088), visual=True)
            + mjcf.geom("sphere", (0.006,), (0.1, 0.9, 0.3), pos=(front + 0.002, 0.028, 0.065), visual=True)
            + mjcf.geom("box", (0.013, 0.008, 0.001), mjcf.STEEL, pos=PORT, visual=True)
            + "".join(
                mjcf.geom("box", (0.05, 0.001, 0.003), mjcf.GREY, pos=(-0.02, 0.0452 * s, z), visual=True)
                for s in (-1, 1)
                for z in (0.03, 0.045, 0.06, 0.075, 0.09)
            )
            + mjcf.zone("port_zone", (0.03, 0.03, 0.03), pos=PORT)
        )
        stick = (
            mjcf.geom("box", (0.01, 0.006, 0.02), (0.1, 0.35, 0.85), pos=(0, 0, 0.022), mass=0.02)
            + mjcf.geom("box", (0.0102, 0.0062, 0.004), mjcf.WHITE, pos=(0, 0, 0.03), visual=True)
            + mjcf.geom("box", (0.007, 0.003, 0.007), mjcf.STEEL, pos=(0, 0, -0.005), visual=True)
        )
        return Pieces(
            mjcf.furniture("computer", case) + mjcf.thing("usb", stick),
            equality=mjcf.element("weld", name="port", body1="computer", body2="usb"),
        )

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """Anywhere, any way round."""
        position, matrix = throw(rng)
        world.put("computer", position, matrix)
        world.put("usb", position + matrix @ np.array(PORT) + np.array([0, 0, 0.001]), matrix)
        world.kinematics()
        world.join("port")

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The stick is out, and let go."""
        return (Detected("usb", "port_zone", negated=True), NothingGrasped())

    def watch(self, world: World) -> None:
        """A hand that holds the stick is stronger than the port."""
        if world.grasped == "usb":
            world.unjoin("port")

    def demonstration(self, world: World) -> list[Waypoint]:
        """Above, grasp, pull, put aside."""
        stick = world.point("usb", (0, 0, 0.028))
        matrix = grip(DOWN, world.direction("usb", (0, 1, 0)))
        return [
            to(stick, matrix, open=True, raised=0.1),
            to(stick, matrix, open=False),
            to(stick, matrix, open=False, raised=0.08),
            to(stick + world.direction("computer", (0.13, 0, 0)), matrix, open=True, raised=0.06),
        ]
