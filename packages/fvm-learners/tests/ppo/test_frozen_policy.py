import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig
from fvm_learners.memory import Memory

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


# ---- memory

TOLD = gym.spaces.Dict({"obs": VECTOR, "feedback": gym.spaces.Box(-np.inf, np.inf, (3,), np.float32)})


@pytest.fixture
def remembering():
    """A recurrent policy, and a memory of two episodes."""
    config = PPOConfig(recurrent=True, lstm_size=4, mlp_sizes=(8,))
    policy = PPO(TOLD, gym.spaces.Discrete(5), config, seed=0).frozen_policy()
    rng = torch.Generator().manual_seed(0)
    return policy, Memory(torch.rand(2, 2, 4, generator=rng), torch.rand(2, 3, generator=rng))


def observed(slots, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "obs": rng.uniform(-1, 1, (slots, 2)).astype(np.float32),
        "feedback": rng.uniform(-1, 1, (slots, 3)).astype(np.float32),
    }


def test_an_episode_begins_with_the_memory_of_its_slot_modulo_their_number(remembering):
    policy, memory = remembering
    obs, rows, never = observed(5), [0, 1, 0, 1, 0], np.zeros(5, bool)
    seeds = range(5)
    actions, state = policy.remembering(memory).act(obs, policy.initial_state(5), ~never, rngs(*seeds))
    told = obs | {"feedback": memory.feedback[rows].numpy()}
    expected, goes_on = policy.act(told, memory.state[rows], never, rngs(*seeds))
    assert actions.tolist() == expected.tolist()
    assert torch.equal(state, goes_on)


def test_memory_counts_at_an_episodes_start_only(remembering):
    """Slots 0 and 2 are under way: their state and feedback stay as they are."""
    policy, memory = remembering
    obs, start = observed(4), np.array([False, True, False, True])
    under_way = torch.rand(4, 2, 4)
    _, state = policy.remembering(memory).act(obs, under_way, start, rngs(*range(4)))
    _, plain = policy.act(obs, under_way, start, rngs(*range(4)))
    assert torch.equal(state[[0, 2]], plain[[0, 2]])
    assert not torch.isclose(state[[1, 3]], plain[[1, 3]]).all()
    told = obs["feedback"].copy()
    policy.remembering(memory).act(obs, under_way, start, rngs(*range(4)))
    assert np.array_equal(obs["feedback"], told)  # the caller's array is not written into


def test_a_second_episode_begins_with_the_memory_again(remembering):
    policy, memory = remembering
    alive = policy.remembering(memory)
    first, state = observed(2), alive.initial_state(2)
    _, after_one = alive.act(first, state, np.ones(2, bool), rngs(0, 1))
    _, state = alive.act(observed(2, seed=1), after_one, np.zeros(2, bool), rngs(0, 1))
    assert torch.equal(alive.act(first, state, np.ones(2, bool), rngs(0, 1))[1], after_one)


def test_no_memory_and_an_empty_one_are_the_same_and_can_be_put_back(remembering):
    policy, memory = remembering
    empty = Memory(torch.zeros(2, 2, 4), torch.zeros(2, 3))
    obs = observed(3)
    obs["feedback"][:] = 0  # as at a lifetime's start
    results = [
        some.act(obs, torch.rand(3, 2, 4), np.ones(3, bool), rngs(0, 1, 2))
        for some in (policy, policy.remembering(empty), policy.remembering(memory).remembering(None))
    ]
    for actions, state in results[1:]:
        assert actions.tolist() == results[0][0].tolist()
        assert torch.equal(state, results[0][1])


def test_rows_of_a_memory_are_replaced_by_another():
    ours = Memory(torch.zeros(3, 2, 4), torch.zeros(3, 2))
    theirs = Memory(torch.ones(3, 2, 4), torch.ones(3, 2))
    mixed = ours.replaced(torch.tensor([False, True, False]), theirs)
    assert mixed.feedback.tolist() == [[0, 0], [1, 1], [0, 0]]
    assert mixed.state.sum(dim=(1, 2)).tolist() == [0, 8, 0]
    assert not ours.state.any()
