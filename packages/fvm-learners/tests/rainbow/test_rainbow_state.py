"""Seeds, saved states, weights, and what is refused."""

import copy
import json

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import Rainbow

# ---- seeds and state


def test_same_seed_same_bits_and_no_global_rng(catch, assert_same, make):
    states = []
    for seed, global_seed in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)  # noqa: NPY002
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        envs = catch(num_envs=4)
        rainbow = make(envs, seed=seed)
        list(rainbow.learn(envs, 80))
        states.append(rainbow.state_dict())
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert_same(states[0], states[1])
    assert not torch.equal(states[0]["weights"]["value.weight"], states[2]["weights"]["value.weight"])


KINDS = [
    pytest.param({}, {}, id="plain"),
    pytest.param({"frames": 3, "balls": 2, "tasks": 2, "time_limit": 8}, {"frame_stack": 3}, id="tasks"),
    pytest.param({"balls": 2}, {"shifted_transitions": True}, id="shifted"),
    pytest.param({"balls": 3}, {"replay_capacity": 64}, id="full"),
]


@pytest.mark.parametrize(("env", "config"), KINDS)
def test_resume_equals_uninterrupted(catch, assert_same, filed, env, config, make):
    envs = catch(num_envs=4, **env)
    tasks = env.get("tasks", 1)
    rainbow = make(envs, num_tasks=tasks, **config)
    rainbow.freeze("encoder")
    for _ in range(4):
        rainbow.iteration(envs, 28)  # mid-episode
    saved = filed((rainbow.state_dict(), envs.state_dict()))
    expected = [rainbow.iteration(envs) for _ in range(3)]
    assert rainbow.updates > 40

    envs2 = catch(num_envs=4, **env)
    resumed = make(envs2, seed=99, num_tasks=tasks, **config)
    resumed.load_state_dict(saved[0])
    envs2.load_state_dict(saved[1])
    assert_same(resumed.state_dict(), saved[0])
    assert [resumed.iteration(envs2) for _ in range(3)] == expected
    assert_same(resumed.state_dict(), rainbow.state_dict())
    assert envs2.num_resets == 0


def test_a_target_copy_that_is_due_is_still_due_after_a_resume(catch, make, filed):
    """A caller that copies itself may be stopped between an update and the copy."""
    envs = catch(num_envs=4)
    rainbow = make(envs, target_period_updates=2)
    rainbow.collect(envs, 20)
    for _ in range(2):
        rainbow.update(copy_target=False)
    resumed = make(envs, target_period_updates=2)
    resumed.load_state_dict(filed(rainbow.state_dict()))
    assert resumed.target_due
    old = {name: part for name, part in rainbow.state_dict().items() if name != "target_due"}
    resumed.load_state_dict(old)  # as written before it was kept
    assert not resumed.target_due


def test_the_state_is_contiguous_tensors_and_json_and_a_copy(catch, flat, assert_same, make):
    envs = catch(num_envs=4)
    rainbow = make(envs)
    for _ in range(2):
        state = rainbow.state_dict()
        leaves = flat(state)
        values = {path: leaf for path, leaf in leaves.items() if not isinstance(leaf, torch.Tensor)}
        assert json.loads(json.dumps(values)) == values
        assert all(leaf.is_contiguous() for leaf in leaves.values() if isinstance(leaf, torch.Tensor))
        before = copy.deepcopy(state)
        rainbow.iteration(envs)
        assert_same(state, before)


# ---- weights


def test_weights_go_from_one_learner_to_another(catch, assert_same, make):
    envs = catch(num_envs=4)
    rainbow, fresh = make(envs), make(envs, seed=1)
    list(rainbow.learn(envs, 80))
    kept = copy.deepcopy(fresh.target.state_dict())
    fresh.load_weights(rainbow.weights(), keep_target=True)
    assert_same(fresh.weights(), rainbow.weights())
    assert_same(dict(fresh.target.state_dict()), dict(kept))
    fresh.load_weights(rainbow.weights())
    assert_same(dict(fresh.target.state_dict()), rainbow.weights())
    assert fresh.updates == 0


def test_the_encoder_alone_may_be_loaded_and_frozen(catch, make):
    envs = catch(num_envs=4)
    rainbow, fresh = make(envs), make(envs, seed=1, hidden_size=16)
    before = fresh.weights()
    fresh.load_weights(rainbow.weights(), only="encoder")
    for name, tensor in fresh.weights().items():
        assert torch.equal(tensor, (rainbow.weights() if name.startswith("encoder.") else before)[name])
    fresh.freeze("encoder")
    list(fresh.learn(envs, 80))
    for name, tensor in fresh.weights().items():
        trained = not torch.equal(
            tensor, (rainbow.weights() if name.startswith("encoder.") else before)[name]
        )
        assert trained != name.startswith("encoder.")


def test_sigmas_can_be_put_back(catch, make):
    envs = catch(num_envs=4)
    rainbow = make(envs)
    start = rainbow.weights()
    list(rainbow.learn(envs, 80))
    trained = rainbow.weights()
    rainbow.reset_sigmas()
    for name, tensor in rainbow.weights().items():
        assert torch.equal(tensor, (start if name.endswith("_sigma") else trained)[name])
        assert name.endswith("_sigma") == torch.equal(tensor, start[name])


def test_a_reset_optimiser_takes_the_steps_of_a_fresh_one(catch, assert_same, make):
    envs = catch(num_envs=4)
    rainbow = make(envs)
    list(rainbow.learn(envs, 80))
    state = rainbow.state_dict()
    rainbow.reset_optimiser()
    assert_same(rainbow.state_dict(), state | {"optimiser": {"step": {}, "exp_avg": {}, "exp_avg_sq": {}}})
    rainbow.update()
    assert set(rainbow.state_dict()["optimiser"]["step"].values()) == {1}


def test_errors_say_what_to_do(catch, recall, monkeypatch, make):
    envs = catch(num_envs=4)
    rainbow = make(envs)
    with pytest.raises(ValueError, match="max_env_steps=3 is less than one step of 4 envs: use fewer envs"):
        rainbow.iteration(envs, 3)
    rainbow.collect(envs, 1)
    with pytest.raises(ValueError, match=r"the last step had 4 envs, these are 5: call restart\(\) first"):
        rainbow.collect(catch(num_envs=5), 1)
    with pytest.raises(ValueError, match=r"another network, they differ in advantage\.bias.*"):
        make(envs, num_atoms=5).load_weights(rainbow.weights())
    with pytest.raises(ValueError, match="no part nothing: choose of encoder, head"):
        rainbow.load_weights({}, only="nothing")
    space = envs.single_observation_space
    other = Rainbow(space, gym.spaces.Discrete(18), rainbow.config, seed=0)
    with pytest.raises(
        ValueError, match="for 18 actions and these envs have 3: make the envs with the action"
    ):
        rainbow.load_weights(other.weights())
    with pytest.raises(
        ValueError, match=r"frame_stack=4 does not divide the last axis of observations \(6, 5, 1\)"
    ):
        make(envs, frame_stack=4)
    with pytest.raises(ValueError, match="300 rows a task is too small for 100 envs"):
        make(envs).collect(catch(num_envs=100), 1)

    def allocated(*args, **kwargs):
        raise AssertionError("memory was asked for")

    monkeypatch.setattr("fvm_learners.replay.Replay", allocated)
    with pytest.raises(
        ValueError, match=r"the replay needs 6\d\d\d\.\d GB and this machine has .* lower replay_c"
    ):
        make(envs, replay_capacity=10**11)
