"""Stable-Baselines3 on our environments: its contract by numbers, and its PPO on four benchmarks."""

import gymnasium as gym
import numpy as np
import pytest

sb3 = pytest.importorskip("stable_baselines3")

from fvm_envs import from_gymnasium, make_vec  # noqa: E402
from fvm_envs.sb3 import Sb3Vec  # noqa: E402
from stable_baselines3.common.vec_env import VecMonitor, VecTransposeImage  # noqa: E402


def cartpole(task):
    return gym.make("CartPole-v1", max_episode_steps=task.level)


def test_steps_are_those_of_the_environment():
    one, plain = Sb3Vec(make_vec("toy/hidden-catch/0:5", 3, 0)), make_vec("toy/hidden-catch/0:5", 3, 0)
    one.seed(4)
    np.testing.assert_array_equal(one.reset(), plain.reset(seed=4)[0])
    rng, ended = np.random.default_rng(0), 0
    for _ in range(12):
        action = rng.integers(4, size=3)
        obs, reward, done, infos = one.step(action)
        expected, paid, terminated, truncated, info = plain.step(action)
        np.testing.assert_array_equal(obs, expected)
        np.testing.assert_array_equal(reward, paid)
        np.testing.assert_array_equal(done, terminated | truncated)
        for slot, told in enumerate(infos):
            assert told["task_index"] == info["task_index"][slot]
            assert ("terminal_observation" in told) == bool(done[slot])
            if done[slot]:
                ended += 1
                np.testing.assert_array_equal(told["terminal_observation"], info["final_obs"][slot])
                assert told["episode"]["r"] == info["episode"]["r"][slot]
                assert told["episode"]["l"] == 3
                assert told["TimeLimit.truncated"] is False
    assert ended == 12


def test_a_time_limit_is_told_apart():
    envs = Sb3Vec(from_gymnasium(cartpole, "cartpole/steps/5:6", 2, 0))
    envs.reset()
    for _ in range(5):
        *_, done, infos = envs.step(np.array([0, 1]))
    assert done.all()
    assert [told["TimeLimit.truncated"] for told in infos] == [True, True]


@pytest.mark.procgen
def test_procgens_time_out_is_an_end():
    """Nobody has its last observation, whose value SB3 would ask for."""
    envs = Sb3Vec(make_vec("procgen/coinrun-easy/0:1", 2, 0))
    envs.reset()
    for _ in range(1000):
        *_, done, infos = envs.step(np.array([4, 4]))
    assert done.all()
    assert [told["TimeLimit.truncated"] for told in infos] == [False, False]


TRAINED = {
    "toy": lambda: (make_vec("toy/catch/0:4", 4, 0), "CnnPolicy"),
    "procgen": lambda: (make_vec("procgen/coinrun-easy/0:5", 4, 0, actions="coinrun"), "CnnPolicy"),
    "atari": lambda: (make_vec("atari/pong", 4, 0), "CnnPolicy"),
    "own": lambda: (from_gymnasium(cartpole, "cartpole/steps/50:55", 4, 0), "MlpPolicy"),
}
MARKS = {"procgen": pytest.mark.procgen, "atari": pytest.mark.atari}


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in TRAINED])
def test_its_ppo_trains(name):
    envs, policy = TRAINED[name]()
    wrapped = Sb3Vec(envs)
    agent = sb3.PPO(policy, wrapped, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu")
    before = [part.clone() for part in agent.policy.parameters()]
    agent.learn(64)
    assert agent.num_timesteps == 64
    assert any((part != old).any() for part, old in zip(agent.policy.parameters(), before, strict=True))
    action, _ = agent.predict(wrapped.reset())
    assert action.shape == (4,)
    wrapped.close()


def test_its_own_wrappers_take_it():
    envs = VecMonitor(VecTransposeImage(Sb3Vec(make_vec("toy/hidden-catch/0:5", 2, 0, episode_stats=False))))
    assert envs.reset().shape == (2, 3, 84, 84)
    for _ in range(3):
        *_, infos = envs.step(np.zeros(2, dtype=int))
    assert [told["episode"]["l"] for told in infos] == [3, 3]


def test_next_step_is_refused():
    with pytest.raises(ValueError, match="make envs with autoreset='same_step'"):
        Sb3Vec(make_vec("toy/catch/0:4", 2, 0, autoreset="next_step"))
    for call in (lambda envs: envs.set_attr("tasks", 1), lambda envs: envs.env_method("act")):
        with pytest.raises(NotImplementedError, match="`envs`"):
            call(Sb3Vec(make_vec("toy/catch/0:4", 2, 0)))
