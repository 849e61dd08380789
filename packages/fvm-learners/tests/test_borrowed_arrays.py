"""Envs that write each step into the same memory: what a learner keeps must be its own."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from fvm_learners import PPO, PPOConfig, Rainbow, RainbowConfig
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

SPACE = gym.spaces.Box(-1, 1000, (1,), np.float32)
CONFIG = RainbowConfig(
    num_steps=8, learn_start=400, replay_capacity=500, batch_size=8, num_atoms=5, n_step=1, reward_clip=None,
    mlp_sizes=(8,), hidden_size=8,
)  # fmt: skip


class Count(gym.Env):
    """Shows the number of steps so far, over all episodes; its reward is what was seen before the step."""

    observation_space, action_space = SPACE, gym.spaces.Discrete(2)
    total, t = 0, 0

    def _obs(self):
        return np.array([self.total], dtype=np.float32)

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return self._obs(), {}

    def step(self, action):
        reward, self.total, self.t = float(self.total), self.total + 1, self.t + 1
        return self._obs(), reward, False, self.t == 5, {}


class Reuses(VectorEnv):
    """`Count` as a vector env that owns one array for each thing it returns."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs):
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = SPACE, gym.spaces.Discrete(2)
        self.observation_space = batch_space(SPACE, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.obs, self.reward = np.zeros((num_envs, 1), np.float32), np.zeros(num_envs)
        self.terminated, self.truncated = np.zeros(num_envs, bool), np.zeros(num_envs, bool)

    def reset(self, *, seed=None, options=None):
        self.obs[:] = 0
        return self.obs, {}

    def step(self, action):
        self.reward[:] = self.obs[:, 0]
        self.obs += 1
        self.terminated[:] = self.obs[:, 0] % 5 == 0
        return self.obs, self.reward, self.terminated, self.truncated, {}


def make(kind):
    if kind == "reuses":
        return Reuses(2)
    if kind == "async":
        return AsyncVectorEnv([Count] * 2, copy=False)
    return SyncVectorEnv([Count] * 2, copy=False, autoreset_mode=kind)


KINDS = [*AutoresetMode, "async", "reuses"]


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_replay_holds_what_was_seen_when_it_acted(kind, shifted, transitions):
    envs = make(kind)
    config = replace(CONFIG, shifted_transitions=shifted)
    rainbow = Rainbow(envs.single_observation_space, envs.single_action_space, config, seed=0)
    rainbow.collect(envs, 27)
    kept = transitions(rainbow.replays[0])
    assert len(kept) >= 40
    for obs, _, reward, discount, next_obs in kept:
        assert reward == (max(0, float(obs[0]) - 1) if shifted else obs[0])
        assert discount == 0 or next_obs[0] == obs[0] + 1
    envs.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_rollout_holds_what_was_seen_when_it_acted(kind):
    envs = make(kind)
    config = PPOConfig(num_steps=12, num_minibatches=2, num_epochs=1, normalise_reward=False, mlp_sizes=(8,))
    ppo = PPO(envs.single_observation_space, envs.single_action_space, config, seed=0)
    for _ in range(2):
        ppo.iteration(envs)
        rollout = ppo._rollout
        assert (rollout.reward == rollout.obs[..., 0])[rollout.valid].all()
    envs.close()
