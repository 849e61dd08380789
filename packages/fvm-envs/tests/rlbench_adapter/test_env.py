import importlib.util
import inspect
import subprocess

import gymnasium as gym
import numpy as np
import pytest
from fvm_envs import make_vec
from fvm_envs.manipulation import Demo, ObservationConfig
from fvm_envs.restarts import Restarts
from fvm_envs.rlbench import RecordedDemo, check_installation, get_demos


@pytest.fixture
def make(standin):
    made = []

    def build(tasks="rlbench/reach_target", num_envs=2, **options):
        options = {"image_size": (8, 12), **options}
        made.append(make_vec(tasks, num_envs, 0, simulator="coppeliasim", **options))
        return made[-1]

    yield build
    for envs in made:
        envs.close()


def action(*position, open=1.0, quaternion=(1, 0, 0, 0)):
    return np.array([*position, *quaternion, open], dtype=np.float32)


def test_the_same_protocol_as_in_mujoco(make):
    envs = make(cameras=("front", "wrist"))
    obs, info = envs.reset(seed=1)
    assert envs.observation_space.contains(obs)
    assert info["task_index"].tolist() == [0, 0]
    assert obs["front_rgb"].shape == (2, 8, 12, 3)
    assert (obs["front_depth"] == 1.5).all()  # metres
    mujoco = make_vec("rlbench/reach_target", 2, 0, cameras=("front", "wrist"), image_size=(8, 12))
    assert mujoco.observation_space == envs.observation_space
    assert mujoco.action_space == envs.action_space
    obs, _, terminated, truncated, info = envs.step(
        np.stack([action(0.3, 0.1, 1.0, open=0.2, quaternion=(0, 3, 0, 0))] * 2)
    )
    np.testing.assert_allclose(obs["gripper_pose"][0], [0.3, 0.1, 1, 0, 1, 0, 0], atol=1e-6)
    assert obs["gripper_open"].tolist() == [[0.0], [0.0]]
    assert info["failure"].tolist() == ["", ""]
    assert not (terminated | truncated).any()


def test_the_seed_reaches_numpys_global_generator_in_the_worker(make):
    one, two = make(), make()
    a, b = one.reset(seed=3)[0], two.reset(seed=3)[0]
    np.testing.assert_array_equal(a["front_rgb"], b["front_rgb"])
    assert (a["front_rgb"][0] != a["front_rgb"][1]).any()
    assert (one.reset(seed=4)[0]["front_rgb"] != a["front_rgb"]).any()


def test_cameras_are_handed_over_in_opencvs_convention(make):
    obs, _ = make().reset()
    np.testing.assert_array_equal(obs["front_camera_intrinsics"][0], [[110, 0, 6], [0, 110, 4], [0, 0, 1]])
    np.testing.assert_array_equal(obs["front_camera_extrinsics"][0], np.diag([-1.0, -1, 1, 1]))


def test_a_point_cloud_alone(make):
    obs, _ = make(rgb=False, depth=False).reset()
    assert obs["front_point_cloud"].shape == (2, 8, 12, 3)
    assert "front_rgb" not in obs


@pytest.mark.parametrize(
    ("position", "failure"),
    [
        ((2.0, 0.0, 1.0), "outside workspace"),
        ((0.3, 0.0, 1.45), "unreachable"),
        ((0.3, 0.0, 1.55), "unreachable"),
        ((0.3, 0.0, 1.65), "unreachable"),
    ],
)
def test_planning_errors_end_the_episode_with_the_same_reasons(make, position, failure):
    envs = make(num_envs=1)
    envs.reset()
    _, reward, terminated, truncated, info = envs.step(action(*position)[None])
    assert (reward[0], terminated[0], truncated[0]) == (0, True, False)
    assert info["failure"][0] == failure


def test_a_simulator_that_dies_is_started_again(make):
    envs = make("rlbench/fall_over,rlbench/reach_target", on_episode_end="stay")
    first, _ = envs.reset()
    for _ in range(2):
        *_, terminated, _, info = envs.step(np.stack([action(0.3, 0.1, 1.0)] * 2))
        assert info["failure"].tolist() == ["simulator crashed", ""]
        assert terminated.tolist() == [True, False]
        assert info["final_obs"][0]["front_rgb"].shape == first["front_rgb"][0].shape
    envs.step(np.stack([action(0.3, 0.1, 1.0)] * 2))
    with pytest.raises(RuntimeError, match=r"check_installation\(deep=True\)"):
        envs.step(np.stack([action(0.3, 0.1, 1.0)] * 2))


def test_a_simulator_that_hangs_is_started_again(make, monkeypatch):
    monkeypatch.setattr("fvm_envs.rlbench.env.SILENCE_S", 8.0)
    envs = make("rlbench/fall_asleep", num_envs=1)
    envs.reset()
    *_, terminated, _, info = envs.step(action(0.3, 0.1, 1.0)[None])
    assert (terminated[0], info["failure"][0]) == (True, "simulator crashed")


def test_a_film_shows_what_each_action_led_to(make):
    """Five pictures .08 s apart an action: nobody sees RLBench's arm move. The end of an episode as well."""
    envs = make(num_envs=1, episode_length=2)
    envs.reset(seed=0)
    assert envs.film_slot(0, 4) == []
    first = envs.step(action(0.3, 0.1, 1.0)[None])[0]["front_rgb"][0]
    info = envs.step(action(0.2, 0.1, 1.0)[None])[-1]
    last = info["final_obs"][0]["front_rgb"]
    film = [picture[::64, ::64].tolist() for picture in envs.film_slot(0, 0)]
    assert film == [first.tolist()] * 5 + [last.tolist()] * 5
    envs.step(action(0.3, 0.1, 1.0)[None])
    assert envs.film_slot(0, 0) == []


def test_a_task_that_is_hard_to_place_is_reset_again(make):
    envs = make("rlbench/hide_away", num_envs=1, image_size=1)
    pictures = {int(envs.reset()[0]["front_rgb"].max()) for _ in range(20)}
    assert len(pictures) > 5
    with pytest.raises(RuntimeError, match="no place for stay_away in 10 resets"):
        make("rlbench/stay_away", num_envs=1).reset()


def test_restarts_in_place_of_a_saved_state(make):
    def play(envs, seed):
        envs = Restarts(envs, seed, every=2)
        obs, _ = envs.reset(seed=seed)
        told = [obs["front_rgb"]]
        for _ in range(5):
            obs, _, _, truncated, info = envs.step(action(0.3, 0.1, 1.0)[None])
            told.append(obs["front_rgb"])
        return told, truncated, info, envs

    one, truncated, info, envs = play(make(num_envs=1), 3)
    assert not envs.env.saves_state
    assert not truncated[0]
    np.testing.assert_array_equal(one, play(make(num_envs=1), 3)[0])
    *_, truncated, info = envs.step(action(0.3, 0.1, 1.0)[None])
    assert truncated[0]
    np.testing.assert_allclose(info["final_obs"][0]["gripper_pose"][:3], [0.3, 0.1, 1.0], atol=1e-6)
    again = make(num_envs=1)
    resumed = Restarts(again, 0, every=2)
    resumed.load_state_dict(envs.state_dict())
    resumed_obs, _ = again.reset(options={"reset_mask": np.zeros(1, dtype=bool)})
    obs, _ = envs.env.reset(options={"reset_mask": np.zeros(1, dtype=bool)})
    np.testing.assert_array_equal(obs["front_rgb"], resumed_obs["front_rgb"])


def test_a_single_environment(standin):
    env = gym.make("rlbench/reach_target-v0", simulator="coppeliasim", image_size=8).unwrapped
    obs, info = env.reset(seed=0)
    assert env.observation_space.contains(obs)
    *_, info = env.step(action(2.0, 0.0, 1.0))
    assert info == {"task_index": 0, "success": False, "failure": "outside workspace"}
    env.close()


def test_demonstrations(standin):
    config = ObservationConfig(cameras=("front", "wrist"), image_size=(8, 12))
    one, two = get_demos("reach_target", 2, seed=4, variation=3, config=config)
    assert (one.task, one.variation, len(one)) == ("reach_target", 3, 25)
    # The stop half way and the gripper's change in the last frame, by ARM's rule.
    assert one.keyframes == (13, 24)
    assert one.frames["joint_positions"].shape == (25, 7)
    np.testing.assert_allclose(one.actions[:, :7], one.frames["gripper_pose"][[13, 24]])
    assert one.actions[:, 7].tolist() == [1, 0]
    assert sorted(one.observations) == [0, 10, 13, 20, 24]
    obs = one.observation(10, config, time=0.5)
    assert config.space().contains(obs)
    assert obs["time"] == [0.5]
    np.testing.assert_array_equal(obs["gripper_pose"], one.frames["gripper_pose"][10])
    assert not np.array_equal(one.actions, two.actions)
    (alone,) = get_demos("reach_target", 1, seed=4, variation=3, config=config, picture_every=1)
    np.testing.assert_array_equal(alone.actions, one.actions)
    assert len(alone.observations) == 25
    with pytest.raises(ValueError, match=r"only of \[0, 10, 13, 20, 24\]"):
        one.observation(11, config)
    with pytest.raises(ValueError, match="recorded with"):
        one.observation(10, ObservationConfig())


def test_demonstrations_that_there_are_not(standin):
    with pytest.raises(RuntimeError, match="Could not collect demos"):
        get_demos("stumble", 1, seed=0)
    # As an error of Python's: to read one of RLBench's the caller would have to import it.
    with pytest.raises(RuntimeError, match="NoWaypointsError: Task does not have any waypoints"):
        get_demos("wander", 1, seed=0)
    with pytest.raises(RuntimeError, match="no place for stay_away"):
        get_demos("stay_away", 1, seed=0)
    assert len(get_demos("hide_away", 1, seed=0)) == 1
    with pytest.raises(ValueError, match="20 variations"):
        get_demos("reach_target", 1, seed=0, variation=20)


def test_both_kinds_of_demonstrations_are_used_alike():
    def public(kind):
        return {name for name in dir(kind) if not name.startswith("_")} | set(kind.__annotations__)

    assert {"frames", "keyframes", "actions", "observation", "task", "variation"} <= (
        public(Demo) & public(RecordedDemo)
    )
    ours, theirs = (list(inspect.signature(kind.observation).parameters) for kind in (Demo, RecordedDemo))
    assert ours == theirs


@pytest.mark.parametrize("option", [{"num_processes": 2}, {"renderer": "gl"}, {"shadows": True}])
def test_options_of_mujoco_s_tasks_that_mean_nothing_here_are_refused(make, option):
    (name,) = option
    with pytest.raises(ValueError, match=f"a process a slot and draws its own pictures: leave out {name}$"):
        make(**option)
    make(num_processes=0, renderer="ray", shadows=False)


def test_what_there_is_not(make):
    with pytest.raises(ValueError, match="no task 'juggle'"):
        make("rlbench/juggle").reset()
    with pytest.raises(ValueError, match="20 variations"):
        make("rlbench/reach_target/20").reset()
    envs = make()
    envs.reset()
    with pytest.raises(NotImplementedError, match="cannot save"):
        envs.state_dict()
    with pytest.raises(ValueError, match="expected 'mujoco' or 'coppeliasim'"):
        make_vec("rlbench/reach_target", 1, 0, simulator="gazebo")


@pytest.mark.skipif(importlib.util.find_spec("rlbench") is not None, reason="RLBench is installed here")
def test_without_rlbench_it_says_so():
    envs = make_vec("rlbench/reach_target", 1, 0, simulator="coppeliasim")
    with pytest.raises(ImportError, match=r"No module named.*check_installation\(\) says what is missing"):
        envs.reset()
    envs.close()


def test_without_its_simulator_it_says_so(make, monkeypatch):
    monkeypatch.delenv("COPPELIASIM_ROOT")
    with pytest.raises(ImportError, match="COPPELIASIM_ROOT not defined"):
        make(num_envs=1).reset()


def installed(tmp_path, monkeypatch, *, extension=True, backend=True, rlbench=True):
    root, site = tmp_path / "coppelia", tmp_path / "site"
    root.mkdir()
    (root / "libcoppeliaSim.so.1").touch()
    (site / "pyrep").mkdir(parents=True)
    (site / "pyrep" / "__init__.py").write_text("raise SystemExit('was imported')")
    if backend:
        (site / "pyrep" / "backend").mkdir()
        if extension:
            (site / "pyrep" / "backend" / "_sim_cffi.abi3.so").touch()
    if rlbench:
        (site / "rlbench" / "tasks").mkdir(parents=True)
        (site / "rlbench" / "__init__.py").write_text("raise SystemExit('was imported')")
    monkeypatch.syspath_prepend(str(site))
    return {"COPPELIASIM_ROOT": str(root), "LD_LIBRARY_PATH": f"/usr/lib:{root}/"}


def missing(environ):
    return {stage.name: stage for stage in check_installation(environ=environ).stages if not stage.ok}


def test_a_complete_installation(tmp_path, monkeypatch, capsys):
    assert missing(installed(tmp_path, monkeypatch)) == {}
    assert capsys.readouterr().out.count("[ok]") == 4


def test_each_missing_stage_is_told_with_what_mends_it(tmp_path, monkeypatch, capsys):
    environ = installed(tmp_path, monkeypatch)
    assert set(missing({})) == {"CoppeliaSim", "LD_LIBRARY_PATH"}
    assert "4.1.0" in capsys.readouterr().out
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no libcoppeliaSim" in missing({**environ, "COPPELIASIM_ROOT": str(empty)})["CoppeliaSim"].found
    told = missing({**environ, "LD_LIBRARY_PATH": ""})
    assert set(told) == {"LD_LIBRARY_PATH"}
    assert "before Python starts" in told["LD_LIBRARY_PATH"].mend


@pytest.mark.parametrize(
    ("options", "stage", "found"),
    [
        ({"backend": False}, "PyRep", "PyPI's, another program"),
        ({"extension": False}, "PyRep", "without its extension"),
    ],
)
def test_an_incomplete_pyrep(tmp_path, monkeypatch, options, stage, found):
    told = missing(installed(tmp_path, monkeypatch, **options))
    assert set(told) == {stage}
    assert found in told[stage].found
    assert "requirements.txt" in told[stage].mend


def test_the_deep_probe_survives_a_simulator_that_aborts(tmp_path, monkeypatch):
    from fvm_envs.rlbench import installation

    environ = installed(tmp_path, monkeypatch)

    def die(*args, **kwargs):
        return subprocess.CompletedProcess(args, -6, "", "")

    installation._probe.cache_clear()
    monkeypatch.setattr(installation.subprocess, "run", die)
    (stage,) = [s for s in check_installation(deep=True, environ=environ).stages if not s.ok]
    assert stage.name == "rendering"
    assert "SIGABRT" in stage.found
    assert "xvfb-run" in stage.mend
    installation._probe.cache_clear()


@pytest.mark.coppeliasim
def test_the_real_one():
    envs = make_vec("rlbench/reach_target", 1, 0, simulator="coppeliasim", image_size=64)
    obs, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(obs)
    points = obs["front_point_cloud"][0].reshape(-1, 3)
    pose, k = obs["front_camera_extrinsics"][0], obs["front_camera_intrinsics"][0]
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    pixels = (local @ k.T)[:, :2] / local[:, 2:]
    rows, columns = np.mgrid[:64, :64]
    np.testing.assert_allclose(pixels, np.stack([columns, rows], -1).reshape(-1, 2), atol=1.5)
    *_, info = envs.step(action(0.3, 0.0, 1.0)[None])
    assert info["failure"][0] in ("", "unreachable")
    envs.close()
    (demo,) = get_demos("reach_target", 1, seed=0)
    assert demo.keyframes[-1] == len(demo) - 1
    assert demo.actions.shape == (len(demo.keyframes), 8)


def test_a_player_needs_no_pictures_and_the_planner_is_not_for_rlbench(make):
    envs = make(num_envs=1, cameras=())
    obs, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(obs)
    assert not any("front" in name for name in obs)
    envs.step(action(0.2, 0.0, 1.0)[None])
    with pytest.raises(NotImplementedError, match="get_demos"):
        envs.waypoints(0)
