import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import PPOConfig
from fvm_learners.ppo.actor_critic import ActorCritic
from fvm_learners.ppo.minibatches import masked_mean, minibatches, normalised
from fvm_learners.ppo.rollout import Rollout

CPU = torch.device("cpu")
STEPS, ENVS = 6, 4


def make_rollout(config, num_steps=STEPS, valid=None):
    space = gym.spaces.Box(-1, 1, (1,), np.float32)
    policy = ActorCritic(
        space,
        gym.spaces.Discrete(2),
        network="mlp",
        mlp_sizes=(4,),
        lstm_size=3 if config.recurrent else None,
        rng=torch.Generator(),
    )
    rollout = Rollout.allocate(policy, num_steps, ENVS, CPU)
    for name in ("action", "log_prob", "value", "reward", "next_value"):
        getattr(rollout, name).zero_()
    rollout.obs.copy_(torch.arange(num_steps * ENVS).reshape(num_steps, ENVS, 1))  # names each sample
    rollout.valid.copy_(torch.ones(num_steps, ENVS, dtype=torch.bool) if valid is None else valid)
    return rollout


def cut(config, rollout, chunk_size=None):
    advantage = rollout.obs.squeeze(-1).clone()
    rng = torch.Generator().manual_seed(0)
    return [list(chunks) for chunks in minibatches(rollout, advantage, config, rng, chunk_size)]


@pytest.mark.parametrize("chunk_size", [None, 1, 5])
@pytest.mark.parametrize("recurrent", [False, True])
def test_an_epoch_takes_each_sample_once(recurrent, chunk_size):
    config = PPOConfig(num_steps=STEPS, num_minibatches=3, recurrent=recurrent)
    epoch = cut(config, make_rollout(config), chunk_size)
    assert len(epoch) == 3
    samples = torch.cat([batch.obs.flatten() for chunks in epoch for batch in chunks])
    assert samples.sort().values.tolist() == list(range(STEPS * ENVS))
    assert samples.tolist() != list(range(STEPS * ENVS))
    for chunks in epoch:
        assert sum(batch.weight.item() for batch in chunks) == pytest.approx(1)


def test_recurrent_minibatches_are_whole_sequences_in_order():
    config = PPOConfig(num_steps=STEPS, num_minibatches=2, recurrent=True)
    for chunks in cut(config, make_rollout(config)):
        (batch,) = chunks
        assert batch.obs.shape == (STEPS, 2, 1)
        assert batch.initial_state.shape == (2, 2, 3)
        assert (batch.obs.diff(dim=0) == ENVS).all()


@pytest.mark.parametrize("recurrent", [False, True])
def test_invalid_samples_are_left_out_or_masked(recurrent):
    valid = torch.ones(STEPS, ENVS, dtype=torch.bool)
    valid[2, 1] = valid[5, 3] = False
    config = PPOConfig(num_steps=STEPS, num_minibatches=2, recurrent=recurrent)
    epoch = cut(config, make_rollout(config, valid=valid))
    counted = torch.cat([batch.obs.squeeze(-1)[batch.valid] for chunks in epoch for batch in chunks])
    assert set(range(STEPS * ENVS)) - set(counted.tolist()) == {2 * ENVS + 1, 5 * ENVS + 3}


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_advantages_are_normalised_over_the_minibatch_not_the_chunk(chunk_size):
    config = PPOConfig(num_steps=STEPS, num_minibatches=2)
    for chunks in cut(config, make_rollout(config), chunk_size):
        advantage = torch.cat([batch.advantage for batch in chunks])
        assert advantage.mean().item() == pytest.approx(0, abs=1e-6)
        assert advantage.std(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_short_rollouts_keep_the_size_of_minibatches():
    config = PPOConfig(num_steps=STEPS, num_minibatches=3)  # of 8 samples
    assert [len(c[0].obs) for c in cut(config, make_rollout(config, num_steps=4))] == [8, 8]
    assert [len(c[0].obs) for c in cut(config, make_rollout(config, num_steps=1))] == [4]


def test_a_rollout_of_reset_rows_alone_gives_no_minibatch():
    config = PPOConfig(num_steps=STEPS)
    assert cut(config, make_rollout(config, 1, torch.zeros(1, ENVS, dtype=torch.bool))) == []


def test_a_recurrent_minibatch_of_reset_rows_alone_weighs_nothing():
    valid = torch.zeros(1, ENVS, dtype=torch.bool)
    valid[0, 0] = True
    config = PPOConfig(num_steps=1, num_minibatches=ENVS, recurrent=True, lstm_size=4)
    weights = [
        batch.weight.item() for chunks in cut(config, make_rollout(config, 1, valid)) for batch in chunks
    ]
    assert sorted(weights) == [0.0] * (ENVS - 1) + [1.0]


def test_normalised_by_hand():
    advantage, valid = torch.tensor([1.0, 3.0, 100.0]), torch.tensor([True, True, False])
    assert normalised(advantage, valid)[:2].tolist() == pytest.approx([-1, 1])
    assert normalised(torch.tensor([5.0]), torch.tensor([True])).tolist() == [0]
    assert masked_mean(advantage, valid).item() == 2
    assert masked_mean(torch.tensor([float("nan")]), torch.tensor([False])).item() == 0
