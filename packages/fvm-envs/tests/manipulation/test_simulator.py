"""Macro actions: where they lead, what is refused, and an episode that goes on where it was saved."""

import numpy as np
import pytest
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.tasks import TASKS

pytestmark = pytest.mark.manipulation
DOWN = np.array([1.0, 0.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def simulator():
    return Simulator()


def test_an_action_brings_the_tip_there_and_closes_the_gripper(simulator):
    simulator.reset(TASKS["push_button"], 0, 1)
    there = np.array([0.3, 0.2, 1.1])
    outcome = simulator.execute(there, 3 * DOWN, False)  # a quaternion of any length
    assert (outcome.success, outcome.failure) == (False, "")
    position, matrix = simulator.world.tip()
    np.testing.assert_allclose(position, there, atol=5e-3)
    np.testing.assert_allclose(matrix[:, 2], [0, 0, -1], atol=0.02)
    told = simulator.proprioception()
    assert told["gripper_open"].tolist() == [0.0]
    assert told["gripper_joint_positions"].max() < 0.002


@pytest.mark.parametrize(
    ("position", "failure"),
    [
        ((0.3, 0.0, 0.74), "outside workspace"),  # within RLBench's bounds, and in the table
        ((0.3, 0.51, 1.0), "outside workspace"),
        ((np.nan, 0.0, 1.0), "outside workspace"),
        ((0.69, 0.49, 1.59), "unreachable"),
    ],
)
def test_what_cannot_be_done_says_so_and_moves_nothing(simulator, position, failure):
    simulator.reset(TASKS["push_button"], 0, 1)
    before = simulator.joints()
    outcome = simulator.execute(np.array(position), DOWN, True)
    assert (outcome.success, outcome.failure) == (False, failure)
    np.testing.assert_array_equal(simulator.joints(), before)


def test_no_task_on_the_table_is_a_sentence():
    with pytest.raises(RuntimeError, match="no task is on the table: call reset first"):
        Simulator().world  # noqa: B018


def test_a_saved_episode_goes_on_in_another_simulator(simulator, filed):
    task = TASKS["pick_and_lift"]
    simulator.reset(task, 2, 4)
    first, second, *_ = task.demonstration(simulator.world)
    simulator.execute(first.position, DOWN, True)
    state = filed(simulator.state())
    other = Simulator()
    other.reset(TASKS["push_button"], 0, 0)
    other.load_state(task, state)
    for one in (simulator, other):
        one.execute(second.position, DOWN, False)
    np.testing.assert_array_equal(simulator.world.data.qpos, other.world.data.qpos)
    assert other.world.variation == 2


def test_pictures_staged_afterwards_show_the_moment(simulator):
    simulator.reset(TASKS["push_button"], 0, 1)
    world = simulator.world
    qpos, colours = world.data.qpos.copy(), world.colours.copy()
    mocap = np.concatenate([world.data.mocap_pos, world.data.mocap_quat], axis=1)
    other = Simulator()
    other.stage(TASKS["push_button"], qpos, mocap, colours)
    np.testing.assert_allclose(other.world.position("button"), world.position("button"), atol=1e-12)
    np.testing.assert_array_equal(other.world.tip()[0], world.tip()[0])
