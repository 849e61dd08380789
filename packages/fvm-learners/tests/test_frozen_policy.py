import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig

VECTOR = gym.spaces.Box(-1, 1, (2,), np.float32)


def rngs(*seeds):
    return [np.random.default_rng(seed) for seed in seeds]


def play(policy, obs, generators):
    """Actions [T, B] over the sequence `obs` [T, B, ...]."""
    state, start, actions = policy.initial_state(obs.shape[1]), np.ones(obs.shape[1], dtype=bool), []
    for row in obs:
        action, state = policy.act(row, state, start, generators)
        start = np.zeros_like(start)
        actions.append(action)
    return np.stack(actions)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("action_space", [gym.spaces.Discrete(5), gym.spaces.Box(-1, 1, (3,), np.float32)])
def test_a_slot_depends_on_its_own_rng_and_observations_only(action_space, recurrent):
    policy = PPO(VECTOR, action_space, PPOConfig(recurrent=recurrent), seed=0).frozen_policy()
    obs = np.random.default_rng(0).uniform(-1, 1, (20, 3, 2)).astype(np.float32)
    actions = play(policy, obs, rngs(1, 2, 3))
    other = obs.copy()
    other[:, [0, 2]] *= -1
    np.testing.assert_allclose(play(policy, other, rngs(7, 2, 8))[:, 1], actions[:, 1], rtol=1e-5)
    np.testing.assert_allclose(play(policy, obs[:, 1:2], rngs(2))[:, 0], actions[:, 1], rtol=1e-5)
    np.testing.assert_allclose(play(policy, obs[:, ::-1], rngs(3, 2, 1))[:, ::-1], actions, rtol=1e-5)
    assert not np.array_equal(play(policy, obs, rngs(1, 9, 3))[:, 1], actions[:, 1])


def test_training_does_not_change_it(recall):
    envs = recall(num_envs=8, delay=0)
    ppo = PPO(envs.single_observation_space, envs.single_action_space, PPOConfig(num_steps=8), seed=0)
    frozen = ppo.frozen_policy()
    before = frozen.weights
    ppo.iteration(envs)
    assert all(torch.equal(before[name], tensor) for name, tensor in frozen.weights.items())
    assert not any(torch.equal(before[name], tensor) for name, tensor in ppo.weights().items())


def test_its_weights_cannot_be_written(recall):
    frozen = PPO(VECTOR, gym.spaces.Discrete(2), PPOConfig(), seed=0).frozen_policy()
    with pytest.raises(TypeError):
        frozen.weights["value.weight"] = torch.zeros(1)
    frozen.weights["value.weight"].zero_()
    assert frozen.weights["value.weight"].abs().sum() > 0


def test_each_act_draws_once_from_each_rng():
    policy = PPO(VECTOR, gym.spaces.Discrete(2), PPOConfig(), seed=0).frozen_policy()
    ours, theirs = rngs(5), rngs(5)
    policy.act(np.zeros((1, 2), dtype=np.float32), None, np.ones(1, dtype=bool), ours)
    theirs[0].random()
    assert ours[0].bit_generator.state == theirs[0].bit_generator.state


def test_samples_follow_the_policys_probabilities():
    ppo = PPO(VECTOR, gym.spaces.Discrete(3), PPOConfig(), seed=0)
    with torch.no_grad():
        ppo.policy.head.dense.bias.copy_(torch.tensor([0.5, 0.3, 0.2]).log())
        ppo.policy.head.dense.weight.zero_()
    rows = 20_000
    generators = [np.random.default_rng(seed) for seed in np.random.SeedSequence(0).spawn(rows)]
    actions, _ = ppo.frozen_policy().act(
        np.zeros((rows, 2), dtype=np.float32), None, np.ones(rows, bool), generators
    )
    # Four standard deviations of a frequency are at most 4 * sqrt(.25 / rows) = .014.
    np.testing.assert_allclose(np.bincount(actions, minlength=3) / rows, [0.5, 0.3, 0.2], atol=0.014)
