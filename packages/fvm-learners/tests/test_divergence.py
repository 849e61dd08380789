"""Runs that diverge go on to their end, with weights that say so; wrong inputs are named."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig, Rainbow, RainbowConfig
from fvm_learners.hooks import Term
from fvm_learners.observations import check_finite
from fvm_learners.replay import Replay
from fvm_learners.replay.sum_tree import SumTree
from gymnasium.vector import AutoresetMode, SyncVectorEnv

RAINBOW = {
    "num_steps": 8, "learn_start": 16, "replay_capacity": 200, "batch_size": 8, "num_atoms": 5,
    "mlp_sizes": (8,), "hidden_size": 8,
}  # fmt: skip
PPO_FIELDS = {"num_steps": 8, "num_minibatches": 2, "num_epochs": 1, "mlp_sizes": (8,)}


class Rewarding(gym.Env):
    """Episodes of 6 steps; the reward is what it is told."""

    observation_space = gym.spaces.Box(-1, 10, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, reward):
        self.reward = reward

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.full(2, self.t, np.float32), self.reward, self.t == 6, False, {}


def envs_of(reward=1.0):
    return SyncVectorEnv([lambda: Rewarding(reward)] * 4, autoreset_mode=AutoresetMode.SAME_STEP)


def learner(kind, envs, hooks=(), **changes):
    spaces = envs.single_observation_space, envs.single_action_space
    if kind == "rainbow":
        return Rainbow(*spaces, RainbowConfig(**RAINBOW | changes), seed=0, hooks=hooks)
    return PPO(*spaces, PPOConfig(**PPO_FIELDS | changes), seed=0, hooks=hooks)


def plays_to_the_end(agent, envs):
    """Learns, is frozen and plays, saves and goes on; whether its weights are finite."""
    steps = sum(iteration.env_steps for iteration in agent.learn(envs, 320))
    assert steps == 320
    policy = agent.frozen_policy()
    obs, _ = envs.reset(seed=0)
    rngs = [np.random.default_rng(i) for i in range(4)]
    action, _ = policy.act(obs, policy.initial_state(4), np.ones(4, bool), rngs)
    assert envs.action_space.contains(action)
    agent.load_state_dict(agent.state_dict())
    agent.restart()
    agent.iteration(envs)
    return all(bool(torch.isfinite(weight).all()) for weight in agent.weights().values())


@pytest.mark.parametrize("kind", ["rainbow", "ppo"])
@pytest.mark.parametrize("cause", ["nan reward", "nan term", "inf term", "learning rate"])
def test_a_diverged_run_goes_on_and_shows_it(kind, cause):
    envs = envs_of(np.nan if cause == "nan reward" else 1.0)
    lost = {"nan term": np.nan, "inf term": np.inf}.get(cause)
    hooks = () if lost is None else [Term("t", lambda policy, batch: lost * next(policy.parameters()).sum())]
    changes = {"learning_rate": 1e30} if cause == "learning rate" else {}
    assert not plays_to_the_end(learner(kind, envs, hooks, **changes), envs)


def test_a_diverged_policy_still_gives_continuous_actions():
    envs = SyncVectorEnv([lambda: gym.make("Pendulum-v1")] * 4)
    ppo = learner("ppo", envs, learning_rate=1e30)
    assert not plays_to_the_end(ppo, envs)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_leaves_priorities_alone(bad):
    replay = Replay(40, (1,), torch.float32, frame_stack=1, n_step=1, discount=0.9, priority_exponent=0.5)
    for t in range(10):
        given = [np.array([x]) for x in (t % 2, 1.0, False, t == 0)]
        replay.append([0], np.array([[float(t)]], np.float32), *given)
    before, num = replay._tree.priorities.copy(), replay.num_transitions
    replay.update_priorities(np.arange(4), np.array([bad, 4.0, bad, 0.25], np.float32))
    expected = before.copy()
    expected[[1, 3]] = 2.0, 0.5
    assert replay._tree.priorities.tolist() == expected.tolist()
    assert replay.num_transitions == num == 9
    assert replay.max_priority == 2.0
    replay.update_priorities(np.arange(2), np.array([bad, bad], np.float32))
    assert replay._tree.priorities.tolist() == expected.tolist()
    rows, probability = replay.draw(50, np.random.default_rng(0))
    assert np.isfinite(probability).all()
    assert set(rows.tolist()) <= set(range(9))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_a_sum_tree_refuses_what_would_spoil_it(bad):
    tree = SumTree(10)
    with pytest.raises(ValueError, match="give finite numbers, 0 or more"):
        tree.set(np.array([1, 2]), np.array([1.0, bad]))
    assert tree.total == 0


# ---- wrong inputs


class Blinded(Rewarding):
    """Shows what is not finite once: at the nth reset, step within an episode, or end."""

    def __init__(self, bad, at, where):
        super().__init__(1.0)
        self.bad, self.at, self.where, self.count = bad, at, where, 0

    def shown(self, obs, where):
        self.count += where == self.where
        return np.full(2, self.bad, np.float32) if where == self.where and self.count == self.at else obs

    def reset(self, *, seed=None, options=None):
        obs, info = super().reset(seed=seed)
        return self.shown(obs, "reset"), info

    def step(self, action):
        obs, reward, _, _, info = super().step(action)
        return self.shown(obs, "end" if self.t == 6 else "step"), reward, False, self.t == 6, info


@pytest.mark.parametrize("kind", ["rainbow", "ppo"])
@pytest.mark.parametrize(
    ("bad", "at", "where"),
    [
        (np.nan, 1, "reset"),
        (np.inf, 20, "reset"),
        (np.nan, 1, "step"),
        (-np.inf, 170, "step"),
        (np.nan, 20, "end"),
    ],
)
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_an_observation_that_is_not_finite_is_named_at_any_time(kind, bad, at, where, mode):
    blinded = [lambda: Blinded(bad, at, where), *[lambda: Rewarding(1.0)] * 3]
    envs = SyncVectorEnv(blinded, autoreset_mode=mode)
    agent = learner(kind, envs, **({"learn_start": 199} if kind == "rainbow" else {}))
    with pytest.raises(ValueError, match="an observation is not finite"):
        list(agent.learn(envs, 60 * 32))


def test_of_several_parts_the_one_that_is_not_finite_is_named():
    good, bad = np.zeros((2, 3), np.float32), np.array([[0, 1, 2], [0, np.nan, 2]], np.float32)
    check_finite({"obs": good, "feedback": bad})  # a reward of NaN: the run has diverged
    check_finite({"obs": np.zeros((2, 3), np.uint8), "depth": good})
    with pytest.raises(ValueError, match="an observation 'depth' is not finite"):
        check_finite({"obs": good, "depth": bad})


def test_tasks_without_a_replay_are_named(catch, make):
    envs = catch(num_envs=4, tasks=2)
    with pytest.raises(ValueError, match=r"play task 1 .* replays for 1, counted from 0: make it with"):
        make(envs, num_tasks=1).collect(envs, 1)


@pytest.mark.parametrize("kind", ["rainbow", "ppo"])
def test_observations_without_an_axis_are_named(kind):
    class Scalar(Rewarding):
        observation_space = gym.spaces.Box(0, 1, (), np.float32)

    with pytest.raises(ValueError, match=r"single numbers of shape \(\): give them an axis"):
        learner(kind, SyncVectorEnv([lambda: Scalar(1.0)]))


@pytest.mark.parametrize("kind", ["rainbow", "ppo"])
def test_a_single_env_is_told_how_to_become_several(kind):
    envs, single = envs_of(), Rewarding(1.0)
    for use in (lambda a: a.iteration(single), lambda a: next(a.learn(single, 8))):
        with pytest.raises(TypeError, match=r"is a single env, .* gymnasium.make_vec\(id, num_envs=8\)"):
            use(learner(kind, envs))


@pytest.mark.parametrize("kind", ["rainbow", "ppo"])
def test_envs_of_another_shape_are_named(kind):
    """Without, it is matrices that cannot be multiplied."""
    agent, wide = learner(kind, envs_of()), gym.make_vec("CartPole-v1", 4)
    with pytest.raises(
        ValueError, match=r"show observations of shape \(4,\), and this learner was made for \(2,\)"
    ):
        agent.iteration(wide)
