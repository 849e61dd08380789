import numpy as np
import pytest
from fvm_envs.manipulation import mjcf
from fvm_envs.manipulation.conditions import TipDetected
from fvm_envs.manipulation.kinematics import HOME, LOWER, UPPER
from fvm_envs.manipulation.planner import Planner
from fvm_envs.manipulation.rotation import quaternion_of
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.task import DOWN, ManipulationTask, Pieces, grip, to
from fvm_envs.manipulation.tasks import TASKS

pytestmark = pytest.mark.manipulation
DOWNWARDS = grip(DOWN, (0, 1, 0))


def test_a_straight_line_is_straight():
    planner = Planner()
    goal = np.array([0.35, 0.2, 0.9])
    path = planner.plan(HOME, goal, DOWNWARDS, np.random.default_rng(0))
    start, _ = planner.arm.pose(HOME)
    points = np.stack([planner.arm.pose(joints)[0] for joints in path])
    way = (goal - start) / np.linalg.norm(goal - start)
    off = points - start - np.outer((points - start) @ way, way)
    assert np.abs(off).max() < 2e-3
    assert np.linalg.norm(points[-1] - goal) < 1e-3
    assert np.abs(np.diff(path, axis=0)).max() < 0.5
    assert (path >= LOWER).all()
    assert (path <= UPPER).all()


def test_no_plan_for_what_cannot_be_reached():
    planner, rng = Planner(), np.random.default_rng(0)
    assert planner.plan(HOME, np.array([0.69, 0.49, 1.5]), DOWNWARDS, rng) is None
    upwards = np.diag([1.0, 1.0, 1.0])
    assert planner.plan(HOME, np.array([-0.25, 0.0, 0.8]), upwards, rng) is None


class BehindTheWall(ManipulationTask):
    name = "behind_the_wall"
    description = "a wall stands between two places"

    def pieces(self):
        wall = mjcf.geom("box", (0.15, 0.01, 0.2), mjcf.GREY, pos=(0, 0, 0.2))
        return Pieces(mjcf.furniture("wall", wall + mjcf.zone("behind", (0.02,) * 3, pos=(0, 0.15, 0.05))))

    def place(self, world, variation, rng):
        world.put("wall", (0.3, 0.0, 0.75))

    def conditions(self, variation):
        return (TipDetected("behind"),)

    def demonstration(self, world):
        return [to(world.point("wall", (0, side * 0.15, 0.05)), DOWNWARDS, open=True) for side in (-1, 1)]


@pytest.mark.parametrize("collision_checking", [False, True])
def test_only_with_collision_checking_the_arm_goes_round_a_wall(collision_checking):
    task, simulator = BehindTheWall(), Simulator(collision_checking=collision_checking)
    simulator.reset(task, 0, 0)
    outcomes = [
        simulator.execute(waypoint.position, quaternion_of(waypoint.matrix), waypoint.open)
        for waypoint in task.demonstration(simulator.world)
    ]
    assert [outcome.failure for outcome in outcomes] == ["", ""]
    assert outcomes[1].success == collision_checking


def test_what_is_held_is_carried_round_obstacles():
    """A bottle in the hand counts as part of the robot, and the table it stands on does not stop it."""
    simulator = Simulator(collision_checking=True)
    task = TASKS["stack_wine"]
    simulator.reset(task, 0, 3)
    for waypoint in task.demonstration(simulator.world)[:3]:
        outcome = simulator.execute(waypoint.position, quaternion_of(waypoint.matrix), waypoint.open)
        assert outcome.failure == ""
    assert simulator.world.grasped == "bottle"
    low = simulator.world.tip()[0] - np.array([0, 0, 0.15])
    outcome = simulator.execute(low, quaternion_of(waypoint.matrix), False)
    assert outcome.failure == ""
    into_the_table = low - np.array([0, 0, 0.1])
    outcome = simulator.execute(into_the_table, quaternion_of(waypoint.matrix), False)
    assert outcome.failure == "unreachable"
