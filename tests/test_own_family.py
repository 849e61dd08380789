"""Every paradigm on families that this project does not know, and how they resume."""

import copy

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_envs import TaskSet, from_gymnasium
from fvm_envs.restarts import Restarts
from fvm_eval import Budget
from fvm_learners import PPO, PPOConfig
from fvm_learners.rainbow import Rainbow, RainbowConfig
from fvm_meta import RL2, MultiTask, Reptile, ReptileConfig, RL2Config, Scratch
from fvm_meta.pearl import PEARL, PEARLConfig

torch.set_num_threads(1)

NUM_ENVS = 4


def cartpole(task):
    env = gym.make("CartPole-v1")
    env.unwrapped.length = task.level / 100
    return env


def pendulum(task):
    return gym.make("Pendulum-v1", g=float(task.level), max_episode_steps=16)


def minatar(task):
    games = pytest.importorskip("minatar.gym")
    env = games.BaseEnv("breakout", sticky_action_prob=task.level / 100)
    env = gym.wrappers.TimeLimit(env, 100)
    space = gym.spaces.Box(0, 255, env.observation_space.shape, np.uint8)
    return gym.wrappers.TransformObservation(env, lambda obs: obs.astype(np.uint8) * 255, space)


FAMILIES = {
    "cartpole": (cartpole, "cartpole/length/40:44", "mlp"),
    "pendulum": (pendulum, "pendulum/g/8:12", "mlp"),
    "minatar": (minatar, "minatar/breakout/5:9", "minatar"),
}
SHORT = {"num_steps": 8, "num_minibatches": 2}


def built(paradigm, family, config, seen):
    make, _, network = FAMILIES[family]

    def make_learner(observation_space, action_space, *, seed, **hooks):
        if paradigm is PEARL:
            learner = RainbowConfig(
                encoder=network,
                hidden_size=16,
                latent_size=4,
                batch_size=8,
                learn_start=32,
                replay_capacity=512,
                context_next_obs=False,
            )
            return Rainbow(observation_space, action_space, learner, seed=seed, **hooks)
        memory = {"recurrent": True, "lstm_size": 8} if paradigm is RL2 else {}
        learner = PPOConfig(network=network, **SHORT, **memory)
        return PPO(observation_space, action_space, learner, seed=seed, **_of_ppo(hooks))

    def make_envs(tasks, *, seed, on_episode_end, split=1, trials=None, replicates=False):
        def noted(task):
            seen.add(task)
            return make(task)

        return from_gymnasium(
            noted, tasks, NUM_ENVS // split, seed, on_episode_end=on_episode_end, trials=trials
        )

    return paradigm(make_learner, make_envs, config)


def _of_ppo(hooks):
    return {name: hook for name, hook in hooks.items() if name in ("hooks", "loss_term")}


PARADIGMS = {
    "scratch": (Scratch, None),
    "multitask": (MultiTask, None),
    "reptile": (Reptile, ReptileConfig(inner_updates=1)),
    "rl2": (RL2, RL2Config(trials=2)),
    "pearl": (PEARL, PEARLConfig()),
}
CASES = [
    (name, family) for family in FAMILIES for name in PARADIGMS if (name, family) != ("pearl", "pendulum")
]


@pytest.mark.parametrize(("name", "family"), CASES)
def test_a_paradigm_plays_it(name, family):
    paradigm, config = PARADIGMS[name]
    tasks = list(TaskSet.parse(FAMILIES[family][1]))
    seen = set()
    agent = built(paradigm, family, config, seen)
    last = None
    if name != "scratch":
        *_, last = agent.pretrain(tasks[:3], Budget(env_steps=192), np.random.default_rng(0))
        assert len(seen) > 1  # its environments are made when a slot first plays them
    *_, adapted = agent.adapt(last, tasks[3], Budget(env_steps=96), np.random.default_rng(1), at=(96,))
    assert adapted.env_step == 96
    assert all(torch.isfinite(part).all() for part in adapted.policy.weights.values())


class OwnState(gym.Wrapper):
    """CartPole as an environment that saves its own state."""

    def state_dict(self):
        inner = self.env.unwrapped
        return {
            "state": np.array(inner.state),
            "rng": inner.np_random.bit_generator.state,
            "steps_beyond": inner.steps_beyond_terminated,
            "elapsed": self.env._elapsed_steps,
        }

    def load_state_dict(self, state):
        inner = self.env.unwrapped
        inner.state = np.array(state["state"])
        inner.np_random.bit_generator.state = state["rng"]
        inner.steps_beyond_terminated = state["steps_beyond"]
        self.env._elapsed_steps = state["elapsed"]


def own_state(task):
    # Gymnasium's own wrappers, which remember whether there was a reset, stay outside.
    return OwnState(gym.wrappers.TimeLimit(cartpole(task).unwrapped, 60))


def same(a, b):
    """Whether two nested states hold the same bits."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


@pytest.mark.parametrize(("saves", "make"), [("replay", cartpole), ("own", own_state), ("none", cartpole)])
def test_multi_task_resumes_bit_for_bit_in_each_way_of_saving(saves, make):
    def make_learner(observation_space, action_space, *, seed, **hooks):
        return PPO(observation_space, action_space, PPOConfig(network="mlp", **SHORT), seed=seed)

    def make_envs(tasks, *, seed, on_episode_end):
        envs = from_gymnasium(make, tasks, NUM_ENVS, seed, on_episode_end=on_episode_end, saves=saves)
        return envs if envs.saves_state else Restarts(envs, seed, 64)

    def snapshots(resume=None):
        agent = MultiTask(make_learner, make_envs)
        tasks = list(TaskSet.parse("cartpole/length/40:44"))
        stream = agent.pretrain(tasks, Budget(env_steps=192), np.random.default_rng(0), resume=resume)
        return [(snapshot, snapshot.state() if snapshot.resumable else None) for snapshot in stream]

    whole = snapshots()
    kept = [position for position, (_, state) in enumerate(whole[:-1]) if state is not None]
    assert len(kept) >= 2
    for position in kept:
        rest = snapshots(copy.deepcopy(whole[position][1]))
        assert len(rest) == len(whole) - position - 1
        for (resumed, _), (expected, _) in zip(rest, whole[position + 1 :], strict=True):
            assert same(dict(resumed.policy.weights), dict(expected.policy.weights))
            assert resumed.episodes == expected.episodes
