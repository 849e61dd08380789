import numpy as np
import pytest
from fvm_envs.manipulation.rotation import quaternion_of
from fvm_envs.manipulation.scene import BOUNDS
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.tasks import STUDY, TASKS

pytestmark = pytest.mark.manipulation


@pytest.fixture(scope="module")
def simulator():
    return Simulator()


def play(simulator, task, variation, seed):
    simulator.reset(task, variation, seed)
    for waypoint in task.demonstration(simulator.world):
        outcome = simulator.execute(waypoint.position, quaternion_of(waypoint.matrix), waypoint.open)
        if outcome.success or outcome.failure:
            break
    return outcome


def test_the_study_has_eleven_tasks_and_there_are_five_more():
    assert [task.name for task in STUDY] == [
        "push_button",
        "take_lid_off_saucepan",
        "lamp_on",
        "pick_up_cup",
        "pick_and_lift",
        "phone_on_base",
        "stack_wine",
        "open_door",
        "take_usb_out_of_computer",
        "put_rubbish_in_bin",
        "reach_target",
    ]
    assert len(TASKS) == 16
    variations = {task.name: task.num_variations for task in TASKS.values() if task.num_variations > 1}
    assert variations == {
        "push_button": 18,
        "pick_up_cup": 20,
        "pick_and_lift": 20,
        "reach_target": 20,
        "close_drawer": 3,
        "open_drawer": 3,
        "slide_block_to_target": 4,
        "turn_tap": 2,
    }


@pytest.mark.parametrize("name", TASKS)
def test_the_demonstration_solves_every_kind_of_variation(simulator, name):
    task = TASKS[name]
    variations = sorted({0, 1 % task.num_variations, task.num_variations - 1})
    solved = [play(simulator, task, variation, 100 + variation).success for variation in variations]
    solved.append(play(simulator, task, 0, 7).success)
    assert all(solved)


@pytest.mark.parametrize("name", TASKS)
def test_task_variation_and_seed_alone_determine_the_start(simulator, name):
    task = TASKS[name]
    simulator.reset(task, 0, 3)
    fresh = Simulator()
    fresh.reset(task, 0, 4)
    other = fresh.world.data.qpos.copy(), fresh.world.data.mocap_pos.copy()
    fresh.reset(task, 0, 3)
    one, two = simulator.world, fresh.world
    for array in ("qpos", "qvel", "mocap_pos", "mocap_quat", "ctrl", "eq_active", "qacc_warmstart"):
        np.testing.assert_array_equal(getattr(one.data, array), getattr(two.data, array), err_msg=array)
    np.testing.assert_array_equal(one.colours, two.colours)
    assert any(
        not np.array_equal(a, b) for a, b in zip(other, (two.data.qpos, two.data.mocap_pos), strict=True)
    )
    assert not task.solved(one)


@pytest.mark.parametrize("name", TASKS)
def test_at_rest_nothing_moves_and_nothing_lies_in_another(simulator, name):
    """The start is a state of rest: a second later everything is where it was."""
    simulator.reset(TASKS[name], 0, 11)
    world = simulator.world
    before = world.data.qpos.copy()
    world.mujoco.mj_collision(world.model, world.data)
    assert all(depth > -1.5e-3 for depth in world.data.contact.dist)
    simulator.rest(50)
    assert np.abs(world.data.qpos - before).max() < 2e-3


@pytest.mark.parametrize("name", TASKS)
def test_waypoints_are_actions_in_the_workspace(simulator, name):
    task = TASKS[name]
    for seed in range(3):
        simulator.reset(task, seed % task.num_variations, seed)
        waypoints = task.demonstration(simulator.world)
        assert 1 <= len(waypoints) <= 6
        for waypoint in waypoints:
            assert (np.array(BOUNDS[:3]) < waypoint.position).all()
            assert (waypoint.position < np.array(BOUNDS[3:])).all()
            np.testing.assert_allclose(waypoint.matrix.T @ waypoint.matrix, np.eye(3), atol=1e-9)
            assert np.linalg.det(waypoint.matrix) > 0


def test_the_lamp_lights_up_and_the_button_turns_green(simulator):
    for name, geom, after in (
        ("lamp_on", "bulb", (255, 255, 255)),
        ("push_button", "button_cap", (0, 255, 0)),
    ):
        simulator.reset(TASKS[name], 0, 1)
        world = simulator.world
        index = world.model.geom(geom).id
        before = tuple(world.colours[index])
        assert before != after
        play(simulator, TASKS[name], 0, 1)
        assert tuple(world.colours[index]) == after
        simulator.reset(TASKS[name], 0, 1)
        assert tuple(world.colours[index]) == before


def test_a_variation_that_does_not_exist(simulator):
    with pytest.raises(ValueError, match="lamp_on has 1 variations"):
        simulator.reset(TASKS["lamp_on"], 1, 0)
