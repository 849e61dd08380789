"""Conditions of success, as in RLBench: a joint moved, something detected, grasped, nothing grasped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fvm_envs.manipulation.world import World


class Condition(Protocol):
    """Something that holds of a world, or does not."""

    def met(self, world: World) -> bool:
        """Whether it holds now."""


@dataclass(frozen=True)
class JointMoved:
    """A joint is further than `threshold` (m or rad) from where the episode found it.

    `sign` +1 or -1 asks for a direction; 0 takes either.
    """

    joint: str
    threshold: float
    sign: int = 0

    def met(self, world: World) -> bool:
        """Whether it holds now."""
        moved = world.joint(self.joint) - world.joint_at_start(self.joint)
        return (abs(moved) if self.sign == 0 else moved * self.sign) > self.threshold


@dataclass(frozen=True)
class Detected:
    """A body's centre is inside a zone; with `negated`, it is not."""

    body: str
    zone: str
    negated: bool = False

    def met(self, world: World) -> bool:
        """Whether it holds now."""
        return world.inside(world.position(self.body), self.zone) != self.negated


@dataclass(frozen=True)
class TipDetected:
    """The gripper's tip is inside a zone."""

    zone: str

    def met(self, world: World) -> bool:
        """Whether it holds now."""
        return world.inside(world.tip()[0], self.zone)


@dataclass(frozen=True)
class TipNear:
    """The gripper's tip is within `distance` m of a point of a body, its origin by default."""

    body: str
    distance: float
    point: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def met(self, world: World) -> bool:
        """Whether it holds now."""
        away = world.tip()[0] - world.point(self.body, self.point)
        return float(away @ away) <= self.distance**2


@dataclass(frozen=True)
class Grasped:
    """The hand holds a body."""

    body: str

    def met(self, world: World) -> bool:
        """Whether it holds now."""
        return world.grasped == self.body


@dataclass(frozen=True)
class NothingGrasped:
    """The hand holds nothing."""

    def met(self, world: World) -> bool:
        """Whether it holds now."""
        return world.grasped is None
