"""A family of tasks with a known best return, small enough to learn within a second, and a learner for it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig
from fvm_learners.rainbow import Rainbow
from fvm_learners.rainbow.config import RainbowConfig
from fvm_meta import Policy
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    """What a test draws without a generator of its own is the same in every run."""
    torch.manual_seed(0)


TRAINING_GOALS = (0, 1, 3, 4, 6, 7)
NEW_GOAL = 5
BEST_RETURN = 1.0
RANDOM_RETURN = (1 / 2 + 1 / 4 + 1 / 8) / 3  # a walk of d steps without slack succeeds with probability 2^-d


class GoalLine(VectorEnv):
    """Slots that walk left or right on a line, 1 to 3 cells away from the goal, with not a step to waste.

    A task is the goal's cell. The observation shows goal, position and steps left; the reward comes last.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, tasks: Sequence[int], num_envs: int, seed: int, on_episode_end: str) -> None:
        self.tasks, self.num_envs, self.on_episode_end = tuple(tasks), num_envs, on_episode_end
        self.single_observation_space = spaces.Box(-10, 10, (3,), np.float32)
        self.single_action_space = spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.rng = np.random.default_rng(seed)
        self.task_index = np.arange(num_envs) % len(self.tasks)
        self.position = np.zeros(num_envs, np.int64)
        self.steps_left = np.zeros(num_envs, np.int64)
        self.steps_taken = 0

    def begin(self, slots: np.ndarray) -> None:
        if self.on_episode_end == "resample":
            self.task_index[slots] = self.rng.integers(len(self.tasks), size=slots.sum())
        self.steps_left[slots] = self.rng.integers(1, 4, size=slots.sum())
        side = self.rng.choice((-1, 1), size=slots.sum())
        self.position[slots] = self.goal[slots] + side * self.steps_left[slots]

    @property
    def goal(self) -> np.ndarray:
        return np.array(self.tasks)[self.task_index]

    def observe(self) -> np.ndarray:
        return np.stack((self.goal - 4, self.position - 4, self.steps_left), axis=1).astype(np.float32) / 4

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.begin(np.ones(self.num_envs, np.bool_))
        if options:
            self.task_index = np.array([self.tasks.index(task) for task in options["tasks"]])
            self.begin(options["reset_mask"])
        return self.observe(), {"task_index": self.task_index.copy()}

    def step(self, actions: np.ndarray):
        assert not self.closed
        self.steps_taken += self.num_envs
        self.position += 2 * actions - 1
        self.steps_left -= 1
        terminated = self.steps_left == 0
        reward = (terminated & (self.position == self.goal)).astype(np.float64)
        self.begin(terminated)
        return (
            self.observe(),
            reward,
            terminated,
            np.zeros_like(terminated),
            {"task_index": self.task_index.copy()},
        )

    def state_dict(self) -> dict[str, Any]:
        arrays = {name: getattr(self, name).copy() for name in ("task_index", "position", "steps_left")}
        return {"rng": self.rng.bit_generator.state, **arrays}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rng.bit_generator.state = state["rng"]
        for name in ("task_index", "position", "steps_left"):
            setattr(self, name, state[name].copy())


class GoalTrials(VectorEnv):
    """Lifetimes of several walks on a `GoalLine` whose goal is hidden; what `fvm_envs.trials` is, in short.

    The observation shows the position and the steps left; the feedback is action, reward and end as in RL2.
    """

    metadata = GoalLine.metadata

    def __init__(
        self, tasks: Sequence[int], num_envs: int, seed: int, on_episode_end: str, trials: float
    ) -> None:
        self.line = GoalLine(tasks, num_envs, seed, "stay")
        self.tasks, self.num_envs, self.on_episode_end, self.trials = (
            tuple(tasks),
            num_envs,
            on_episode_end,
            trials,
        )
        self.single_observation_space = spaces.Dict(
            {
                "obs": spaces.Box(-10, 10, (2,), np.float32),
                "feedback": spaces.Box(-np.inf, np.inf, (4,), np.float32),
            }
        )
        self.single_action_space = spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.trial = np.zeros(num_envs, np.int64)
        self.feedback = np.zeros((num_envs, 4), np.float32)

    @property
    def steps_taken(self) -> int:
        return self.line.steps_taken

    def observe(self) -> dict[str, np.ndarray]:
        return {"obs": self.line.observe()[:, 1:].copy(), "feedback": self.feedback.copy()}

    def info(self) -> dict[str, Any]:
        return {"task_index": self.line.task_index.copy(), "trial": self.trial.copy()}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        self.line.reset(seed=seed, options=options)
        self.trial[:], self.feedback[:] = 0, 0
        return self.observe(), self.info()

    def step(self, actions: np.ndarray):
        assert not self.closed
        _, reward, ended, never, _ = self.line.step(actions)
        self.trial += ended
        self.feedback = np.stack((actions == 0, actions == 1, reward, ended), axis=1).astype(np.float32)
        terminated = self.trial >= self.trials
        self.trial[terminated], self.feedback[terminated] = 0, 0
        if self.on_episode_end == "resample":
            self.line.task_index[terminated] = self.line.rng.integers(len(self.tasks), size=terminated.sum())
            self.line.begin(terminated)
        of_trial = {"trial_end": ended, "trial_return": reward}  # a walk's reward comes last
        return self.observe(), reward, terminated, never, self.info() | of_trial

    def state_dict(self) -> dict[str, Any]:
        return {
            "line": self.line.state_dict(),
            "trial": self.trial.copy(),
            "feedback": self.feedback.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.line.load_state_dict(state["line"])
        self.trial, self.feedback = state["trial"].copy(), state["feedback"].copy()


@dataclass(frozen=True)
class Budget:
    env_steps: int


TINY = PPOConfig(num_steps=5, num_epochs=2, num_minibatches=2, mlp_sizes=(8,))


@dataclass
class Lab:
    """Builds learners and envs, and keeps every one it built."""

    num_envs: int = 4
    config: PPOConfig = TINY

    def __post_init__(self) -> None:
        self.learners: list[PPO] = []
        self.envs: list[GoalLine | GoalTrials] = []
        self.options: list[dict[str, Any]] = []

    def make_learner(self, observation_space, action_space, *, seed, hooks=(), **_) -> PPO:
        self.learners.append(PPO(observation_space, action_space, self.config, seed=seed, hooks=hooks))
        return self.learners[-1]

    def make_envs(self, tasks, *, seed, on_episode_end, **options) -> GoalLine | GoalTrials:
        num_envs = self.num_envs // options.get("split", 1)
        if "trials" in options:
            self.envs.append(GoalTrials(tasks, num_envs, seed, on_episode_end, options["trials"]))
        else:
            self.envs.append(GoalLine(tasks, num_envs, seed, on_episode_end))
        self.options.append(options)
        return self.envs[-1]

    def build(self, paradigm, config=None):
        return paradigm(self.make_learner, self.make_envs, config)

    def with_config(self, **changes) -> "Lab":
        return type(self)(self.num_envs, replace(self.config, **changes))


TINY_RAINBOW = RainbowConfig(
    num_steps=4,
    updates_per_env_step=0.5,
    learn_start=48,
    batch_size=8,
    replay_capacity=600,
    n_step=3,
    num_atoms=7,
    v_min=-1.0,
    v_max=1.0,
    mlp_sizes=(8,),
    hidden_size=8,
    context_hidden_size=8,
    target_period_updates=10,
    beta_anneal_env_steps=200,
    learning_rate=1e-3,
)


@dataclass
class ReplayLab(Lab):
    """As `Lab`, with Rainbow."""

    config: RainbowConfig = TINY_RAINBOW

    def make_learner(self, observation_space, action_space, *, seed, **options) -> Rainbow:
        self.learners.append(Rainbow(observation_space, action_space, self.config, seed=seed, **options))
        return self.learners[-1]


def mean_return(policy: Policy, goals: Sequence[int], episodes: int = 512, seed: int = 0) -> float:
    """Mean return of the first `episodes // 64` episodes of each of 64 slots: none counts for being short."""
    envs = GoalLine(goals, 64, seed, "stay")
    rngs = [np.random.default_rng([seed, slot]) for slot in range(envs.num_envs)]
    obs, _ = envs.reset(seed=seed)
    start, state = np.ones(envs.num_envs, np.bool_), policy.initial_state(envs.num_envs)
    played, total = np.zeros(envs.num_envs, np.int64), 0.0
    while played.min() < episodes // envs.num_envs:
        action, state = policy.act(obs, state, start, rngs)
        obs, reward, start, _, _ = envs.step(action)
        total += reward[played < episodes // envs.num_envs].sum()
        played += start
    return total / (episodes // envs.num_envs * envs.num_envs)


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def replay_lab() -> ReplayLab:
    return ReplayLab()


def same(a: Any, b: Any) -> bool:
    """Whether two nested states hold the same bits."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    return a == b


@pytest.fixture(scope="session", name="same")
def same_fixture():
    return same


@pytest.fixture(scope="session")
def goal_line():
    return GoalLine


@pytest.fixture(scope="session")
def goal_trials():
    return GoalTrials


@pytest.fixture(scope="session")
def family():
    """What tests of learning need besides the lab."""
    return TRAINING_GOALS, NEW_GOAL, BEST_RETURN, RANDOM_RETURN, mean_return


@pytest.fixture(scope="session")
def budget():
    return Budget


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
