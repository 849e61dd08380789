"""The cabinet: its drawers move alone along their axis, and its handles are where the hand is sent."""

import math

import numpy as np
import pytest
from fvm_envs.manipulation import cabinet
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.manipulation.world import World

pytestmark = pytest.mark.manipulation


@pytest.fixture(scope="module")
def world():
    world = World(TASKS["open_drawer"])
    cabinet.place(world, np.random.default_rng(0))
    world.kinematics()
    return world


def test_a_drawer_comes_out_towards_the_robot_and_takes_its_handle_along(world):
    before = {name: cabinet.handle(world, name)[0] for name in cabinet.DRAWERS}
    world.set_joint("middle_joint", 0.15)
    world.kinematics()
    after = {name: cabinet.handle(world, name)[0] for name in cabinet.DRAWERS}
    out = world.direction("cabinet", (-1, 0, 0))
    np.testing.assert_allclose(after["middle"] - before["middle"], 0.15 * out, atol=1e-9)
    assert out[0] < 0  # the robot stands at lower x
    for name in ("bottom", "top"):
        np.testing.assert_array_equal(after[name], before[name])
    world.set_joint("middle_joint", 0.0)
    world.kinematics()


def test_handles_stand_4_cm_before_their_fronts_one_above_the_other(world):
    for name, height in zip(cabinet.DRAWERS, cabinet.HEIGHTS, strict=True):
        where, matrix = cabinet.handle(world, name)
        expected = world.point("cabinet", (-0.04, 0, height))
        np.testing.assert_allclose(where, expected, atol=1e-9)
        # The hand comes from before and 25 degrees from above, its fingers above and below the bar.
        away = world.direction("cabinet", (1, 0, 0))
        assert matrix[:, 2] @ away == pytest.approx(math.cos(math.radians(25)))
        assert matrix[2, 2] == pytest.approx(-math.sin(math.radians(25)))
        assert abs(matrix[2, 1]) == pytest.approx(math.cos(math.radians(25)))


def test_it_stands_before_the_robot_turned_by_at_most_an_eighth(world):
    for seed in range(20):
        cabinet.place(world, np.random.default_rng(seed))
        world.kinematics()
        x, y, _ = world.position("cabinet")
        assert 0.46 <= x <= 0.52
        assert abs(y) <= 0.12
        facing = world.direction("cabinet", (1, 0, 0))
        assert abs(math.atan2(facing[1], facing[0])) <= math.pi / 8
