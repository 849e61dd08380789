"""Open a door: its handle unlocks it."""

from __future__ import annotations

import math

import numpy as np

from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import Condition, JointMoved
from fvm_envs.manipulation.task import ManipulationTask, Pieces, Waypoint, grip, throw, to
from fvm_envs.manipulation.world import World

ANGLE = math.radians(25.0)
"""By how much the handle and then the door must turn."""
WIDTH, TALL = 0.28, 0.34
LEVER_HEIGHT, STAND_OFF, LEVER = 0.17, 0.045, 0.13
FRAME: mjcf.Colour = (0.45, 0.3, 0.18)
PANEL: mjcf.Colour = (0.8, 0.68, 0.5)


class OpenDoor(ManipulationTask):
    """A door in its frame that opens away from the robot once its lever is pressed down."""

    name = "open_door"
    description = "press the handle down and push the door open"

    def pieces(self) -> Pieces:
        """Frame, panel on a hinge, lever on a hinge, and the lock."""
        side = 0.5 * WIDTH + 0.018
        frame = (
            "".join(
                mjcf.geom("box", (0.016, 0.014, 0.5 * TALL), FRAME, pos=(0, y, 0.5 * TALL))
                for y in (-side, side)
            )
            + mjcf.geom("box", (0.016, side + 0.014, 0.012), FRAME, pos=(0, 0, TALL + 0.012))
            + mjcf.geom("box", (0.03, side + 0.014, 0.002), FRAME, pos=(0, 0, 0.002), visual=True)
        )
        # Hinged at y = +WIDTH / 2; seen from the robot, x points away.
        panel = mjcf.hinge(
            "door_joint",
            (0, 0, 1),
            (-0.02, 1.6),
            pos=(0, 0.5 * WIDTH, 0),
            damping=0.1,
            frictionloss=0.02,
            armature=0.005,
        ) + mjcf.geom(
            "box", (0.008, 0.5 * WIDTH, 0.5 * TALL - 0.006), PANEL, pos=(0, 0, 0.5 * TALL), mass=0.5
        )
        panel += "".join(
            mjcf.geom(
                "box",
                (0.0085, 0.35 * WIDTH, 0.09 * TALL),
                (0.7, 0.57, 0.4),
                pos=(0, 0.02, z * TALL),
                visual=True,
            )
            for z in (0.2, 0.78)
        )
        panel += mjcf.geom(
            "box", (0.0095, 0.014, 0.035), mjcf.STEEL, pos=(0, -0.11, LEVER_HEIGHT), visual=True
        )
        lever = (
            # The spring holds the levers' weight against the upper stop: without that they sag and swing.
            mjcf.hinge(
                "handle_joint",
                (1, 0, 0),
                (-1.1, 0.0),
                damping=0.05,
                stiffness=0.75,
                springref=0.05,
                armature=0.002,
            )
            # One lever on each side, so that the cameras behind the door see it too.
            + mjcf.geom("cylinder", (0.007,), mjcf.STEEL, ends=(-STAND_OFF, 0, 0, STAND_OFF, 0, 0), mass=0.02)
            + "".join(
                mjcf.geom("capsule", (0.008,), mjcf.STEEL, ends=(x, 0, 0, x, LEVER, 0), mass=0.02)
                for x in (-STAND_OFF, STAND_OFF)
            )
        )
        door = mjcf.part("door", panel + mjcf.part("handle", lever, pos=(0, -0.11, LEVER_HEIGHT)))
        return Pieces(
            mjcf.furniture("frame", frame + door),
            equality=mjcf.element("joint", name="lock", joint1="door_joint", polycoef=(0, 0, 0, 0, 0)),
            contact=mjcf.exclude(("frame", "door"), ("frame", "handle"), ("door", "handle")),
        )

    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """In front of the robot, turned by up to 45 degrees."""
        quarter = math.pi / 4
        world.put("frame", *throw(rng, area=(0.35, -0.15, 0.43, 0.15), yaw=(-quarter, quarter)))

    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """The door has turned."""
        return (JointMoved("door_joint", ANGLE),)

    def watch(self, world: World) -> None:
        """The lever unlocks the door for good."""
        if world.joint_at_start("handle_joint") - world.joint("handle_joint") > ANGLE:
            world.unjoin("lock")

    def demonstration(self, world: World) -> list[Waypoint]:
        """Closed before the door, above the lever's end, press it down, push the door."""
        end = world.point("handle", (-STAND_OFF, LEVER - 0.012, 0.012))
        away, across = world.direction("frame", (1, 0, 0)), world.direction("frame", (0, 1, 0))
        matrix = grip(0.44 * away + np.array([0, 0, -0.9]), across)
        pressed = end + np.array([0, 0, -0.055]) - 0.01 * across
        return [
            to(end - 0.1 * away, matrix, open=False, raised=0.1),
            to(end, matrix, open=False, raised=0.06),
            to(pressed, matrix, open=False),
            to(pressed + 0.135 * away + 0.025 * across, matrix, open=False),
        ]
