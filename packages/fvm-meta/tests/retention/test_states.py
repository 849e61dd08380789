"""States that a pretrained agent visits: which, in which order, and with which memory."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_meta.retention import States
from fvm_meta.retention.states import SEQUENCE, pieces, visited
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv


class Counting:
    """One env a slot: it shows slot and step, and an episode has `length` steps."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs, length=5, parts=False):
        self.num_envs, self.length, self.parts = num_envs, length, parts
        self.single_observation_space = spaces.Box(-1, 1000, (2,), np.float32)
        self.acted = []

    def observe(self):
        obs = np.stack((np.arange(self.num_envs), np.full(self.num_envs, self.clock)), axis=1)
        obs = obs.astype(np.float32)
        return {"obs": obs, "feedback": 2 * obs} if self.parts else obs

    def reset(self, *, seed):
        self.seed, self.clock = seed, 0
        return self.observe(), {}

    def step(self, action):
        self.acted.append(action)
        self.clock += 1
        ended = np.full(self.num_envs, self.clock % self.length == 0)
        return self.observe(), np.zeros(self.num_envs), ended, np.zeros_like(ended), {}


class Policy:
    """Acts by its slot's generator; its memory counts the steps of an episode."""

    def __init__(self, memory):
        self.memory = memory

    def initial_state(self, num):
        return torch.zeros(num, 2, 1) if self.memory else None

    def act(self, obs, state, start, rngs):
        action = np.array([rng.integers(100) for rng in rngs])
        if state is None:
            return action, None
        return action, torch.where(torch.from_numpy(start)[:, None, None], 0.0, state) + 1


class Network(torch.nn.Module):
    def __init__(self, latent_size=0, obs_dtype=torch.float32):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.latent_size, self.obs_dtype = latent_size, obs_dtype


def test_states_are_those_acted_on_row_by_row():
    envs = Counting(num_envs=3)
    states = visited(Policy(memory=False), envs, 7, seed=4, network=Network())
    assert len(states) == 9  # rounded up to rows of three
    assert states.obs.tolist() == [[slot, row] for row in range(3) for slot in range(3)]
    assert (states.initial_state, states.episode_start, states.latent) == (None, None, None)
    assert envs.seed == 4
    draws = [np.random.default_rng([4, slot]).integers(100) for slot in range(3)]
    assert envs.acted[0].tolist() == draws


def test_a_policy_with_memory_gives_whole_sequences_and_where_each_begins():
    states = visited(Policy(memory=True), Counting(num_envs=2), 2 * SEQUENCE + 1, 0, Network())
    assert len(states) == 4  # sequences: two rows of 16 steps, two slots
    assert states.obs.shape == (SEQUENCE, 4, 2)
    assert states.obs[0].tolist() == [[0, 0], [1, 0], [0, SEQUENCE], [1, SEQUENCE]]
    assert states.obs[:, 3, 1].tolist() == list(range(SEQUENCE, 2 * SEQUENCE))
    # Episodes have five steps: one begins at step 15, so that memory has counted one when 16 begins.
    assert states.initial_state[:, 0, 0].tolist() == [0, 0, 1, 1]
    assert states.episode_start[:, 0].nonzero().flatten().tolist() == [0, 5, 10, 15]
    assert states.episode_start[:, 2].nonzero().flatten().tolist() == [4, 9, 14]


def test_a_policy_with_a_latent_gives_that_of_each_state():
    states = visited(Policy(memory=True), Counting(num_envs=2), 6, 0, Network(latent_size=1))
    assert states.latent[:, 0, 0].tolist() == [1, 1, 2, 2, 3, 3]
    assert states.initial_state is None


def test_observations_of_parts_stay_parts():
    states = visited(Policy(memory=False), Counting(num_envs=2, parts=True), 4, 0, Network())
    assert len(states) == 4
    assert torch.equal(states.obs["feedback"], 2 * states.obs["obs"])
    assert states[torch.tensor([3])].obs["obs"].tolist() == [[1, 1]]


def test_an_index_takes_sequences_where_there_is_memory_and_states_where_there_is_none():
    obs = torch.arange(24.0).reshape(4, 3, 2)
    sequences = States(
        obs=obs, initial_state=torch.arange(3.0)[:, None, None], episode_start=torch.ones(4, 3, dtype=bool)
    )
    taken = sequences[torch.tensor([2, 0])]
    assert (len(sequences), len(taken)) == (3, 2)
    assert torch.equal(taken.obs, obs[:, [2, 0]])
    assert taken.initial_state.flatten().tolist() == [2, 0]
    assert taken.episode_start.shape == (4, 2)
    alone = States(obs=obs, latent=torch.arange(4.0)[:, None])[torch.tensor([3])]
    assert torch.equal(alone.obs, obs[3:])
    assert alone.latent.tolist() == [[3]]


@pytest.mark.parametrize(
    ("num", "size", "expected"), [(5, 2, [[0, 1], [2, 3], [4]]), (2, 9, [[0, 1]]), (0, 3, [])]
)
def test_pieces_are_all_in_order(num, size, expected):
    assert [piece.tolist() for piece in pieces(num, size)] == expected


class Clock(gym.Env):
    """Shows the step of its episode, of three steps."""

    observation_space = spaces.Box(0, 9, (1,), np.float32)
    action_space = spaces.Discrete(100)

    def reset(self, *, seed=None, options=None):
        self.step_of_episode = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.step_of_episode += 1
        return np.full(1, self.step_of_episode, np.float32), 0.0, self.step_of_episode == 3, False, {}


@pytest.mark.parametrize("mode", AutoresetMode)
def test_an_episode_starts_where_the_envs_reset_in_every_mode(mode):
    envs = SyncVectorEnv([Clock] * 2, autoreset_mode=mode)
    states = visited(Policy(memory=True), envs, 2 * SEQUENCE, seed=0, network=Network())
    period = 4 if mode is AutoresetMode.NEXT_STEP else 3  # that one shows an episode's last observation
    assert states.obs[:, 0, 0].tolist() == [row % period for row in range(SEQUENCE)]
    assert states.episode_start[:, 0].tolist() == [row % period == 0 for row in range(SEQUENCE)]
