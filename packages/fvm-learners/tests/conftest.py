"""Small envs with known answers. One thread: two of them change float32 sums in the last bits."""

import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import Rainbow, RainbowConfig
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    """What a test draws without a generator of its own is the same in every run."""
    torch.manual_seed(0)


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


class RecallTrials(Recall):
    """`trials` recalls make one episode; feedback is the last action, one-hot, its reward and an end."""

    def __init__(self, num_envs, delay, trials):
        super().__init__(num_envs, delay)
        self.trials, self.trial = trials, np.zeros(num_envs, np.int64)
        self.feedback = np.zeros((num_envs, 4), np.float32)
        feedback = gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)
        self.single_observation_space = gym.spaces.Dict(
            {"obs": self.single_observation_space, "feedback": feedback}
        )
        self.observation_space = batch_space(self.single_observation_space, num_envs)

    def _obs(self):
        return {"obs": super()._obs(), "feedback": self.feedback.copy()}

    def reset(self, *, seed=None, options=None):
        self.trial[:], self.feedback[:] = 0, 0
        return super().reset(seed=seed, options=options)

    def step(self, actions):
        obs, reward, self.trial_end, never, info = super().step(actions)
        self.trial += self.trial_end
        self.terminated = self.trial == self.trials
        told = (actions == 0, actions == 1, reward, self.trial_end)
        self.feedback = np.where(self.terminated, 0, told).T.astype(np.float32)
        self.trial[self.terminated] = 0
        obs["feedback"] = self.feedback.copy()
        return obs, reward, self.terminated, never, info | {"trial_end": self.trial_end}

    def state_dict(self):
        return super().state_dict() | {"trial": self.trial.copy(), "feedback": self.feedback.copy()}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.trial, self.feedback = state["trial"], state["feedback"]


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
def recall_trials():
    return RecallTrials


def flat(state, prefix=""):
    """{path: leaf} of a state."""
    if not isinstance(state, dict):
        return {prefix: state}
    return {
        path: leaf for key, value in state.items() for path, leaf in flat(value, f"{prefix}/{key}").items()
    }


@pytest.fixture(name="flat")
def flat_fixture():
    return flat


@pytest.fixture
def assert_same():
    def check(a, b):
        a, b = flat(a), flat(b)
        assert a.keys() == b.keys()
        for path, leaf in a.items():
            same = torch.equal(leaf, b[path]) if isinstance(leaf, torch.Tensor) else leaf == b[path]
            assert same, path

    return check


@pytest.fixture
def images():
    return gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)


class Catch(VectorEnv):
    """A ball falls on a board of 6 x 5 pixels; a paddle below moves left, not at all, or right.

    An episode is `balls` balls, each worth 1 if caught, -1 if not; a missed one costs a life. Every ball can
    be caught. `frames` are stacked in the last axis, blank at an episode's start. Of `tasks` the odd ones
    have left and right exchanged; a slot that ends an episode goes on to the next task. `time_limit`
    truncates.
    SAME_STEP, shows the last observation, saves its state.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012
    rows, columns = 6, 5

    def __init__(self, num_envs, frames=1, balls=1, tasks=1, time_limit=None):
        self.num_envs, self.frames, self.balls, self.tasks = num_envs, frames, balls, tasks
        self.time_limit = time_limit
        self.single_observation_space = gym.spaces.Box(0, 255, (self.rows, self.columns, frames), np.uint8)
        self.single_action_space = gym.spaces.Discrete(3)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.num_resets = 0
        self.task = np.arange(num_envs) % tasks

    def reset(self, *, seed=None, options=None):
        self.num_resets += 1
        options = options or {}
        mask = options.get("reset_mask", np.ones(self.num_envs, bool))
        if seed is not None:
            self.rng = np.random.default_rng(seed)
            self.ball, self.column, self.paddle, self.played, self.t = np.zeros((5, self.num_envs), np.int64)
            self.stack = np.zeros(self.observation_space.shape, np.uint8)
        self.task = np.where(mask, options.get("tasks", self.task), self.task)
        self._begin(mask)
        return self.stack.copy(), {"task_index": self.task.copy()}

    def _begin(self, mask):
        self.played[mask], self.t[mask], self.stack[mask] = 0, 0, 0
        self.paddle = np.where(mask, self.columns // 2, self.paddle)
        self._drop(mask)
        self._draw(mask)

    def _drop(self, mask):
        self.ball[mask] = 0
        self.column = np.where(mask, self.rng.integers(self.columns, size=self.num_envs), self.column)

    def _draw(self, mask):
        slots = np.flatnonzero(mask)
        self.stack[slots, ..., :-1] = self.stack[slots, ..., 1:]
        frame = np.zeros((len(slots), self.rows, self.columns), np.uint8)
        frame[np.arange(len(slots)), self.ball[slots], self.column[slots]] = 255
        frame[np.arange(len(slots)), -1, self.paddle[slots]] = 128
        self.stack[slots, ..., -1] = frame

    def step(self, actions):
        move = np.where(self.task % 2, 1 - actions, actions - 1)
        self.paddle = np.clip(self.paddle + move, 0, self.columns - 1)
        self.ball, self.t = self.ball + 1, self.t + 1
        landed = self.ball == self.rows - 1
        caught = self.paddle == self.column
        reward = np.where(landed, np.where(caught, 1.0, -1.0), 0.0)
        self.played += landed
        terminated = self.played == self.balls
        truncated = ~terminated & (self.t == (self.time_limit or -1))
        ended = terminated | truncated
        info = {"life_lost": landed & ~caught & ~ended}
        self._drop(landed & ~ended)
        self._draw(np.ones(self.num_envs, bool))
        if ended.any():
            info["final_obs"], info["_final_obs"] = np.array([*self.stack.copy(), None], object)[:-1], ended
            self.task = np.where(ended, (self.task + 1) % self.tasks, self.task)
            self._begin(ended)
        return self.stack.copy(), reward, terminated, truncated, info | {"task_index": self.task.copy()}

    NAMES = ("ball", "column", "paddle", "played", "t", "stack", "task")

    def state_dict(self):
        return {
            "rng": self.rng.bit_generator.state,
            **{name: getattr(self, name).copy() for name in self.NAMES},
        }

    def load_state_dict(self, state):
        self.rng = np.random.default_rng()
        self.rng.bit_generator.state = state["rng"]
        for name in self.NAMES:
            setattr(self, name, state[name].copy())


class Endless(VectorEnv):
    """Reward 1 a step, for ever; what ends an episode after `length` steps is up to `end`.

    "truncated" shows the last observation, "terminated" is game over, and "life lost" goes on all the same.
    The observation is the step, one-hot.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs, length, end):
        self.num_envs, self.length, self.end = num_envs, length, end
        self.single_observation_space = gym.spaces.Box(0, 1, (length + 1,), np.float32)
        self.single_action_space = gym.spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def _obs(self):
        return np.eye(self.length + 1, dtype=np.float32)[self.t]

    def reset(self, *, seed=None, options=None):
        self.t = np.arange(self.num_envs) % self.length
        return self._obs(), {}

    def step(self, actions):
        self.t += 1
        ended, never = self.t == self.length, np.zeros(self.num_envs, bool)
        info = {"life_lost": ended} if self.end == "life lost" else {}
        if self.end == "truncated" and ended.any():
            info = {"final_obs": np.array([*self._obs(), None], object)[:-1], "_final_obs": ended}
        self.t[ended] = 0
        terminated = ended if self.end == "terminated" else never
        truncated = ended if self.end == "truncated" else never
        return self._obs(), np.ones(self.num_envs), terminated, truncated, info


@pytest.fixture
def catch():
    return Catch


@pytest.fixture
def endless():
    return Endless


TINY = RainbowConfig(
    num_steps=10,
    learn_start=20,
    batch_size=8,
    replay_capacity=300,
    n_step=3,
    num_atoms=11,
    v_min=-2.0,
    v_max=2.0,
    encoder="minatar",
    hidden_size=8,
    mlp_sizes=(8,),
    target_period_updates=7,
    learning_rate=1e-3,
    updates_per_env_step=0.3,
    beta_anneal_env_steps=100,
)


def make_rainbow(envs, seed=0, num_tasks=1, hooks=(), sampler=None, **changes):
    return Rainbow(
        envs.single_observation_space,
        envs.single_action_space,
        replace(TINY, **changes),
        seed=seed,
        num_tasks=num_tasks,
        hooks=hooks,
        sampler=sampler,
    )


def all_transitions(replay):
    """(obs, action, return, discount, next obs) of all that may be sampled, in the order of rows."""
    rows = np.flatnonzero(replay._tree.priorities > 0)
    got = replay.transitions(rows)
    return [
        tuple(part[i].numpy() for part in (got.obs, got.action, got.return_, got.discount, got.next_obs))
        for i in range(len(rows))
    ]


@pytest.fixture
def make():
    return make_rainbow


@pytest.fixture
def transitions():
    return all_transitions


def filed(state):
    """What a file gives back of a state: sorted keys, lists for tuples, JSON beside arrays and tensors."""
    if isinstance(state, dict):
        assert all(isinstance(key, str) for key in state)
        return {key: filed(state[key]) for key in sorted(state)}
    if isinstance(state, list | tuple):
        return [filed(part) for part in state]
    if isinstance(state, np.ndarray):
        assert state.dtype.kind in "biuf"
        return state.copy()
    if isinstance(state, torch.Tensor):
        assert state.device.type == "cpu"
        return state.clone()
    return json.loads(json.dumps(state))


@pytest.fixture(scope="session", name="filed")
def filed_fixture():
    return filed
