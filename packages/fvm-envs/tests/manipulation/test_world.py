"""A task's world: what is put, joined, painted and found, each by hand."""

import numpy as np
import pytest
from fvm_envs.manipulation import panda
from fvm_envs.manipulation.rotation import about_z
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.manipulation.world import World, model_of

pytestmark = pytest.mark.manipulation


@pytest.fixture
def world():
    world = World(TASKS["pick_and_lift"])
    world.kinematics()
    return world


def test_a_model_is_compiled_once_and_its_state_is_each_worlds_own(world):
    other = World(TASKS["pick_and_lift"])
    assert other.model is world.model is model_of(TASKS["pick_and_lift"])
    other.put("block", (0.3, 0, 1))
    other.paint("block_box", (0, 1, 0))
    other.kinematics()
    assert world.position("block").tolist() != other.position("block").tolist()
    index = world.model.geom("block_box").id
    assert other.colours[index].tolist() == [0, 255, 0]
    assert world.colours[index].tolist() != [0, 255, 0]


def test_what_is_put_is_found_there_and_points_turn_along(world):
    quarter = about_z(np.pi / 2)
    world.put("block", (0.2, 0.1, 0.9), quarter)  # moves freely
    world.put("goal", (0.3, 0.0, 1.0), quarter)  # stands
    world.kinematics()
    for body, where in (("block", (0.2, 0.1, 0.9)), ("goal", (0.3, 0.0, 1.0))):
        np.testing.assert_allclose(world.position(body), where)
        np.testing.assert_allclose(world.point(body, (0.01, 0, 0)), np.add(where, (0, 0.01, 0)), atol=1e-12)
        np.testing.assert_allclose(world.direction(body, (0, 1, 0)), (-1, 0, 0), atol=1e-12)


def test_a_zone_turns_with_what_it_is_part_of(world):
    """Half sides of 3.5 cm: the corner of the turned box is where its side was."""
    world.put("goal", (0, 0, 1), about_z(np.pi / 4))
    world.kinematics()
    diagonal = 0.035 * np.sqrt(2)
    assert world.inside(np.array([diagonal - 1e-3, 0, 1]), "goal_zone")
    assert not world.inside(np.array([0.03, 0.03, 1]), "goal_zone")
    assert not world.inside(np.array([0, 0, 1.036]), "goal_zone")


def test_a_weld_keeps_the_pose_in_which_it_was_joined(world):
    """A block that is held falls with the hand, not to the table; let go, it falls."""
    tip, _ = world.tip()
    world.put("block", tip, about_z(0.5))
    world.kinematics()
    world.grasp("block")
    assert world.grasped == "block"
    world.steps(100)
    world.kinematics()
    np.testing.assert_allclose(world.position("block"), world.tip()[0], atol=2e-3)
    world.release()
    assert world.grasped is None
    world.steps(100)
    world.kinematics()
    assert world.position("block")[2] < tip[2] - 0.1  # g t^2 / 2 = .196 m in .2 s


def test_clear_forgets_everything_and_joints_count_from_begin(world):
    world.put("block", (0.3, 0, 2))
    world.grasped = "block"
    world.set_joint("joint1", 1.0)
    world.begin()
    assert world.joint_at_start("joint1") == 1.0
    world.clear(7)
    assert (world.variation, world.grasped, world.joint("joint1")) == (7, None, panda.HOME[0])
    assert world.joint_at_start("joint1") == 1.0  # until the next begin
    assert [world.joint(name) for name in panda.FINGER_JOINTS] == [panda.OPEN] * 2


def test_a_state_goes_on_in_another_world_bit_for_bit(world, filed):
    world.put("block", (0.3, 0.1, 0.9))
    world.paint("block_box", (1, 0, 0))
    world.kinematics()
    world.grasp("distractor0")
    world.steps(20)
    other = World(TASKS["pick_and_lift"])
    other.put("distractor1", (0, 0, 3))
    other.load_state(filed(world.state()))
    for one in (world, other):
        one.steps(30)
    np.testing.assert_array_equal(world.data.qpos, other.data.qpos)
    np.testing.assert_array_equal(world.colours, other.colours)
    assert other.grasped == "distractor0"
    with pytest.raises(ValueError, match="damaged, or not of push_button"):
        World(TASKS["push_button"]).load_state(world.state())
