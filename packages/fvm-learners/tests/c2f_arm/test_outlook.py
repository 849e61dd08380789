"""What an agent's numbers mean nothing without, told by whoever is given another's."""

from dataclasses import replace

import gymnasium as gym
import pytest
import torch
from fvm_learners import Agent, load_agent
from fvm_learners.c2f_arm import C2FARM
from fvm_learners.c2f_arm.outlook import check_outlook, outlook_of, told_by

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


def test_a_saved_agent_of_other_grids(ball, tiny, tmp_path):
    Agent.of(make(ball(), tiny)).save(tmp_path)
    path = tmp_path / "agent.json"
    path.write_text(path.read_text().replace('"rotation_bins": 72', '"rotation_bins": 36'))
    with pytest.raises(ValueError, match=r"made with rotation_bins=72, where this learner has .*=36"):
        load_agent(tmp_path)


def test_an_outlook_is_the_same_after_a_file(tiny, filed):
    own = outlook_of(tiny)
    assert own["bounds"] == [-0.3, -0.5, 0.6, 0.7, 0.5, 1.6]
    check_outlook(filed(own), own, "this checkpoint is")
    with pytest.raises(ValueError, match="made with cameras=none, where this learner has cameras=") as said:
        check_outlook({name: value for name, value in own.items() if name != "cameras"}, own, "this is")
    assert "bounds" not in str(said.value)


def test_what_shapes_tell_by_hand(ball, tiny):
    """Grids of 8 and 8, 8 channels, two numbers to look at, 72 bins an angle."""
    assert told_by(make(ball(), tiny).weights()) == {
        "network": "patch",
        "depths": 2,
        "channels": 8,
        "rotation_bins": 72,
        "numbers in low_dim": 2,
        "latent_size": 0,
        "grid_sizes": [8, 8],
    }
    assert told_by({"value.weight": torch.zeros(1)}) == {}
