"""The stand-in refuses what RLBench would refuse: without that, tests of the adapter would prove little."""

import numpy as np
import pytest


@pytest.fixture
def rl(standin):
    from pyrep.errors import ConfigurationPathError, IKError
    from rlbench.action_modes.action_mode import MoveArmThenGripper
    from rlbench.action_modes.arm_action_modes import EndEffectorPoseViaPlanning
    from rlbench.action_modes.gripper_action_modes import Discrete
    from rlbench.backend import exceptions
    from rlbench.environment import Environment
    from rlbench.observation_config import ObservationConfig
    from rlbench.utils import name_to_task_class

    class Names:
        mode = MoveArmThenGripper(EndEffectorPoseViaPlanning(), Discrete())

    Names.Environment, Names.ObservationConfig = Environment, ObservationConfig
    Names.exceptions, Names.task_class = exceptions, staticmethod(name_to_task_class)
    Names.IKError, Names.ConfigurationPathError = IKError, ConfigurationPathError
    return Names


@pytest.fixture
def env(rl):
    env = rl.Environment(rl.mode, obs_config=rl.ObservationConfig(), headless=True)
    env.launch()
    yield env
    env.shutdown()


def action(z=1.0, x=0.3, quaternion=(1, 0, 0, 0), open=1.0):
    return np.array([x, 0.0, z, *quaternion, open])


def test_a_simulator_needs_its_root(rl, monkeypatch):
    monkeypatch.delenv("COPPELIASIM_ROOT")
    with pytest.raises(RuntimeError, match="COPPELIASIM_ROOT not defined"):
        rl.Environment(rl.mode, obs_config=rl.ObservationConfig(), headless=True).launch()


def test_one_simulator_a_process_launched_once(rl, env):
    with pytest.raises(RuntimeError, match="Already called launch"):
        env.launch()
    with pytest.raises(RuntimeError, match="second simulator"):
        rl.Environment(rl.mode, obs_config=rl.ObservationConfig(), headless=True).launch()


def test_wrong_arguments(rl, env, tmp_path):
    with pytest.raises(TypeError, match="ActionMode"):
        rl.Environment("planning", obs_config=rl.ObservationConfig())
    with pytest.raises(TypeError, match="ObservationConfig"):
        rl.Environment(rl.mode, obs_config={})
    with pytest.raises(RuntimeError, match="does not exists"):
        rl.Environment(rl.mode, str(tmp_path / "none"), rl.ObservationConfig(), headless=True)
    with pytest.raises(TypeError, match="a class"):
        env.get_task("reach_target")
    with pytest.raises(RuntimeError, match="failed"):
        rl.task_class("juggle")


def test_wrong_settings(rl, monkeypatch):
    from rlbench.action_modes.arm_action_modes import EndEffectorPoseViaPlanning
    from rlbench.observation_config import CameraConfig

    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(RuntimeError, match="no display"):
        rl.Environment(rl.mode, obs_config=rl.ObservationConfig())
    with pytest.raises(ValueError, match="Expected frame"):
        EndEffectorPoseViaPlanning(frame="table")
    for wrong in ({"image_size": (8,)}, {"render_mode": "opengl"}):
        with pytest.raises(ValueError, match="image_size is"):
            CameraConfig(**wrong)


def test_parts_of_actions(rl):
    for mode, wrong in ((rl.mode.arm_action_mode, np.zeros(6)), (rl.mode.gripper_action_mode, np.zeros(2))):
        with pytest.raises(rl.exceptions.InvalidActionError, match="action shape"):
            mode.action(None, wrong)


def test_a_task_is_reset_first_and_has_its_variations(rl, env):
    task = env.get_task(rl.task_class("reach_target"))
    with pytest.raises(RuntimeError, match="Call 'reset'"):
        task.step(action())
    with pytest.raises(rl.exceptions.TaskEnvironmentError, match="only 20"):
        task.set_variation(20)


def test_actions(rl, env):
    task = env.get_task(rl.task_class("reach_target"))
    task.reset()
    invalid = rl.exceptions.InvalidActionError
    for error, message, wrong in (
        (invalid, "non unit", action(quaternion=(2, 0, 0, 0))),
        (invalid, "outside of workspace", action(x=2.0)),
        (invalid, "inaccessible", action(z=1.45)),
        (rl.ConfigurationPathError, "no path", action(z=1.55)),
        (rl.IKError, "configuration", action(z=1.65)),
        (invalid, "within 0 and 1", action(open=2.0)),
        (RuntimeError, "8 numbers", action()[:7]),
    ):
        with pytest.raises(error, match=message):
            task.step(wrong)


def test_a_place_is_not_always_found(rl, env):
    with pytest.raises(rl.exceptions.TaskEnvironmentError, match="Could not place"):
        env.get_task(rl.task_class("stay_away")).reset()


def test_demonstrations(rl, env):
    task = env.get_task(rl.task_class("reach_target"))
    with pytest.raises(RuntimeError, match="no dataset root"):
        task.get_demos(1)
    (demo,) = task.get_demos(1, live_demos=True)
    assert len(demo) == 25
    with pytest.raises(rl.exceptions.NoWaypointsError, match="any waypoints"):
        env.get_task(rl.task_class("wander")).get_demos(1, live_demos=True)
    with pytest.raises(RuntimeError, match="Could not collect demos"):
        env.get_task(rl.task_class("stumble")).get_demos(1, live_demos=True)


def test_what_is_not_asked_for_is_none(rl):
    config = rl.ObservationConfig()
    config.set_all(False)
    config.front_camera.point_cloud = True  # alone, it is not rendered
    env = rl.Environment(rl.mode, obs_config=config, headless=True)
    _, obs = env.get_task(rl.task_class("reach_target")).reset()
    env.shutdown()
    assert obs.front_point_cloud is None
    assert obs.gripper_pose is None
    assert "wrist_camera_extrinsics" not in obs.misc
