"""What C2F-ARM refuses, each in a sentence: another's weights, cameras, demonstrations, spaces."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import Agent, load_agent
from fvm_learners.c2f_arm import C2FARM, Demonstration

OTHERS = {
    "depths": {"grid_sizes": (8, 8, 8), "half_sides": (0.15, 0.04)},
    "sizes": {"grid_sizes": (16, 8)},
    "half sides": {"half_sides": (0.2,)},
    "bounds": {"bounds": (-0.3, -0.5, 0.6, 0.8, 0.5, 1.6)},
    "rotation": {"rotation_bins": 36},
    "low-dim": {"low_dim": ("gripper_open",)},
    "order of low-dim": {"low_dim": ("time", "gripper_open")},
    "no low-dim": {"low_dim": ()},
    "channels": {"channels": 16},
    "network": {"network": "upstream"},
    "padding": {"padding": "replicate"},
    "latent": {"latent_size": 3, "cached_targets": False},
}
TOLD_BY_WEIGHTS = {"depths", "sizes", "rotation", "low-dim", "no low-dim", "channels", "network", "latent"}


def make(envs, config, **options):
    return C2FARM(
        envs.single_observation_space, envs.single_action_space, config, seed=0, episode_length=3, **options
    )


class Wrist:
    """Envs as `ball` makes them, whose camera is called wrist."""

    def __init__(self, envs):
        renamed = {name.replace("front", "wrist"): box for name, box in envs.single_observation_space.items()}
        self.single_observation_space = gym.spaces.Dict(renamed)
        self.single_action_space = envs.single_action_space


@pytest.mark.parametrize("other", OTHERS)
def test_a_checkpoint_of_other_grids_says_in_what_they_differ(ball, tiny, other):
    agent, learner = make(ball(), tiny), make(ball(), replace(tiny, **OTHERS[other]))
    before = learner.weights()
    (name,) = [name for name in OTHERS[other] if name != "cached_targets"][:1]
    theirs, own = (repr(getattr(one.config, name)) for one in (agent, learner))
    with pytest.raises(ValueError, match="this checkpoint is of another agent") as said:
        learner.load_state_dict(agent.state_dict())
    assert f"made with {name}={theirs}" in str(said.value)
    assert f"this learner has {name}={own}" in str(said.value)
    assert "\n" not in str(said.value)
    with pytest.raises(ValueError, match="this policy is of another agent"):
        learner.check_policy(agent.frozen_policy())
    assert all(torch.equal(value, learner.weights()[name]) for name, value in before.items())


@pytest.mark.parametrize("other", sorted(TOLD_BY_WEIGHTS))
def test_weights_say_what_agent_they_are_of_as_far_as_shapes_tell(ball, tiny, other):
    agent, learner = make(ball(), tiny), make(ball(), replace(tiny, **OTHERS[other]))
    with pytest.raises(ValueError, match="these weights are of another agent, made with") as said:
        learner.load_weights(agent.weights())
    assert "use the config and the observations that it was made with" in str(said.value)
    with pytest.raises(ValueError, match="these weights are of other networks"):
        learner.load_weights({"policy.weight": torch.zeros(3)})


def test_a_checkpoint_of_another_camera(ball, tiny):
    agent = make(ball(), tiny)
    learner = make(Wrist(ball()), replace(tiny, cameras=("wrist",)))
    learner.load_weights(agent.weights())  # they fit, and do not say by which camera they see
    with pytest.raises(ValueError, match=r"made with cameras=\('front',\), where .* cameras=\('wrist',\)"):
        learner.load_state_dict(agent.state_dict())
    with pytest.raises(ValueError, match=r"this policy is .*cameras=\('front',\)"):
        learner.check_policy(agent.frozen_policy())


def test_a_checkpoint_of_other_tasks_or_of_another_learner(ball, tiny):
    with pytest.raises(ValueError, match="of 2 tasks, this learner has 1"):
        make(ball(), tiny).load_state_dict(make(ball(), tiny, num_tasks=2).state_dict())
    with pytest.raises(ValueError, match="holds weights, optimiser and no outlook"):
        make(ball(), tiny).load_state_dict({"weights": {}, "optimiser": {}})


def test_a_saved_agent_of_other_grids(ball, tiny, tmp_path):
    Agent.of(make(ball(), tiny)).save(tmp_path)
    path = tmp_path / "agent.json"
    path.write_text(path.read_text().replace('"rotation_bins": 72', '"rotation_bins": 36'))
    with pytest.raises(ValueError, match=r"made with rotation_bins=72, where this learner has .*=36"):
        load_agent(tmp_path)


def test_a_camera_that_is_not_there(ball, tiny):
    with pytest.raises(ValueError, match="there is no camera 'wrist': the observations have front"):
        make(ball(), replace(tiny, cameras=("front", "wrist")))


def test_a_camera_without_depth(ball, tiny):
    envs = ball()
    del envs.single_observation_space.spaces["front_depth"]
    with pytest.raises(ValueError, match="front_rgb but not front_point_cloud"):
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


def test_demonstrations_of_another_camera_or_kind(ball, demos, tiny):
    learner = make(Wrist(ball()), replace(tiny, cameras=("wrist",)))
    with pytest.raises(ValueError, match="these observations have no wrist_rgb"):
        learner.add_demonstrations(demos(1))
    with pytest.raises(TypeError, match=r"is a dict: give Demonstration\.of\(demo\)"):
        learner.add_demonstrations([{"frames": []}])
    with pytest.raises(TypeError, match="a dict is no recorded demonstration: it has no frames, keyframes"):
        Demonstration.of({})


def test_demonstrations_of_a_task_that_is_not_there(ball, demos, tiny):
    with pytest.raises(ValueError, match="there is no task 2: this learner has tasks 0 to 1"):
        make(ball(), tiny, num_tasks=2).add_demonstrations(demos(1), task=2)


def test_spaces_of_another_kind(ball, tiny):
    envs = ball()
    with pytest.raises(ValueError, match=r"needs a Box of shape \(8,\)"):
        C2FARM(envs.single_observation_space, gym.spaces.Discrete(3), tiny, seed=0)
    with pytest.raises(TypeError, match="needs a Dict with cameras"):
        C2FARM(gym.spaces.Box(0, 1, (3,)), envs.single_action_space, tiny, seed=0)


def test_a_replay_that_is_too_small(ball, tiny):
    envs = ball()
    agent = make(envs, replace(tiny, replay_capacity=8))
    with pytest.raises(ValueError, match="raise replay_capacity so that each task has"):
        agent.collect(envs, 1)
