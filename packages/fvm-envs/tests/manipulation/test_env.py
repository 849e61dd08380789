import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from fvm_envs import make_vec
from fvm_envs.manipulation.demos import get_demos
from fvm_envs.manipulation.observation import ObservationConfig
from fvm_envs.manipulation.rotation import quaternion_of
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.tasks import TASKS

pytestmark = pytest.mark.manipulation
SMALL = {"cameras": ("front",), "image_size": 16}
DOWN = (1.0, 0.0, 0.0, 0.0)


def action(*position, quaternion=DOWN, open=1.0):
    return np.array([*position, *quaternion, open], dtype=np.float32)


def played(envs, num_steps=6):
    rng = np.random.default_rng(0)
    digest = [envs.reset(seed=3)[0]]
    for _ in range(num_steps):
        actions = np.stack(
            [
                action(*rng.uniform((0.2, -0.3, 0.7), (0.6, 0.3, 1.2)), open=rng.random())
                for _ in range(envs.num_envs)
            ]
        )
        obs, reward, terminated, truncated, info = envs.step(actions)
        digest.append({**obs, "reward": reward, "over": terminated | truncated, "failure": info["failure"]})
    envs.close()
    return digest


def test_processes_give_the_same_bytes_as_the_caller_does():
    tasks = "rlbench/push_button,rlbench/pick_and_lift/3,rlbench/open_door"
    here = played(make_vec(tasks, 3, 0, **SMALL))
    for num_processes in (1, 2):
        there = played(make_vec(tasks, 3, 0, num_processes=num_processes, **SMALL))
        for a, b in zip(here, there, strict=True):
            assert set(a) == set(b)
            for key in a:
                np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def test_an_error_in_a_process_reaches_the_caller():
    envs = make_vec("rlbench/push_button", 2, 0, num_processes=1, **SMALL)
    envs.reset()
    state = envs.state_dict()
    state["own"]["slot1"]["simulator"]["world"]["physics"] = np.zeros(3)
    with pytest.raises(ValueError, match="damaged, or not of push_button"):
        envs.load_state_dict(state)
    envs.close()
    with pytest.raises(RuntimeError, match="closed"):
        envs.reset()


def test_a_process_that_dies_is_reported():
    envs = make_vec("rlbench/push_button", 1, 0, num_processes=1, **SMALL)
    envs.reset()
    envs._pool._processes[0].terminate()
    envs._pool._processes[0].join()
    with pytest.raises(RuntimeError, match="process of the environment died"):
        envs.step(action(0.3, 0, 1)[None])


def test_what_cannot_be_reached_ends_the_episode_and_says_why():
    envs = make_vec("rlbench/push_button", 4, 0, **SMALL)
    before, _ = envs.reset()
    actions = np.stack(
        [
            action(0.3, 0.0, 1.0),
            action(0.3, 0.0, 0.7),  # under the table
            action(2.0, 0.0, 1.0),
            action(-0.25, 0.0, 0.8, quaternion=(0, 0, 0, 1)),  # upwards, beside its own foot
        ]
    )
    _, reward, terminated, truncated, info = envs.step(actions)
    assert info["failure"].tolist() == ["", "outside workspace", "outside workspace", "unreachable"]
    assert terminated.tolist() == [False, True, True, True]
    assert not truncated.any()
    assert not info["success"].any()
    assert (reward == 0).all()
    for slot in (1, 2, 3):  # nothing moved
        np.testing.assert_array_equal(info["final_obs"][slot]["front_rgb"], before["front_rgb"][slot])


def test_an_episode_of_waypoints_is_worth_one_and_a_long_one_is_cut():
    envs = make_vec("rlbench/push_button", 1, 0, on_episode_end="stay", episode_length=3, **SMALL)
    obs, _ = envs.reset(seed=1)
    assert obs["time"][0] == 1
    world = envs._pool._slots[0]._simulator.world
    times = []
    for waypoint in TASKS["push_button"].demonstration(world):
        step = action(*waypoint.position, quaternion=quaternion_of(waypoint.matrix), open=waypoint.open)
        obs, reward, terminated, truncated, info = envs.step(step[None])
    assert (reward[0], terminated[0], truncated[0]) == (1.0, True, False)
    assert info["success"][0]
    assert info["episode"]["r"][0] == 1
    assert info["episode"]["l"][0] == 2
    final = info["final_obs"][0]
    assert final["gripper_open"][0] == 0
    green = (final["front_rgb"] != obs["front_rgb"][0]).any()
    assert green
    envs.reset()
    for _ in range(3):
        obs, _, terminated, truncated, info = envs.step(action(0.3, 0.0, 1.1)[None])
        times.append(float((info["final_obs"][0] if truncated[0] else obs)["time"].squeeze()))
    assert times == [0.0, -1.0, -1.0]
    assert truncated[0]
    assert not terminated[0]


def test_the_gripper_goes_where_it_is_told():
    envs = make_vec("rlbench/reach_target", 1, 0, **SMALL)
    envs.reset()
    quaternion = np.array([0.9239, 0.3827, 0.0, 0.0])
    obs, *_ = envs.step(action(0.3, 0.1, 1.0, quaternion=quaternion, open=0.0)[None])
    pose = obs["gripper_pose"][0]
    np.testing.assert_allclose(pose[:3], (0.3, 0.1, 1.0), atol=2e-3)
    assert abs(pose[3:] @ quaternion) == pytest.approx(1, abs=1e-4)
    assert obs["gripper_open"][0, 0] == 0
    assert obs["gripper_joint_positions"].max() < 1e-3


def test_pictures_can_be_chosen():
    envs = make_vec(
        "rlbench/push_button", 1, 0, cameras=("wrist", "overhead"), image_size=(8, 12), depth=False, rgb=False
    )
    obs, _ = envs.reset()
    assert obs["wrist_point_cloud"].shape == (1, 8, 12, 3)
    assert not any(key.endswith(("_rgb", "_depth")) or key.startswith("front") for key in obs)
    assert obs["overhead_camera_extrinsics"].shape == (1, 4, 4)


def test_options_may_come_from_json():
    envs = make_vec("rlbench/push_button", 1, 0, cameras=["front", "wrist"], image_size=[8, 12])
    assert envs.observation_config == ObservationConfig(cameras=("front", "wrist"), image_size=(8, 12))


@pytest.mark.parametrize(
    ("tasks", "options", "message"),
    [
        ("rlbench/juggle", {}, "there is no task rlbench/juggle: the tasks are push_button"),
        ("rlbench/lamp_on/1", {}, "lamp_on has 1 variations, 0 to 0"),
        ("rlbench/lamp_on", {"cameras": ("side",)}, r"no cameras \['side'\]"),
        ("rlbench/lamp_on", {"cameras": ("front", "front")}, "name each once"),
        ("rlbench/lamp_on", {"image_size": 0}, "1 to 4096 pixels each"),
        ("rlbench/lamp_on", {"image_size": [8]}, "give height and width"),
        ("rlbench/lamp_on", {"renderer": "oil"}, "expected 'ray' or 'gl'"),
        ("rlbench/lamp_on", {"num_processes": -1}, "num_processes is -1"),
        ("rlbench/lamp_on", {"episode_length": 0}, "episode_length is 0: give 1"),
    ],
)
def test_bad_options(tasks, options, message):
    with pytest.raises(ValueError, match=message):
        make_vec(tasks, 1, 0, **options)


def test_bad_actions():
    envs = make_vec("rlbench/push_button", 1, 0, **SMALL)
    envs.reset()
    with pytest.raises(ValueError, match="not finite"):
        envs.step(action(np.nan, 0, 1)[None])
    with pytest.raises(ValueError, match="quaternion is zero"):
        envs.step(action(0.3, 0, 1, quaternion=(0, 0, 0, 0))[None])
    with pytest.raises(TypeError, match="no trials"):
        make_vec("rlbench/push_button", 1, 0, trials=2)


def test_a_saved_episode_goes_on_with_its_grasp():
    """The weld between hand and object is part of the state, also its relative pose."""
    task, one, two = TASKS["pick_and_lift"], Simulator(), Simulator()
    one.reset(task, 2, 5)
    waypoints = task.demonstration(one.world)
    for waypoint in waypoints[:2]:
        one.execute(waypoint.position, quaternion_of(waypoint.matrix), waypoint.open)
    assert one.world.grasped == "block"
    state = one.state()
    two.reset(TASKS["pick_and_lift"], 0, 9)
    two.load_state(task, state)
    for simulator in (one, two):
        for waypoint in waypoints[2:]:
            outcome = simulator.execute(waypoint.position, quaternion_of(waypoint.matrix), waypoint.open)
        assert outcome.success
    np.testing.assert_array_equal(one.world.data.qpos, two.world.data.qpos)


def test_closing_on_nothing_grasps_nothing_and_opening_lets_go():
    task, simulator = TASKS["pick_and_lift"], Simulator()
    simulator.reset(task, 0, 0)
    above, at, *_ = task.demonstration(simulator.world)
    for waypoint, open in ((above, False), (above, True), (at, False)):
        simulator.execute(waypoint.position, quaternion_of(waypoint.matrix), open)
        assert simulator.world.grasped == ("block" if waypoint is at else None)
    simulator.execute(above.position, quaternion_of(above.matrix), False)
    held = simulator.world.position("block")
    assert held[2] > 0.8
    simulator.execute(above.position, quaternion_of(above.matrix), True)
    assert simulator.world.grasped is None
    assert simulator.world.position("block")[2] < held[2] - 0.05


class FakeGL:
    """Takes the place of MuJoCo's renderer: notes the colours that it would draw."""

    def __init__(self, model, height, width):
        self.model, self.size = model, (height, width)

    def update_scene(self, data, camera):
        self.drawn = self.model.geom_rgba.copy()

    def render(self):
        return np.full((*self.size, 3), 7, dtype=np.uint8)


def test_opengl_draws_the_episodes_colours_and_changes_nothing(monkeypatch):
    import mujoco

    monkeypatch.setattr(mujoco, "Renderer", FakeGL, raising=False)
    options = {**SMALL, "on_episode_end": "stay"}
    plain = make_vec("rlbench/push_button/4", 1, 0, **options)
    drawn = make_vec("rlbench/push_button/4", 1, 0, renderer="gl", **options)
    (a, _), (b, _) = plain.reset(seed=1), drawn.reset(seed=1)
    assert (b["front_rgb"] == 7).all()
    for _ in range(2):
        np.testing.assert_array_equal(a["front_depth"], b["front_depth"])
        a, b = (envs.step(action(0.3, 0.1, 0.9)[None])[0] for envs in (plain, drawn))
    world = drawn._pool._slots[0]._simulator.world
    assert (world.model.geom_rgba[world.model.geom("button_base").id, :3] > 0.9).all()  # the model's own


@pytest.mark.skipif(
    importlib.util.find_spec("OpenGL") is None or "MUJOCO_GL" not in os.environ,
    reason="needs PyOpenGL, a GL and MUJOCO_GL set",
)
@pytest.mark.parametrize("camera", ["front", "wrist"])
def test_opengl_sees_what_rays_see(camera):
    options = {"cameras": (camera,), "image_size": (96, 128)}
    rays = make_vec("rlbench/pick_up_cup/3", 1, 0, **options)
    drawn = make_vec("rlbench/pick_up_cup/3", 1, 0, renderer="gl", **options)
    a, b = (envs.reset(seed=1)[0][f"{camera}_rgb"].astype(float).mean(axis=-1) for envs in (rays, drawn))
    # Light and edges differ; a finger that is not drawn, or another view, gives less than .9.
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.95


def test_without_opengl_it_says_what_is_missing(monkeypatch):
    import mujoco

    def broken(*args):
        raise RuntimeError("no display")

    monkeypatch.setattr(mujoco, "Renderer", broken, raising=False)
    with pytest.raises(ImportError, match="found no OpenGL"):
        make_vec("rlbench/push_button", 1, 0, renderer="gl", **SMALL).reset()


def test_without_mujoco_the_package_imports_and_says_what_is_missing():
    code = (
        "import sys; sys.modules['mujoco'] = None\n"
        "import fvm_envs\n"
        "try: fvm_envs.make_vec('rlbench/push_button', 1, 0).reset()\n"
        "except ImportError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'fvm-envs[manipulation]'" in run.stdout


def test_a_demonstrations_seed_is_an_episode_seed():
    (demo,) = get_demos("push_button", 1, seed=2, keyframes="merged")
    envs = make_vec("rlbench/push_button", 2, 5, on_episode_end="stay", **SMALL)
    obs, _ = envs.reset(options={"episode_seeds": [None, demo.seed]})
    shown = demo.observation(0, envs.observation_config)
    np.testing.assert_array_equal(obs["front_rgb"][1], shown["front_rgb"])
    for action in demo.actions:
        *_, reward, terminated, _, _ = envs.step(np.tile(action, (2, 1)))
    assert (reward[1], terminated[1]) == (1.0, True)
