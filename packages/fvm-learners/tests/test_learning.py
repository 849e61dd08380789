"""That it learns. Thresholds were set before the runs, from the known best and blind returns."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig, Rainbow, RainbowConfig
from fvm_learners.rainbow.config import SMALL


def train(envs, env_steps, seed, **config):
    """Mean return of the last 200 episodes."""
    config = PPOConfig(
        num_steps=32,
        num_epochs=4,
        num_minibatches=4,
        learning_rate=3e-3,
        anneal_env_steps=env_steps,  # at a constant rate a solved policy may fall apart and recover
        discount=0.99,
        lstm_size=32,
        **config,
    )
    ppo = PPO(envs.single_observation_space, envs.single_action_space, config, seed=seed)
    episodes = [episode for iteration in ppo.learn(envs, env_steps) for episode in iteration.episodes]
    return np.mean([episode.return_ for episode in episodes[-200:]])


def test_a_visible_context_is_learned(recall):
    """Best return 1, blind 1/2."""
    assert train(recall(num_envs=16, delay=0), 8_000, seed=0) > 0.9


@pytest.mark.learning
@pytest.mark.parametrize("seed", range(3, 7))  # seeds 0 to 2 led to the annealed learning rate
def test_memory_is_learned_by_the_recurrent_policy(recall, seed):
    """Best return 1, blind 1/2."""
    score = train(recall(num_envs=16, delay=5), 40_000, seed, recurrent=True)
    print(f"return {score:.3f}, above .9 wanted")
    assert score > 0.9


@pytest.mark.learning
@pytest.mark.parametrize("seed", range(3, 7))
def test_memory_is_out_of_reach_without_recurrence(recall, seed):
    # Four standard deviations of the mean of 200 fair coins are .14.
    score = train(recall(num_envs=16, delay=5), 40_000, seed)
    print(f"return {score:.3f}, below .65 wanted")
    assert score < 0.65


# ---- Rainbow


@pytest.mark.parametrize("end", ["truncated", "terminated", "life lost"])
def test_rainbow_values_are_those_of_the_definition(endless, end):
    """gamma .8, reward 1: for ever 5, which a time-out does not end; until step 4 (1 - .8^(4-t)) / .2."""
    envs = endless(num_envs=4, length=4, end=end)
    config = RainbowConfig(
        mlp_sizes=(32,),
        hidden_size=32,
        n_step=2,
        discount=0.8,
        v_min=0.0,
        v_max=8.0,
        num_atoms=33,
        learn_start=100,
        replay_capacity=1_000,
        target_period_updates=20,
        learning_rate=3e-3,
        updates_per_env_step=0.5,
        beta_anneal_env_steps=1_000,
    )
    rainbow = Rainbow(envs.single_observation_space, envs.single_action_space, config, seed=0)
    for _ in rainbow.learn(envs, 1_700):
        pass
    with torch.no_grad():
        values = rainbow.policy.q_values(torch.eye(5)).amax(dim=1)
    expected = [5.0 if end == "truncated" else (1 - 0.8 ** (4 - t)) / 0.2 for t in range(4)]
    np.testing.assert_allclose(values[:4], expected, atol=0.3)


def play_catch(catch, env_steps, seed):
    """Mean return of the last 100 episodes, frames stacked in pairs."""
    envs = catch(num_envs=4, frames=2)
    rainbow = Rainbow(
        envs.single_observation_space, envs.single_action_space, replace(SMALL, frame_stack=2), seed=seed
    )
    episodes = [episode for iteration in rainbow.learn(envs, env_steps) for episode in iteration.episodes]
    return np.mean([episode.return_ for episode in episodes[-100:]])


def test_rainbow_learns_catch(catch):
    """Best return 1; standing still has -.6. Four pilots on other seeds had 1, and .8 to .98 after 3,000."""
    assert play_catch(catch, 4_000, seed=0) > 0.8


# ---- Real MinAtar (Young and Tian 2019), by its encoder


@pytest.mark.learning
@pytest.mark.parametrize("seed", range(3))
def test_minatars_encoder_learns_breakout(seed):
    """Random play returns .34 (670 episodes). A pilot on seed 100 came to 3.7 after 60,000 env steps,
    one on seed 101 to 5.4 after 150,000; no threshold was moved after that.
    """
    minatar = pytest.importorskip("minatar.gym")

    def make():
        return gym.wrappers.TimeLimit(minatar.BaseEnv("breakout", use_minimal_action_set=True), 1000)

    envs = gym.vector.SyncVectorEnv([make] * 16, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
    assert envs.single_observation_space.dtype == bool
    env_steps = 80_000
    config = PPOConfig(
        network="minatar",
        num_steps=64,
        num_epochs=3,
        num_minibatches=4,
        learning_rate=2.5e-3,
        anneal_env_steps=env_steps,
        discount=0.99,
        entropy_coef=0.01,
    )
    ppo = PPO(envs.single_observation_space, envs.single_action_space, config, seed=seed)
    episodes = [episode for iteration in ppo.learn(envs, env_steps) for episode in iteration.episodes]
    first, last = (
        np.mean([episode.return_ for episode in part]) for part in (episodes[:100], episodes[-100:])
    )
    print(f"Breakout: return {last:.2f}, {first:.2f} at first; above 2.5 wanted")
    assert first < 1
    assert last > 2.5
