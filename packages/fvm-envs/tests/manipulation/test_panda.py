"""The arm's published numbers, and what its model is made of."""

import math
import xml.etree.ElementTree as ET

import pytest
from fvm_envs.manipulation import panda


def tree():
    return ET.fromstring(panda.body())


def test_the_limits_are_those_of_frankas_data_sheet():
    """Joint 4 bends one way only, joint 6 nearly so; home lies within."""
    assert [round(math.degrees(angle)) for angle in panda.LOWER] == [-166, -101, -166, -176, -166, -1, -166]
    assert [round(math.degrees(angle)) for angle in panda.UPPER] == [166, 101, 166, -4, 166, 215, 166]
    assert all(a < home < b for a, home, b in zip(panda.LOWER, panda.HOME, panda.UPPER, strict=True))
    ranges = {joint.get("name"): joint.get("range") for joint in tree().iter("joint")}
    for i in range(panda.NUM_JOINTS):
        low, high = (float(bound) for bound in ranges[f"joint{i + 1}"].split())
        assert (low, high) == (panda.LOWER[i], panda.UPPER[i])


def test_the_links_are_a_chain_and_the_fingers_open_apart():
    body, names = tree(), []
    while body is not None:
        names.append(body.get("name"))
        following = [child for child in body if child.tag == "body"]
        body = following[0] if len(following) == 1 else None
    assert names == [*(f"link{i}" for i in range(8)), "hand"]
    axes = {joint.get("name"): joint.get("axis") for joint in tree().iter("joint")}
    assert [axes[name] for name in panda.FINGER_JOINTS] == ["0 1 0", "0 -1 0"]
    pads = {geom.get("name"): geom for geom in tree().iter("geom") if geom.get("class") == "pad"}
    assert set(pads) == set(panda.PADS)


def test_a_pads_inner_face_is_in_the_middle_when_closed():
    for geom in (geom for geom in tree().iter("geom") if geom.get("class") == "pad"):
        along, half = float(geom.get("pos").split()[1]), float(geom.get("size").split()[1])
        assert abs(along) == half


def test_the_stretched_arm_reaches_as_far_as_its_links_are_long():
    """From the shoulder: over the elbow's two offsets of 8.25 cm, and the wrist's 8.8 cm."""
    upper, fore = math.hypot(0.0825, 0.316), math.hypot(0.0825, 0.384)
    assert pytest.approx(upper + fore + 0.088) == panda.REACH
    assert 0.8 < panda.REACH < 0.855  # Franka's own figure is of the flange's middle
    assert pytest.approx(0.107 + 0.1034) == panda.WRIST_TO_TIP


def test_each_joint_has_a_servo_of_its_own_force():
    servos = list(ET.fromstring(f"<a>{panda.actuators()}</a>"))
    assert [servo.get("joint") for servo in servos] == [
        *(f"joint{i + 1}" for i in range(7)),
        "left_finger",
    ]
    assert [servo.get("forcerange") for servo in servos[:7]] == ["-87 87"] * 4 + ["-12 12"] * 3
    assert all(float(s.get("kv")) == pytest.approx(0.05 * float(s.get("kp"))) for s in servos[:7])
