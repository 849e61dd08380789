"""Learners that are copied or pickled, as by Ray or a search of one's own: both go on alike."""

import copy
import pickle

import pytest
import torch
from fvm_learners import PPO, PPOConfig, Rainbow, RainbowConfig

PPO_CONFIG = PPOConfig(num_steps=8, num_minibatches=2, mlp_sizes=(8,), recurrent=True, lstm_size=4)
RAINBOW_CONFIG = RainbowConfig(num_steps=64, learn_start=16, batch_size=4, n_step=2, hidden_size=8)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda learner: pickle.loads(pickle.dumps(learner))])
@pytest.mark.parametrize(("kind", "config"), [(PPO, PPO_CONFIG), (Rainbow, RAINBOW_CONFIG)])
def test_a_copy_goes_on_as_the_original(kind, config, copied, recall):
    envs = recall(4, delay=2)
    learner = kind(envs.single_observation_space, envs.single_action_space, config, seed=0)
    learner.iteration(envs)  # of Rainbow more than the steps whose observations a replay checks
    other, others_envs = copied(learner), copy.deepcopy(envs)
    assert other.iteration(others_envs).metrics == learner.iteration(envs).metrics
    for mine, theirs in zip(learner.policy.parameters(), other.policy.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_copied_replay_reads_what_it_writes(recall):
    envs = recall(4, delay=2)
    learner = Rainbow(envs.single_observation_space, envs.single_action_space, RAINBOW_CONFIG, seed=0)
    learner.collect(envs, 40)
    (replay,) = copy.deepcopy(learner.replays)
    (row,), _ = replay._frames.write(torch.tensor([[0.25, 0.5]]).numpy())
    assert replay._frames.observations(torch.tensor([row]).numpy()).tolist() == [[0.25, 0.5]]
    (original,) = learner.replays
    assert original._frames.observations(torch.tensor([row]).numpy()).tolist() != [[0.25, 0.5]]
