"""What is taken of an observation, by hand and refused."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from fvm_learners import Agent
from fvm_learners.c2f_arm import C2FARM
from fvm_learners.c2f_arm.views import FIELDS, Eye, rays_of, rays_to_world


def make(envs, config, **options):
    return C2FARM(
        envs.single_observation_space, envs.single_action_space, config, seed=0, episode_length=3, **options
    )


def test_a_camera_that_is_not_there(ball, tiny):
    with pytest.raises(ValueError, match="there is no camera 'wrist': the observations have front"):
        make(ball(), replace(tiny, cameras=("front", "wrist")))


def test_a_camera_without_depth(ball, tiny):
    envs = ball()
    del envs.single_observation_space.spaces["front_depth"]
    with pytest.raises(ValueError, match="front_rgb but not front_point_cloud"):
        make(envs, tiny)


def test_cameras_of_which_one_has_depth_and_another_points(ball, tiny):
    envs = ball()
    spaces = envs.single_observation_space.spaces
    spaces |= {name.replace("front", "wrist"): part for name, part in spaces.items() if "front" in name}
    spaces["wrist_point_cloud"] = gym.spaces.Box(-9, 9, (32, 32, 3), np.float32)
    del spaces["wrist_depth"]
    with pytest.raises(ValueError, match="front_rgb but not front_point_cloud"):
        make(envs, replace(tiny, cameras=("front", "wrist")))


@pytest.mark.parametrize("shape", [(32,), (32, 32), (32, 32, 1), (32, 32, 3, 4)])
def test_pictures_of_another_shape(ball, tiny, shape):
    envs = ball()
    envs.single_observation_space.spaces["front_rgb"] = gym.spaces.Box(0, 255, shape, np.uint8)
    with pytest.raises(ValueError, match=r"pictures of front have shapes \(32,.*: make them all alike"):
        make(envs, tiny)


def test_observations_of_another_camera_or_size(ball, tiny):
    envs = ball()
    agent = make(envs, tiny)
    obs, _ = envs.reset(seed=0)
    policy, start, rngs = agent.frozen_policy(), np.ones(2, bool), [np.random.default_rng(0)] * 2
    renamed = {name.replace("front", "wrist"): part for name, part in obs.items()}
    with pytest.raises(ValueError, match=r"have no front_rgb, front_depth.*they have .*wrist_rgb"):
        policy.act(renamed, None, start, rngs)
    with pytest.raises(ValueError, match=r"has .*wrist_rgb and no front_"):
        Agent.of(agent).predict(renamed)
    obs["front_depth"] = obs["front_depth"][:, ::2]
    with pytest.raises(ValueError, match=r"front_depth has shape \(16, 32\): .*32 x 32 pixels"):
        policy.act(obs, None, start, rngs)


def test_spaces_of_another_kind(ball, tiny):
    envs = ball()
    with pytest.raises(ValueError, match=r"needs a Box of shape \(8,\)"):
        C2FARM(envs.single_observation_space, gym.spaces.Discrete(3), tiny, seed=0)
    with pytest.raises(TypeError, match="needs a Dict with cameras"):
        C2FARM(gym.spaces.Box(0, 1, (3,)), envs.single_action_space, tiny, seed=0)


def test_an_observation_is_read_channel_by_channel_in_the_order_of_names(ball, tiny):
    envs = ball()
    obs, _ = envs.reset(seed=0)
    obs["time"][:] = [[0.5], [-0.5]]
    eye = Eye.of(envs.single_observation_space, replace(tiny, low_dim=("time", "gripper_open")))
    views = eye.read(obs)
    assert (eye.time, eye.num_low_dim, len(views)) == (0, 2, 2)
    assert views.low_dim.tolist() == [[0.5, 1.0], [-0.5, 1.0]]
    assert views.rgb.shape == (2, 1, 3, 32 * 32)
    assert views.rgb[1, 0, :, 33].tolist() == obs["front_rgb"][1, 1, 1].tolist()
    assert views.depth[0, 0, 64] == obs["front_depth"][0, 2, 0]
    kept = sum(getattr(views, name).nbytes for name in FIELDS)
    assert kept == 2 * eye.nbytes == 2 * (3 * 1024 + 4 * (1024 + 25) + 4 * 2)
    obs["front_rgb"][:] = 0
    assert views.rgb.any()  # a copy


def test_depth_is_worked_out_from_points(ball, tiny):
    """A camera that looks down sees a point at as much depth as it lies below."""
    envs = ball()
    obs, _ = envs.reset(seed=0)
    with_depth = Eye.of(envs.single_observation_space, tiny).read(obs)
    rotation, translation = rays_to_world(with_depth)
    rays = rays_of(32, 32).astype(np.float64)
    points = translation[..., None] + rotation @ (rays * with_depth.depth[:, :, None])
    assert points[0, 0, 2].max() == pytest.approx(0.8, abs=1e-5)  # the ball's height
    assert points[0, 0, 2].min() == pytest.approx(0.75, abs=1e-5)  # the table's
    spaces = dict(envs.single_observation_space.spaces)
    del spaces["front_depth"]
    spaces["front_point_cloud"] = gym.spaces.Box(-9, 9, (32, 32, 3), np.float32)
    obs["front_point_cloud"] = points[:, 0].swapaxes(1, 2).reshape(2, 32, 32, 3).astype(np.float32)
    eye = Eye.of(gym.spaces.Dict(spaces), tiny)
    assert eye.from_points
    np.testing.assert_allclose(eye.read(obs).depth, with_depth.depth, atol=1e-5)


def test_rays_go_through_the_middles_of_pixels_row_by_row():
    assert rays_of(2, 3).T.tolist() == [[u + 0.5, v + 0.5, 1] for v in range(2) for u in range(3)]


def test_colours_from_0_to_1_are_refused_and_not_seen_as_black(ball, tiny):
    envs = ball()
    obs, _ = envs.reset(seed=0)
    eye = Eye.of(envs.single_observation_space, tiny)
    with pytest.raises(TypeError, match="front_rgb is of float32: give colours from 0 to 255 as uint8"):
        eye.read(obs | {"front_rgb": (obs["front_rgb"] / 255).astype(np.float32)})
    envs.single_observation_space.spaces["front_rgb"] = gym.spaces.Box(0, 1, (32, 32, 3), np.float32)
    with pytest.raises(TypeError, match="front_rgb is of float32"):
        make(envs, tiny)


@pytest.mark.parametrize("name", ["front_depth", "front_camera_extrinsics", "gripper_open"])
def test_what_is_not_finite_is_refused_from_the_first_observation_on(ball, demos, tiny, name):
    envs = ball()
    obs, _ = envs.reset(seed=0)
    agent = make(envs, tiny)
    obs[name].flat[0] = np.nan
    with pytest.raises(ValueError, match=f"{name} is not finite"):
        agent.eye.read(obs)
    (demo,) = demos(1)
    shown = {part: array[0] for part, array in obs.items()}
    with pytest.raises(ValueError, match=f"{name} is not finite"):
        agent.add_demonstrations([replace(demo, observe=lambda frame, time: shown)])
    assert agent.replays[0].num_frames == 0


def test_actions_scaled_to_1_are_refused_where_the_grids_reach_further(ball, tiny):
    envs, scaled = ball(), gym.spaces.Box(-1, 1, (8,))
    with pytest.raises(ValueError, match="take RescaleAction off the envs, or set bounds"):
        C2FARM(envs.single_observation_space, scaled, tiny, seed=0)
    near = replace(tiny, bounds=(-0.5, -0.5, 0.0, 0.5, 0.5, 1.0))
    C2FARM(envs.single_observation_space, scaled, near, seed=0)
