"""Pieces of MJCF as text: geoms, bodies, hollow rings.

Everything here is a pure function of its arguments, so that a task's model is the same text in every
process. MuJoCo's conventions hold: half sizes, metres, radians, quaternions wxyz; group 0 robot, 1 objects,
2 visual.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = Sequence[float] | NDArray[np.float64]
Colour = tuple[float, float, float]

WHITE: Colour = (0.93, 0.93, 0.92)
GREY: Colour = (0.55, 0.56, 0.58)
DARK: Colour = (0.13, 0.13, 0.15)
STEEL: Colour = (0.72, 0.74, 0.78)
WOOD: Colour = (0.62, 0.44, 0.27)


def numbers(values: Iterable[float]) -> str:
    """Values as MJCF reads them, with ten digits."""
    return " ".join(f"{value:.10g}" for value in values)


def element(tag: str, inner: str = "", **attributes: Any) -> str:
    """One element; numbers and sequences of numbers are formatted, None is left out, `class_` is `class`."""
    text = "".join(
        f' {key.rstrip("_")}="{_text(value)}"' for key, value in attributes.items() if value is not None
    )
    return f"<{tag}{text}/>" if not inner and tag != "body" else f"<{tag}{text}>{inner}</{tag}>"


def _text(value: str | float | Iterable[float]) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.10g}" if isinstance(value, (int, float)) else numbers(value)


def geom(
    kind: str,
    size: Vector,
    colour: Colour,
    *,
    pos: Vector | None = None,
    euler: Vector | None = None,
    ends: Vector | None = None,
    name: str | None = None,
    visual: bool = False,
    mass: float | None = None,
    friction: Vector | None = None,
) -> str:
    """A geom of an object.

    Args:
        kind: "box", "sphere", "capsule", "cylinder" or "ellipsoid".
        size: Half sizes; a radius alone where `ends` are given.
        colour: RGB.
        pos: Centre in the body's frame.
        euler: Turn about the axes x, y, z in turn.
        ends: Six numbers, the ends of the axis of a capsule, cylinder or box.
        name: A name, where it is asked for later.
        visual: Seen but never touched.
        mass: Kilograms instead of the default density.
        friction: Instead of the default.
    """
    return element(
        "geom",
        type=kind,
        class_="visual" if visual else "object",
        name=name,
        size=size,
        pos=pos,
        euler=euler,
        fromto=ends,
        rgba=(*colour, 1.0),
        mass=mass,
        friction=friction,
    )


def furniture(name: str, inner: str) -> str:
    """A body that stands where an episode puts it and does not move by itself; it may carry joints."""
    return element("body", inner, name=name, mocap="true")


def thing(name: str, inner: str) -> str:
    """A body that moves freely."""
    return element("body", f'<freejoint name="{name}"/>{inner}', name=name)


def part(name: str, inner: str, *, pos: Vector = (0.0, 0.0, 0.0), euler: Vector | None = None) -> str:
    """A body inside another one."""
    return element("body", inner, name=name, pos=pos, euler=euler)


def spot(name: str, pos: Vector) -> str:
    """A point of a body that is asked for by name, as a part that weighs nothing."""
    return element("body", "", name=name, pos=pos)


def slide(name: str, axis: Vector, span: tuple[float, float], **attributes: Any) -> str:
    """A prismatic joint with a range in metres."""
    return element("joint", name=name, type="slide", axis=axis, limited="true", range=span, **attributes)


def hinge(
    name: str, axis: Vector, span: tuple[float, float], *, pos: Vector = (0.0, 0.0, 0.0), **attributes: Any
) -> str:
    """A revolute joint with a range in radians."""
    return element(
        "joint", name=name, type="hinge", axis=axis, pos=pos, limited="true", range=span, **attributes
    )


def zone(name: str, half_size: Vector, *, pos: Vector = (0.0, 0.0, 0.0)) -> str:
    """An invisible box in which something can be detected."""
    return element("site", name=name, type="box", size=half_size, pos=pos, group=5)


def exclude(*pairs: tuple[str, str]) -> str:
    """Contacts between these bodies do not count.

    MuJoCo does not leave out contacts between a body that stands and its jointed child: a button's cap would
    jam in its ring.
    """
    return "".join(element("exclude", body1=one, body2=two) for one, two in pairs)


def ring(
    radius: float,
    height: float,
    thickness: float,
    colour: Colour,
    *,
    pos: Vector = (0.0, 0.0, 0.0),
    sides: int = 12,
    flare: float = 0.0,
    mass: float | None = None,
    friction: Vector | None = None,
) -> str:
    """A hollow wall made of boxes round the z axis, standing on `pos`.

    Args:
        radius: Of the wall's middle, at half its height.
        height: Of the wall.
        thickness: Of the wall.
        colour: RGB.
        pos: Centre of the lower rim.
        sides: Number of boxes.
        flare: Angle by which the wall opens towards the top.
        mass: Of the whole wall.
        friction: Instead of the default.
    """
    half_width = (radius + 0.5 * thickness + 0.5 * height * math.sin(abs(flare))) * math.tan(math.pi / sides)
    boxes = []
    for i in range(sides):
        angle = 2.0 * math.pi * i / sides
        centre = (
            pos[0] + radius * math.cos(angle),
            pos[1] + radius * math.sin(angle),
            pos[2] + 0.5 * height,
        )
        # The turn about z first, then the lean about the wall's own tangent.
        cz, sz = math.cos(0.5 * angle), math.sin(0.5 * angle)
        cy, sy = math.cos(0.5 * flare), math.sin(0.5 * flare)
        boxes.append(
            element(
                "geom",
                type="box",
                class_="object",
                size=(0.5 * thickness, half_width, 0.5 * height),
                pos=centre,
                quat=(cz * cy, -sz * sy, cz * sy, sz * cy),
                rgba=(*colour, 1.0),
                mass=None if mass is None else mass / sides,
                friction=friction,
            )
        )
    return "".join(boxes)
