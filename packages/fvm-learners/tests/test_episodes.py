"""Finished episodes as each learner tells of them, held against what the env knows."""

from dataclasses import FrozenInstanceError

import gymnasium as gym
import numpy as np
import pytest
from fvm_learners import PPO, PPOConfig, Rainbow, RainbowConfig
from fvm_learners.episodes import Episode
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

LENGTHS = (2, 3)


class Fixed(VectorEnv):
    """Slot i plays task i: episodes of `LENGTHS[i]` steps, each step worth i + 1."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012
    num_envs = len(LENGTHS)

    def __init__(self, tells_tasks):
        self.single_observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
        self.single_action_space = gym.spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.info = {"task_index": np.arange(self.num_envs)} if tells_tasks else {}
        self.clock = np.zeros(self.num_envs, np.int64)

    def reset(self, *, seed=None, options=None):
        self.clock[:] = 0
        return np.zeros((self.num_envs, 1), np.float32), dict(self.info)

    def step(self, actions):
        self.clock += 1
        ended = self.clock == LENGTHS
        self.clock[ended] = 0
        never = np.zeros_like(ended)
        return np.zeros((self.num_envs, 1), np.float32), np.array([1.0, 2.0]), ended, never, dict(self.info)


def make(kind):
    space, actions = gym.spaces.Box(-1, 1, (1,), np.float32), gym.spaces.Discrete(2)
    if kind == "ppo":
        return PPO(space, actions, PPOConfig(num_steps=6, num_minibatches=1, mlp_sizes=(4,)), seed=0)
    config = RainbowConfig(num_steps=6, learn_start=100, replay_capacity=500, mlp_sizes=(4,), hidden_size=4)
    return Rainbow(space, actions, config, seed=0, num_tasks=2)


@pytest.mark.parametrize("kind", ["ppo", "rainbow"])
@pytest.mark.parametrize("tells_tasks", [True, False])
def test_each_learner_tells_when_which_episode_ended_with_what(kind, tells_tasks):
    learner = make(kind)
    episodes = learner.iteration(Fixed(tells_tasks)).episodes
    # Two slots: after t steps of each 2 t env steps are done. Slot 0 ends at 2, 4, 6, slot 1 at 3, 6.
    right = [(4, 0, 2.0, 2), (6, 1, 6.0, 3), (8, 0, 2.0, 2), (12, 0, 2.0, 2), (12, 1, 6.0, 3)]
    assert sorted((e.env_step, e.task_index, e.return_, e.length) for e in episodes) == sorted(
        (step, task if tells_tasks else 0, return_, length) for step, task, return_, length in right
    )


def test_an_episode_is_a_value():
    one, other = (Episode(env_step=4, task_index=0, return_=1.0, length=2) for _ in range(2))
    assert one == other
    assert len({one, other}) == 1
    with pytest.raises(FrozenInstanceError):
        one.return_ = 2.0
