"""Conditions of success on a world whose joints and bodies are given."""

from types import SimpleNamespace

import numpy as np
import pytest
from fvm_envs.manipulation.conditions import (
    Detected,
    Grasped,
    JointMoved,
    NothingGrasped,
    TipDetected,
    TipNear,
)


def world(*, joint=0.0, start=0.0, at=0.0, tip=0.0, grasped=None):
    """One joint, one body and one zone, which is what lies above 1."""
    return SimpleNamespace(
        joint=lambda name: joint,
        joint_at_start=lambda name: start,
        position=lambda body: np.array([0, 0, at]),
        point=lambda body, offset: np.array([0, 0, at]) + offset,
        inside=lambda position, zone: bool(position[2] > 1),
        tip=lambda: (np.array([0, 0, tip]), np.eye(3)),
        grasped=grasped,
    )


@pytest.mark.parametrize(
    ("joint", "start", "sign", "met"),
    [
        (0.3, 0.0, 0, True),
        (-0.3, 0.0, 0, True),
        (0.2, 0.0, 0, False),  # further than, not as far as
        (1.3, 1.2, 0, False),  # from where the episode found it
        (0.3, 0.0, 1, True),
        (0.3, 0.0, -1, False),
        (-0.3, 0.0, -1, True),
        (1.0, 1.5, -1, True),
    ],
)
def test_a_joint_counts_from_where_the_episode_found_it(joint, start, sign, met):
    assert JointMoved("door", 0.2, sign).met(world(joint=joint, start=start)) == met


@pytest.mark.parametrize(
    ("at", "negated", "met"), [(2, False, True), (0, False, False), (2, True, False), (0, True, True)]
)
def test_a_body_is_in_its_zone_or_out_of_it(at, negated, met):
    assert Detected("cup", "shelf", negated).met(world(at=at)) == met


def test_the_tip_and_the_hand():
    assert TipDetected("target").met(world(tip=2))
    assert not TipDetected("target").met(world(tip=0))
    assert TipNear("tap", 0.06).met(world(at=1.0, tip=1.05))
    assert TipNear("tap", 0.06).met(world(at=1.0, tip=0.95))
    assert not TipNear("tap", 0.06).met(world(at=1.0, tip=1.07))
    assert TipNear("tap", 0.06, (0.0, 0.0, 0.1)).met(world(at=1.0, tip=1.07))
    assert Grasped("cup").met(world(grasped="cup"))
    assert not Grasped("cup").met(world(grasped="lid"))
    assert not Grasped("cup").met(world())
    assert NothingGrasped().met(world())
    assert not NothingGrasped().met(world(grasped="cup"))
