import copy
import json

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig
from fvm_learners.hooks import Term
from fvm_learners.networks.heads import Categorical
from fvm_learners.ppo import ppo_loss
from fvm_learners.ppo.minibatches import Batch
from gymnasium.vector import AutoresetMode


def make(envs, seed=0, hooks=(), **config):
    config = {"num_steps": 16, "num_minibatches": 4, "lstm_size": 8, "mlp_sizes": (8,)} | config
    return PPO(
        envs.single_observation_space,
        envs.single_action_space,
        PPOConfig(**config),
        seed=seed,
        hooks=hooks,
    )


# ---- the loss


def policy_giving(probabilities, values):
    def policy(obs, state, episode_start):
        return Categorical(torch.tensor(probabilities).log()), torch.tensor(values), state

    return policy


def batch_of(
    action, old_probability, advantage, old_value=(0.0, 0.0), return_=(0.0, 0.0), valid=(True, True)
):
    return Batch(
        obs=torch.zeros(2, 1),
        action=torch.tensor(action),
        log_prob=torch.tensor(old_probability).log(),
        value=torch.tensor(old_value),
        advantage=torch.tensor(advantage),
        return_=torch.tensor(return_),
        valid=torch.tensor(valid),
        weight=torch.tensor(1.0),
    )


def test_policy_loss_by_hand():
    # Ratios .6/.4 = 1.5 and .5/.5 = 1. Positive advantage: clipped to 1.2 * 2; second sample 1 * -1.
    policy = policy_giving([[0.6, 0.4], [0.5, 0.5]], [0.0, 0.0])
    _, metrics = ppo_loss(batch_of([0, 0], [0.4, 0.5], [2.0, -1.0]), policy, PPOConfig(clip_ratio=0.2))
    assert metrics["policy_loss"].item() == pytest.approx(-(2.4 - 1) / 2)
    assert metrics["clip_frac"].item() == 0.5
    assert metrics["kl"].item() == pytest.approx((1.5 - 1 - np.log(1.5)) / 2)
    # Negative advantage: the unclipped 1.5 * -2 is the smaller one and stays.
    _, metrics = ppo_loss(batch_of([0, 0], [0.4, 0.5], [-2.0, -1.0]), policy, PPOConfig(clip_ratio=0.2))
    assert metrics["policy_loss"].item() == pytest.approx((3 + 1) / 2)


def test_value_clipping_by_hand():
    # First: value 1, was 0, return 2: clipped to .2, (.2 - 2)^2 = 3.24 > (1 - 2)^2 = 1: the larger counts.
    # Second: value 1, was 0, return .1: (1 - .1)^2 = .81 > (.2 - .1)^2 = .01.
    policy = policy_giving([[0.5, 0.5], [0.5, 0.5]], [1.0, 1.0])
    batch = batch_of([0, 0], [0.5, 0.5], [0.0, 0.0], return_=(2.0, 0.1))
    _, clipped = ppo_loss(batch, policy, PPOConfig(clip_value=0.2))
    assert clipped["value_loss"].item() == pytest.approx((3.24 + 0.81) / 4)
    _, free = ppo_loss(batch, policy, PPOConfig(clip_value=None))
    assert free["value_loss"].item() == pytest.approx((1 + 0.81) / 4)


def test_the_parts_add_up_and_invalid_samples_do_not_count():
    policy = policy_giving([[0.5, 0.5], [0.9, 0.1]], [1.0, 50.0])
    batch = batch_of([0, 1], [0.5, 0.01], [3.0, 100.0], return_=(0.0, -70.0), valid=(True, False))
    config = PPOConfig(value_coef=0.5, entropy_coef=0.1, clip_value=None)
    loss, metrics = ppo_loss(batch, policy, config)
    assert metrics["entropy"].item() == pytest.approx(np.log(2))
    assert loss.item() == pytest.approx(-3 + 0.5 * 0.5 - 0.1 * np.log(2))


@pytest.mark.parametrize("recurrent", [False, True])
def test_chunks_give_the_minibatchs_gradient(recall, recurrent):
    weights = []
    for chunk_size in (None, 5):
        envs = recall(num_envs=4, delay=2)
        ppo = make(envs, recurrent=recurrent, num_minibatches=1, num_epochs=1)
        ppo._chunk_size = chunk_size
        iteration = ppo.iteration(envs)
        weights.append((ppo.weights(), iteration.metrics))
    for name, tensor in weights[0][0].items():
        torch.testing.assert_close(tensor, weights[1][0][name], rtol=1e-4, atol=1e-5)
    assert weights[0][1] == pytest.approx(weights[1][1], rel=1e-3, abs=1e-6)


# ---- iterations


@pytest.mark.parametrize("recurrent", [False, True])
def test_same_seed_same_bits_and_no_global_rng(recall, recurrent, assert_same):
    states = []
    for seed, global_seed in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)  # noqa: NPY002
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        envs = recall(num_envs=4, delay=2)
        ppo = make(envs, seed=seed, recurrent=recurrent)
        for _ in range(3):
            ppo.iteration(envs)
        states.append(ppo.state_dict())
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert_same(states[0], states[1])
    assert not torch.equal(states[0]["weights"]["value.weight"], states[2]["weights"]["value.weight"])


@pytest.mark.parametrize("anneal_env_steps", [None, 500])
@pytest.mark.parametrize("recurrent", [False, True])
def test_resume_equals_uninterrupted(recall, recurrent, anneal_env_steps, assert_same, filed):
    config = {"recurrent": recurrent, "anneal_env_steps": anneal_env_steps, "num_steps": 7}  # mid-episode
    envs = recall(num_envs=4, delay=2)
    ppo = make(envs, **config)
    for _ in range(3):
        ppo.iteration(envs)
    saved = filed((ppo.state_dict(), envs.state_dict()))
    expected = [ppo.iteration(envs) for _ in range(3)]

    envs2 = recall(num_envs=4, delay=2)
    resumed = make(envs2, seed=99, **config)
    resumed.load_state_dict(saved[0])
    envs2.load_state_dict(saved[1])
    assert_same(resumed.state_dict(), saved[0])
    assert [resumed.iteration(envs2) for _ in range(3)] == expected
    assert_same(resumed.state_dict(), ppo.state_dict())
    assert envs2.num_resets == 0


def test_resume_of_a_convolutional_network_is_bit_exact(images, flat, assert_same, filed):
    class Noise(gym.vector.VectorEnv):
        metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012
        num_envs, single_observation_space, single_action_space = 2, images, gym.spaces.Discrete(3)

        def _obs(self):
            return np.random.default_rng(self.t).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)

        def reset(self, *, seed=None, options=None):
            self.t = 0
            return self._obs(), {}

        def step(self, actions):
            self.t += 1
            end = np.full(2, self.t % 5 == 0)
            return self._obs(), actions.astype(float), end, ~end & False, {}

    config = {"network": "nature-small", "num_steps": 8, "num_minibatches": 2, "num_epochs": 2}
    envs = Noise()
    ppo = make(envs, **config)
    ppo.iteration(envs)
    saved, t = filed(ppo.state_dict()), envs.t
    ppo.iteration(envs)
    for leaf in flat(saved).values():
        assert not isinstance(leaf, torch.Tensor) or leaf.is_contiguous()
    resumed, envs2 = make(envs, seed=5, **config), Noise()
    resumed.load_state_dict(saved)
    envs2.t = t
    resumed.iteration(envs2)
    assert_same(resumed.state_dict(), ppo.state_dict())
    assert resumed.policy.encoder.conv0.weight.is_contiguous(memory_format=torch.channels_last)


def test_the_state_is_tensors_and_json(recall, flat):
    envs = recall(num_envs=4, delay=2)
    ppo = make(envs, recurrent=True)
    for state in (ppo.state_dict(), ppo.iteration(envs) and ppo.state_dict()):
        leaves = flat(state)
        values = {path: leaf for path, leaf in leaves.items() if not isinstance(leaf, torch.Tensor)}
        assert json.loads(json.dumps(values)) == values
        assert len(values) < len(leaves)


def test_a_state_is_a_copy(recall, assert_same):
    envs = recall(num_envs=4, delay=2)
    ppo = make(envs, recurrent=True)
    ppo.iteration(envs)
    state = ppo.state_dict()
    before = copy.deepcopy(state)
    ppo.iteration(envs)
    assert_same(state, before)


def test_rollouts_are_shortened_to_the_steps_left(recall):
    envs = recall(num_envs=4, delay=1)
    ppo = make(envs, num_steps=16)
    iterations = list(ppo.learn(envs, 150))
    assert [i.env_steps for i in iterations] == [64, 64, 20]
    assert [i.updates for i in iterations] == [12, 12, 3]
    assert (ppo.env_step, ppo.updates) == (148, 27)
    assert ppo.iteration(envs, max_env_steps=4).env_steps == 4
    assert all(np.isfinite(list(i.metrics.values())).all() for i in iterations)
    with pytest.raises(ValueError, match="max_env_steps=3 is less than one step of 4 envs: use fewer envs"):
        ppo.iteration(envs, max_env_steps=3)


@pytest.mark.parametrize("recurrent", [False, True])
def test_one_sample_is_not_a_nan(recall, recurrent):
    envs = recall(num_envs=1, delay=1)
    ppo = make(envs, recurrent=recurrent, num_minibatches=1)
    assert np.isfinite(list(ppo.iteration(envs, max_env_steps=1).metrics.values())).all()
    assert all(tensor.isfinite().all() for tensor in ppo.weights().values())


def test_a_rollout_of_reset_rows_alone_updates_nothing(scripted):
    envs = scripted(AutoresetMode.NEXT_STEP, lengths=(1,))
    ppo = make(envs, num_steps=1)
    ppo.iteration(envs)
    weights = ppo.weights()
    assert ppo.iteration(envs).updates == 0
    assert all(torch.equal(tensor, weights[name]) for name, tensor in ppo.weights().items())


def test_restart_resets_the_envs_and_keeps_the_reward_scale_or_not(recall):
    for keep in (True, False):
        envs = recall(num_envs=4, delay=1)
        ppo = make(envs, keep_reward_scale=keep)
        ppo.iteration(envs)
        ppo.iteration(envs)
        assert envs.num_resets == 1
        count = ppo.reward_scale.count
        ppo.restart()
        assert (ppo.reward_scale.count == count) == keep
        more = recall(num_envs=8, delay=1)
        ppo.iteration(more)
        assert more.num_resets == 1


def test_another_number_of_envs_needs_a_restart(recall):
    ppo = make(recall(num_envs=4, delay=1))
    ppo.iteration(recall(num_envs=4, delay=1))
    with pytest.raises(ValueError, match=r"the last rollout had 4 envs, these are 8: call restart\(\) first"):
        ppo.iteration(recall(num_envs=8, delay=1))


def test_recurrent_minibatches_need_as_many_envs(recall):
    envs = recall(num_envs=2, delay=1)
    with pytest.raises(
        ValueError, match="num_minibatches=4 of whole sequences need as many envs, there are 2"
    ):
        make(envs, recurrent=True).iteration(envs)


def test_weights_go_from_one_learner_to_another(recall, assert_same):
    envs = recall(num_envs=4, delay=1)
    ppo, fresh = make(envs), make(envs, seed=1)
    ppo.iteration(envs)
    fresh.load_weights(ppo.weights())
    assert_same(fresh.weights(), ppo.weights())
    assert fresh.updates == 0
    with pytest.raises(
        ValueError, match=r"differ in lstm.*: use the config and spaces they were trained with"
    ):
        make(envs, recurrent=True).load_weights(ppo.weights())
    with pytest.raises(ValueError, match="normalise_reward=False, the state's had True"):
        make(envs, normalise_reward=False).load_state_dict(ppo.state_dict())


@pytest.mark.parametrize("shape", ["scalar", "per sample"])
def test_a_term_is_added(recall, shape):
    """A large penalty on the value's distance from 3 moves the value there."""

    def towards_three(policy, batch):
        _, value, _ = policy(batch.obs, batch.initial_state, batch.episode_start)
        distance = 100 * (value - 3) ** 2
        return distance if shape == "per sample" else distance.mean()

    envs = recall(num_envs=4, delay=1)
    ppo = make(envs, hooks=[Term("three", towards_three)], learning_rate=1e-2)
    iterations = list(ppo.learn(envs, 64 * 30))
    assert iterations[-1].metrics["three/loss"] < iterations[0].metrics["three/loss"] / 20
    value = ppo.policy(torch.tensor([[1.0, 0.0]]))[1].item()
    assert value == pytest.approx(3, abs=0.5)


def test_continuous_actions():
    envs = gym.make_vec("Pendulum-v1", num_envs=4, vectorization_mode="sync")
    ppo = make(envs)
    before = ppo.weights()
    assert np.isfinite(list(ppo.iteration(envs).metrics.values())).all()
    assert not torch.equal(ppo.weights()["head.log_std"], before["head.log_std"])


def test_a_reset_optimiser_takes_the_steps_of_a_fresh_one(recall, assert_same, filed):
    """Weights, rng and envs go on; only Adam's moments and their count start again."""
    envs = recall(num_envs=4, delay=1)
    ppo = make(envs)
    ppo.iteration(envs)
    saved, state = filed(envs.state_dict()), filed(ppo.state_dict())
    where = {entry["exp_avg"].data_ptr() for entry in ppo.optimiser.state.values()}
    ppo.reset_optimiser()
    assert {entry["exp_avg"].data_ptr() for entry in ppo.optimiser.state.values()} == where  # in place
    assert_same(ppo.state_dict(), state | {"optimiser": {"step": {}, "exp_avg": {}, "exp_avg_sq": {}}})
    ppo.iteration(envs)
    assert set(ppo.state_dict()["optimiser"]["step"].values()) == {12}

    envs.load_state_dict(saved)
    fresh = make(envs, seed=1)
    fresh.load_state_dict(state)
    fresh.optimiser = torch.optim.Adam(fresh.policy.parameters(), eps=fresh.config.adam_eps)
    fresh.iteration(envs)
    assert_same(fresh.state_dict(), ppo.state_dict())
