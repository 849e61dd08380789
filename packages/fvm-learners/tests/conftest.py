"""Small envs with known answers. One thread: two of them change float32 sums in the last bits."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

torch.set_num_threads(1)


class Scripted(gym.Env):
    """Episodes of given lengths, whatever the action; those in `truncated` are cut, the others end the game.

    Observation [slot, episode, step], reward slot + step / 10.
    """

    observation_space = gym.spaces.Box(-1, 100, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, slot, lengths, truncated):
        self.slot, self.lengths, self.truncated, self.episode = slot, lengths, truncated, -1

    def _obs(self):
        return np.array([self.slot, self.episode, self.t], dtype=np.float32)

    def reset(self, *, seed=None, options=None):
        self.episode, self.t = self.episode + 1, 0
        return self._obs(), {}

    def step(self, action):
        self.t += 1
        end = self.t == self.lengths[self.episode % len(self.lengths)]
        cut = self.episode in self.truncated
        return self._obs(), self.slot + self.t / 10, end and not cut, end and cut, {}


class Recall(VectorEnv):
    """The first observation shows a cue; `delay` steps later the action must name it.

    Best return 1, blind 1/2. With `delay=0` it is a bandit with a visible context. SAME_STEP, no final_obs,
    saves its state; `tasks` gives each slot another task after each episode.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs, delay, tasks=None):
        self.num_envs, self.delay, self.tasks = num_envs, delay, tasks
        self.single_observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
        self.single_action_space = gym.spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.num_resets = 0

    def _obs(self):
        return np.stack(
            [np.where(self.t == 0, self.cue, 0.0), self.t / max(1, self.delay)], axis=1, dtype=np.float32
        )

    def _info(self):
        return {} if self.tasks is None else {"task_index": self.task.copy()}

    def reset(self, *, seed=None, options=None):
        self.num_resets += 1
        self.rng = np.random.default_rng(seed)
        self.t = self.rng.integers(0, self.delay + 1, self.num_envs)  # slots out of step with each other
        self.cue = self.rng.choice([-1.0, 1.0], self.num_envs)
        self.task = np.arange(self.num_envs) % (self.tasks or 1)
        return self._obs(), self._info()

    def step(self, actions):
        terminated = self.t == self.delay
        reward = np.where(terminated & ((actions == 1) == (self.cue > 0)), 1.0, 0.0)
        self.t = np.where(terminated, 0, self.t + 1)
        self.cue = np.where(terminated, self.rng.choice([-1.0, 1.0], self.num_envs), self.cue)
        self.task = np.where(terminated, (self.task + 1) % (self.tasks or 1), self.task)
        return self._obs(), reward, terminated, np.zeros_like(terminated), self._info()

    def state_dict(self):
        rng = self.rng.bit_generator.state
        return {"rng": rng, "t": self.t.copy(), "cue": self.cue.copy(), "task": self.task.copy()}

    def load_state_dict(self, state):
        self.rng = np.random.default_rng()
        self.rng.bit_generator.state = state["rng"]
        self.t, self.cue, self.task = state["t"], state["cue"], state["task"]


@pytest.fixture
def scripted():
    def make(mode, num_envs=3, lengths=(4, 2, 5, 1), truncated=(1, 2, 5, 6)):
        return SyncVectorEnv(
            [lambda slot=slot: Scripted(slot, lengths, truncated) for slot in range(num_envs)],
            autoreset_mode=mode,
        )

    return make


@pytest.fixture
def recall():
    return Recall


@pytest.fixture
def images():
    return gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)
