"""What a manipulation task is: objects, where they may stand, when it is solved, how it is solved."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fvm_envs.manipulation.mjcf import Colour, Vector
from fvm_envs.manipulation.rotation import Array, about_z, facing
from fvm_envs.manipulation.scene import TABLE_TOP

if TYPE_CHECKING:
    from fvm_envs.manipulation.conditions import Condition
    from fvm_envs.manipulation.world import World

AREA = (0.05, -0.33, 0.45, 0.33)
"""Where objects are put: low x, low y, high x, high y, m."""
DOWN = (0.0, 0.0, -1.0)

COLOURS: dict[str, Colour] = {
    "red": (1.0, 0.0, 0.0),
    "maroon": (0.5, 0.0, 0.0),
    "lime": (0.0, 1.0, 0.0),
    "green": (0.0, 0.5, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "navy": (0.0, 0.0, 0.5),
    "yellow": (1.0, 1.0, 0.0),
    "cyan": (0.0, 1.0, 1.0),
    "magenta": (1.0, 0.0, 1.0),
    "silver": (0.75, 0.75, 0.75),
    "gray": (0.5, 0.5, 0.5),
    "orange": (1.0, 0.5, 0.0),
    "olive": (0.5, 0.5, 0.0),
    "purple": (0.5, 0.0, 0.5),
    "teal": (0.0, 0.5, 0.5),
    "azure": (0.0, 0.5, 1.0),
    "violet": (0.5, 0.0, 1.0),
    "rose": (1.0, 0.0, 0.5),
    "black": (0.0, 0.0, 0.0),
    "white": (1.0, 1.0, 1.0),
}
"""RLBench's twenty colours, in its order."""
PALETTE = tuple(COLOURS.values())


class PlacementError(RuntimeError):
    """The objects do not fit where they were thrown: throw again."""


@dataclass(frozen=True)
class Pieces:
    """The MJCF of a task: its bodies, and its equalities and pairs that do not touch."""

    objects: str
    equality: str = ""
    contact: str = ""


@dataclass(frozen=True)
class Waypoint:
    """A macro action of a demonstration: where the tip goes, and the gripper's state afterwards."""

    position: Array
    matrix: Array
    open: bool


class ManipulationTask(abc.ABC):
    """A task of the table; instances hold no state of an episode."""

    name: ClassVar[str]
    """RLBench's name."""
    description: ClassVar[str]
    """One sentence for the tables."""
    num_variations: ClassVar[int] = 1
    graspable: ClassVar[tuple[str, ...]] = ()
    """Bodies that the hand may hold."""

    @abc.abstractmethod
    def pieces(self) -> Pieces:
        """Its objects; a pure function."""

    @abc.abstractmethod
    def place(self, world: World, variation: int, rng: np.random.Generator) -> None:
        """Put and paint the objects.

        Raises:
            PlacementError: If this throw of `rng` does not fit; it will be asked again.
        """

    @abc.abstractmethod
    def conditions(self, variation: int) -> tuple[Condition, ...]:
        """What must hold together."""

    @abc.abstractmethod
    def demonstration(self, world: World) -> list[Waypoint]:
        """The macro actions that solve the task from the start of an episode."""

    def watch(self, world: World) -> None:  # noqa: B027 (most tasks have nothing to do)
        """What the task does by itself while time passes, such as unlocking a door."""

    def celebrate(self, world: World) -> None:  # noqa: B027
        """What changes when the task is solved, such as a bulb that lights up."""

    def solved(self, world: World) -> bool:
        """Whether all conditions hold."""
        return all(condition.met(world) for condition in self.conditions(world.variation))


def grip(approach: Vector, finger_axis: Vector) -> Array:
    """The gripper's orientation, of the two that are a half turn apart the one nearer to home."""
    y = np.asarray(finger_axis, dtype=np.float64)
    return facing(np.asarray(approach, dtype=np.float64), y if y[1] < 0.0 else -y)


def to(position: Vector, matrix: Array, *, open: bool, raised: float = 0.0, back: float = 0.0) -> Waypoint:
    """A waypoint, `raised` upwards or `back` against the approach."""
    where = np.asarray(position, dtype=np.float64) + np.array([0.0, 0.0, raised]) - matrix[:, 2] * back
    return Waypoint(where, matrix, open)


def throw(
    rng: np.random.Generator,
    *,
    area: Vector = AREA,
    yaw: tuple[float, float] = (-math.pi, math.pi),
    height: float = TABLE_TOP,
) -> tuple[Array, Array]:
    """A position on the table, uniform in `area`, and an orientation about the vertical."""
    position = np.array([rng.uniform(area[0], area[2]), rng.uniform(area[1], area[3]), height])
    return position, about_z(rng.uniform(*yaw))


def apart(positions: Sequence[Array], distance: float) -> None:
    """Check that positions keep a distance in the plane.

    Raises:
        PlacementError: If two of them do not.
    """
    for i, one in enumerate(positions):
        for two in positions[:i]:
            if math.hypot(one[0] - two[0], one[1] - two[1]) < distance:
                raise PlacementError("two objects overlap")


def other_colours(rng: np.random.Generator, num: int, besides: int) -> list[Colour]:
    """Distinct colours of the palette, without the one at `besides`."""
    left = [colour for i, colour in enumerate(PALETTE) if i != besides]
    return [left[i] for i in rng.choice(len(left), size=num, replace=False)]
