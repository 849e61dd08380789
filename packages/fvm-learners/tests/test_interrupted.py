"""Envs that fail, or a user who interrupts, in the middle of a rollout: learning begins anew from a reset."""

import gymnasium as gym
import numpy as np
import pytest
from fvm_learners import PPO, PPOConfig, Rainbow, RainbowConfig
from gymnasium.vector import AutoresetMode, SyncVectorEnv

LENGTH = 7


class Failing(gym.Env):
    """Shows its episode and step, pays the number of the step; with an error it fails once, in its 10th."""

    observation_space = gym.spaces.Box(0, 1e6, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, error):
        self.error, self.taken, self.episode = error, 0, 0

    def reset(self, *, seed=None, options=None):
        self.episode, self.t = self.episode + 1, 0
        return np.array([self.episode, 0], np.float32), {}

    def step(self, action):
        self.taken += 1
        if self.taken == 10 and self.error is not None:
            raise self.error
        self.t += 1
        obs = np.array([self.episode, self.t], np.float32)
        return obs, float(self.t), False, self.t == LENGTH, {}


def failing(error, mode):
    return SyncVectorEnv([lambda: Failing(None), lambda: Failing(error)], autoreset_mode=mode)


@pytest.mark.parametrize("error", [OSError("the simulator is gone"), KeyboardInterrupt()])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_rollout_that_was_interrupted_is_not_gone_on_with(mode, error):
    envs = failing(error, mode)
    config = PPOConfig(num_steps=8, num_minibatches=2, num_epochs=1, mlp_sizes=(8,), normalise_reward=False)
    ppo = PPO(envs.single_observation_space, envs.single_action_space, config, seed=0)
    ppo.iteration(envs)
    with pytest.raises(type(error)):
        ppo.iteration(envs)
    episodes = []
    for _ in range(4):
        episodes += ppo.iteration(envs).episodes
        rollout = ppo._rollout
        assert (rollout.reward == rollout.obs[..., 1] + 1)[rollout.valid].all()
    assert {(episode.length, episode.return_) for episode in episodes} == {(LENGTH, 28.0)}


def test_returns_that_scale_rewards_begin_anew_after_an_interruption():
    envs = failing(OSError("the simulator is gone"), AutoresetMode.SAME_STEP)
    config = PPOConfig(num_steps=3, num_minibatches=1, num_epochs=1, mlp_sizes=(8,), discount=0.5)
    ppo = PPO(envs.single_observation_space, envs.single_action_space, config, seed=0)
    with pytest.raises(OSError, match="the simulator is gone"):
        for _ in ppo.learn(envs, 100):
            pass
    assert ppo.reward_scale.return_.any()
    ppo.iteration(envs, 2)
    assert ppo.reward_scale.return_.tolist() == [1.0, 1.0]  # of an episode's first step, and nothing before


@pytest.mark.parametrize("error", [OSError("the simulator is gone"), KeyboardInterrupt()])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_no_transition_leads_across_an_interruption(mode, error, transitions):
    envs = failing(error, mode)
    config = RainbowConfig(
        num_steps=8, learn_start=100, replay_capacity=200, n_step=2, discount=0.5, reward_clip=None,
        mlp_sizes=(8,), hidden_size=8,
    )  # fmt: skip
    rainbow = Rainbow(envs.single_observation_space, envs.single_action_space, config, seed=0)
    with pytest.raises(type(error)):
        rainbow.collect(envs, 20)
    episodes = rainbow.collect(envs, 20)
    assert {(episode.length, episode.return_) for episode in episodes} == {(LENGTH, 28.0)}
    kept = transitions(rainbow.replays[0])
    assert {int(obs[0]) for obs, *_ in kept} >= {1, 2, 3, 4}
    for obs, _, return_, _, next_obs in kept:
        assert next_obs[0] == obs[0]
        first, steps = obs[1] + 1, next_obs[1] - obs[1]
        assert return_ == (first if steps == 1 else first + 0.5 * (first + 1))
