"""Pieces of models as text, and what a ring of boxes is made of, by hand."""

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from fvm_envs.manipulation import mjcf


def test_numbers_have_ten_digits_and_no_more():
    assert mjcf.numbers((0.1, 1.0, -2 / 3)) == "0.1 1 -0.6666666667"


def test_an_element_leaves_out_none_and_says_class():
    assert mjcf.element("geom", type="box", size=(1, 2.5), class_="object", name=None, mass=0.5) == (
        '<geom type="box" size="1 2.5" class="object" mass="0.5"/>'
    )
    assert mjcf.element("body", name="a") == '<body name="a"></body>'  # a body may be empty


def test_things_move_freely_and_furniture_is_put():
    thing, furniture = ET.fromstring(mjcf.thing("cup", "")), ET.fromstring(mjcf.furniture("table", ""))
    assert [child.tag for child in thing] == ["freejoint"]
    assert furniture.get("mocap") == "true"
    assert len(furniture) == 0


def test_pairs_that_do_not_touch():
    pairs = ET.fromstring(f"<c>{mjcf.exclude(('a', 'b'), ('a', 'c'))}</c>")
    assert [(pair.get("body1"), pair.get("body2")) for pair in pairs] == [("a", "b"), ("a", "c")]


@pytest.mark.parametrize("sides", [4, 12])
def test_a_ring_stands_round_its_axis_and_is_closed(sides):
    """Each box is as wide as its side of the polygon outside; the middles lie on the circle."""
    text = mjcf.ring(0.05, 0.1, 0.01, mjcf.STEEL, pos=(0.2, 0.1, 0.0), sides=sides, mass=0.6)
    boxes = list(ET.fromstring(f"<ring>{text}</ring>"))
    assert len(boxes) == sides
    assert sum(float(box.get("mass")) for box in boxes) == pytest.approx(0.6)
    middles = np.array([[float(x) for x in box.get("pos").split()] for box in boxes])
    np.testing.assert_allclose(np.linalg.norm(middles[:, :2] - (0.2, 0.1), axis=1), 0.05, atol=1e-9)
    np.testing.assert_allclose(middles[:, 2], 0.05)
    half = np.array([float(x) for x in boxes[0].get("size").split()])
    np.testing.assert_allclose(half, [0.005, 0.055 * math.tan(math.pi / sides), 0.05], rtol=1e-6)


def test_a_flared_ring_leans_outwards():
    """The box at angle 0 turns about y, its top away from the axis."""
    box = next(iter(ET.fromstring(f"<r>{mjcf.ring(0.05, 0.1, 0.01, mjcf.STEEL, flare=0.2)}</r>")))
    w, x, y, z = (float(part) for part in box.get("quat").split())
    assert (x, z) == (0, 0)
    up = np.array([2 * w * y, 0, 1 - 2 * y * y])  # the box's own z axis
    np.testing.assert_allclose(up, [math.sin(0.2), 0, math.cos(0.2)], atol=1e-9)
