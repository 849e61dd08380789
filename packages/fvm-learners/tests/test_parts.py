"""Parts of a network: loaded, frozen and drawn anew alone, by every learner alike."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig, Rainbow, RainbowConfig
from torch import nn

PPO_CONFIG = PPOConfig(num_steps=16, num_epochs=1, num_minibatches=2, mlp_sizes=(8,), lstm_size=8)
RAINBOW_CONFIG = RainbowConfig(
    num_steps=8, learn_start=16, replay_capacity=500, batch_size=8, num_atoms=5, mlp_sizes=(8,), hidden_size=8
)


@pytest.fixture(params=["ppo", "recurrent", "rainbow"])
def new(request, recall):
    def make(seed=0):
        envs = recall(num_envs=4, delay=1)
        spaces = envs.single_observation_space, envs.single_action_space
        if request.param == "rainbow":
            return Rainbow(*spaces, RAINBOW_CONFIG, seed=seed), envs
        config = replace(PPO_CONFIG, recurrent=request.param == "recurrent")
        return PPO(*spaces, config, seed=seed), envs

    return make


def changed(learner, before):
    """Which parts differ from the weights `before`, and that each part is alike throughout."""
    after, parts = learner.weights(), set()
    for part in learner.part_names():
        names = [name for name in after if name.startswith(learner._parts.prefixes([part]))]
        assert names
        if any(not torch.equal(after[name], before[name]) for name in names):
            parts.add(part)
    return parts


def test_the_parts_hold_every_parameter_once(new):
    learner, _ = new()
    expected = {"encoder", "head"} if isinstance(learner, Rainbow) else {"encoder", "policy", "value"}
    assert set(learner.part_names()) - {"core"} == expected
    counts = [
        sum(name.startswith(learner._parts.prefixes([part])) for part in learner.part_names())
        for name in learner.weights()
    ]
    assert set(counts) == {1}


def test_one_part_is_loaded_alone(new):
    (learner, _), (other, _) = new(0), new(1)
    for part in learner.part_names():
        before = learner.weights()
        learner.load_weights(other.weights(), only=(part,))
        assert changed(learner, before) == {part}
    assert changed(learner, other.weights()) == set()
    learner, _ = new(0)
    learner.load_weights(other.weights(), only="encoder")
    assert changed(learner, new(0)[0].weights()) == {"encoder"}


def test_a_frozen_part_stays_until_it_is_unfrozen(new, filed):
    learner, envs = new()
    every = set(learner.part_names())
    before = learner.weights()
    learner.freeze("encoder")
    learner.iteration(envs)
    assert changed(learner, before) == every - {"encoder"}

    state = filed(learner.state_dict())
    resumed, _ = new(1)
    resumed.load_state_dict(state)
    before = resumed.weights()
    resumed.restart()
    resumed.iteration(envs)
    assert changed(resumed, before) == every - {"encoder"}

    resumed.unfreeze()
    before = resumed.weights()
    resumed.iteration(envs)
    assert changed(resumed, before) == every


def test_a_part_is_drawn_anew_with_its_moments_forgotten(new, assert_same, filed):
    learner, envs = new()
    learner.iteration(envs)
    before = learner.weights()
    twin, _ = new(1)
    twin.load_state_dict(filed(learner.state_dict()))
    learner.reset_parts("encoder")
    twin.reset_parts("encoder")
    assert changed(learner, before) == {"encoder"}
    assert_same(learner.state_dict(), twin.state_dict())  # the draw is the learner's own, and resumes
    optimiser = learner.state_dict()["optimiser"]
    stepped = {name for name in learner.weights() if not name.startswith("encoder.")}
    assert optimiser["step"].keys() == optimiser["exp_avg"].keys() == stepped
    if isinstance(learner, Rainbow):
        for name, tensor in learner.target.state_dict().items():
            if name.startswith("encoder."):
                assert torch.equal(tensor, learner.policy.state_dict()[name])


def test_what_is_wrong_is_said(new):
    learner, _ = new()
    with pytest.raises(ValueError, match="no part decoder: choose of encoder, "):
        learner.freeze("decoder")
    with pytest.raises(ValueError, match=r"no part \(none was named\)"):
        learner.load_weights(learner.weights(), only=())
    with pytest.raises(ValueError, match="leaves nothing to train"):
        learner.freeze(*learner.part_names())
    learner.freeze("encoder")
    rest = [part for part in learner.part_names() if part != "encoder"]
    with pytest.raises(ValueError, match="leaves nothing to train"):
        learner.freeze(*rest)


class Normalised(nn.Sequential):
    """Keeps statistics of its batches, and drops features while it trains; the last part never trains."""

    def __init__(self, shape):
        still = nn.BatchNorm1d(8).eval()
        super().__init__(nn.Linear(*shape, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), still)


@pytest.fixture(params=["ppo", "rainbow"])
def normalised(request, recall, monkeypatch):
    module = ModuleType("normalised_encoders")
    module.Normalised = Normalised
    monkeypatch.setitem(sys.modules, "normalised_encoders", module)
    envs = recall(num_envs=4, delay=1)
    spaces, name = (envs.single_observation_space, envs.single_action_space), "normalised_encoders:Normalised"
    if request.param == "rainbow":
        return Rainbow(*spaces, replace(RAINBOW_CONFIG, encoder=name), seed=0), envs
    return PPO(*spaces, replace(PPO_CONFIG, network=name), seed=0), envs


def modes(network):
    return [layer.training for layer in network.encoder]


def test_statistics_of_a_frozen_encoder_stand_still(normalised):
    learner, envs = normalised
    learner.iteration(envs)
    learner.freeze("encoder")
    before = learner.weights()
    learner.iteration(envs)
    assert "encoder" not in changed(learner, before)
    networks = [learner.policy, *([learner.target] if isinstance(learner, Rainbow) else [])]
    assert [modes(network) for network in networks] == [[False] * 4] * len(networks)
    learner.load_state_dict(learner.state_dict())
    assert modes(learner.policy) == [False] * 4
    learner.unfreeze("encoder")
    assert [modes(network) for network in networks] == [[True, True, True, False]] * len(networks)
    learner.load_state_dict(learner.state_dict())
    assert modes(learner.policy) == [True, True, True, False]


def test_a_frozen_policy_is_none_in_training(normalised):
    """It plays as it is: no feature is dropped, and no statistic moves by what it sees."""
    learner, envs = normalised
    learner.iteration(envs)
    policy = learner.frozen_policy()
    before, obs = dict(policy.weights), np.array(envs.reset(seed=0)[0])
    for _ in range(3):
        rngs = [np.random.default_rng(slot) for slot in range(4)]
        policy.act(obs, policy.initial_state(4), np.ones(4, dtype=bool), rngs)
    assert all(torch.equal(tensor, before[name]) for name, tensor in policy.weights.items())
    network = policy.network if isinstance(learner, Rainbow) else policy._policy
    assert not any(module.training for module in network.modules())
