from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import Rainbow, RainbowConfig
from fvm_learners.latent import LatentDistribution

VECTOR = gym.spaces.Box(-1, 1, (2,), np.float32)
CONFIG = RainbowConfig(
    mlp_sizes=(8,),
    hidden_size=8,
    num_atoms=11,
    replay_capacity=500,
    learn_start=20,
    num_steps=40,
    v_max=2,
    v_min=-2,
)


def rngs(*seeds):
    return [np.random.default_rng(seed) for seed in seeds]


def policy_of(seed=0, space=None, **changes):
    return Rainbow(
        VECTOR, space or gym.spaces.Discrete(5), replace(CONFIG, **changes), seed=seed
    ).frozen_policy()


def observed(slots, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (slots, 2)).astype(np.float32)


def test_it_is_greedy_without_noise():
    rainbow = Rainbow(
        VECTOR, gym.spaces.Discrete(5), replace(CONFIG, noisy_sigma=5.0, evaluation_eps=0.0), seed=0
    )
    obs = observed(200)
    greedy = rainbow.policy.q_values(torch.from_numpy(obs)).argmax(dim=1).numpy()
    actions, state = rainbow.frozen_policy().act(obs, None, np.ones(200, bool), rngs(*range(200)))
    assert np.array_equal(actions, greedy)
    assert state is None
    assert len(set(greedy.tolist())) > 1


def test_actions_of_the_env_may_begin_elsewhere():
    space = gym.spaces.Discrete(5, start=-2)
    ours, theirs = policy_of(space=space), policy_of()
    obs, start = observed(50), np.ones(50, bool)
    assert np.array_equal(
        ours.act(obs, None, start, rngs(*range(50)))[0], theirs.act(obs, None, start, rngs(*range(50)))[0] - 2
    )


def test_actions_are_of_the_type_of_their_space():
    """Envs that hold an action against their space refuse the int64 of another whole number."""
    space = gym.spaces.Discrete(3, start=1)
    space.dtype = np.dtype(np.int32)
    config = RainbowConfig(mlp_sizes=(8,), hidden_size=8)
    rainbow = Rainbow(gym.spaces.Box(-1, 1, (2,)), space, config, seed=0)
    action, _ = rainbow.frozen_policy().act(
        np.ones((1, 2)), None, np.ones(1, bool), [np.random.default_rng(0)]
    )
    assert space.contains(action[0])
    assert rainbow.policy.to_env(np.array([0, 2])).tolist() == [1, 3]
    assert space.contains(rainbow.policy.to_env(np.array([2]))[0])


def test_a_fraction_eps_of_actions_is_uniform():
    policy = policy_of(evaluation_eps=0.3)
    obs, generators = np.zeros((4000, 2), np.float32), rngs(*range(4000))
    actions, _ = policy.act(obs, None, np.ones(4000, bool), generators)
    counts = np.sort(np.bincount(actions, minlength=5) / 4000)
    # Four standard deviations of a frequency are at most 4 * sqrt(.25 / 4000) = .032.
    np.testing.assert_allclose(counts, [0.06, 0.06, 0.06, 0.06, 0.76], atol=0.032)


def test_a_slot_depends_on_its_own_rng_and_observations_only():
    policy = policy_of(evaluation_eps=0.5, latent_size=3)
    obs = np.stack([observed(3, seed) for seed in range(20)])

    def play(obs, generators):
        state, start, actions = policy.initial_state(obs.shape[1]), np.ones(obs.shape[1], bool), []
        for t, row in enumerate(obs):
            action, state = policy.act(row, state, start, generators)
            start = np.full(len(start), t % 7 == 6)
            actions.append(action)
        return np.stack(actions), state.numpy()

    actions, state = play(obs, rngs(1, 2, 3))
    other = obs.copy()
    other[:, [0, 2]] *= -1
    for slots, generators, column in ((other, rngs(7, 2, 8), 1), (obs[:, 1:2], rngs(2), 0)):
        again, latent = play(slots, generators)
        assert np.array_equal(again[:, column], actions[:, 1])
        assert np.array_equal(latent[column], state[1])
    assert not np.array_equal(play(obs, rngs(1, 9, 3))[0][:, 1], actions[:, 1])


def test_training_does_not_change_it(recall):
    envs = recall(num_envs=8, delay=0)
    rainbow = Rainbow(envs.single_observation_space, envs.single_action_space, CONFIG, seed=0)
    frozen = rainbow.frozen_policy()
    before, obs = frozen.weights, observed(64)
    actions = frozen.act(obs, None, np.ones(64, bool), rngs(*range(64)))[0]
    rainbow.iteration(envs)
    assert all(torch.equal(before[name], tensor) for name, tensor in frozen.weights.items())
    assert not torch.equal(before["value.weight"], rainbow.weights()["value.weight"])
    assert np.array_equal(frozen.act(obs, None, np.ones(64, bool), rngs(*range(64)))[0], actions)
    with pytest.raises(TypeError):
        frozen.weights["value.weight"] = torch.zeros(1)
    frozen.weights["value.weight"].zero_()
    assert frozen.weights["value.weight"].abs().sum() > 0


# ---- latents


def test_latents_are_drawn_at_an_episodes_start_from_the_slots_row():
    mean, std = torch.tensor([[1.0, 2.0], [10.0, 20.0]]), torch.tensor([[0.0, 0.5], [0.0, 0.0]])
    policy = policy_of(latent_size=2).with_latent(LatentDistribution(mean, std))
    start = np.array([True, True, True, False])
    _, state = policy.act(observed(4), policy.initial_state(4), start, rngs(5, 6, 7, 8))
    assert state[1].tolist() == [10, 20]
    assert state[3].tolist() == [0, 0]
    assert state[:3, 0].tolist() == [1, 10, 1]  # slot 2 has row 0 again
    normal = rngs(5)[0].standard_normal(2)[1]
    assert state[0, 1].item() == pytest.approx(2 + 0.5 * normal, abs=1e-6)
    _, kept = policy.act(observed(4), state, np.zeros(4, bool), rngs(5, 6, 7, 8))
    assert torch.equal(kept, state)


def test_without_a_distribution_latents_come_from_the_prior():
    policy = policy_of(latent_size=2).with_latent(None)
    _, state = policy.act(
        np.zeros((2000, 2), np.float32), policy.initial_state(2000), np.ones(2000, bool), rngs(*range(2000))
    )
    # Four standard errors of the mean are .09, of the standard deviation .064.
    assert state.mean(dim=0).abs().max() < 0.09
    assert (state.std(dim=0) - 1).abs().max() < 0.064


def test_latents_may_be_drawn_at_every_step():
    policy = policy_of(latent_size=2, latent_every_step=True)
    generators, never = rngs(0, 1), np.zeros(2, bool)
    _, first = policy.act(observed(2), policy.initial_state(2), never, generators)
    _, second = policy.with_latent(None).act(observed(2), first, never, generators)
    assert (first != 0).all()
    assert (first != second).all()


def test_latents_matter_and_the_state_given_is_not_written_into():
    policy = policy_of(latent_size=2)
    obs, state, actions = observed(300), policy.initial_state(300), []
    for value in (-50.0, 50.0):
        told = policy.with_latent(LatentDistribution(torch.full((1, 2), value), torch.zeros(1, 2)))
        actions.append(told.act(obs, state, np.ones(300, bool), rngs(*range(300)))[0])
    assert not np.array_equal(*actions)
    assert not state.any()
