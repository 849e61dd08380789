"""Real environments of other people go on where they were: MiniGrid, MinAtar and MuJoCo's robots."""

import gymnasium as gym
import numpy as np
import pytest
from fvm_envs import from_gymnasium
from gymnasium.wrappers import TimeLimit


def assert_goes_on_the_same(one, two, steps):
    """Takes 25 steps in one, hands its state to the other, and plays both alike."""
    one.action_space.seed(0)
    for _ in range(25):
        one.step(one.action_space.sample())
    two.load_state_dict(one.state_dict())
    for _ in range(steps):
        actions = one.action_space.sample()
        for part, other in zip(one.step(actions)[:4], two.step(actions)[:4], strict=True):
            np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize("name", ["Empty-5x5", "DoorKey-5x5"])
def test_minigrid(name):
    pytest.importorskip("minigrid")
    from minigrid.wrappers import ImgObsWrapper

    def make(task):
        return ImgObsWrapper(gym.make(f"MiniGrid-{name}-v0", max_steps=10 + task.level))

    one, two = (from_gymnasium(make, "minigrid/steps/0:4", 3, seed) for seed in (1, 2))
    assert one.saves == "replay"
    assert one.reset()[0].shape == (3, 7, 7, 3)
    assert_goes_on_the_same(one, two, 30)


def test_minatar():
    pytest.importorskip("minatar")
    from minatar.gym import BaseEnv

    # Games differ in their channels, so a family is one game; its tasks are how often an action sticks.
    def sticky(task):
        env = TimeLimit(BaseEnv("breakout", use_minimal_action_set=False), 200)
        env.unwrapped.game.sticky_action_prob = task.level / 100
        return env

    one, two = (from_gymnasium(sticky, "minatar/breakout-sticky/0:50", 3, seed) for seed in (1, 2))
    obs, _ = one.reset()
    assert obs.shape == (3, 10, 10, 4)
    assert obs.dtype == bool
    if one.saves_state:
        assert_goes_on_the_same(one, two, 60)


@pytest.mark.manipulation
def test_mujocos_own_robots():
    for module in ("glfw", "imageio"):  # gymnasium's robots import them, drawn or not
        pytest.importorskip(module)

    def make(task):
        env = gym.make("InvertedPendulum-v5", max_episode_steps=30)
        env.unwrapped.model.opt.gravity[2] = -task.level
        return env

    one, two = (from_gymnasium(make, "pendulum/gravity/5:15", 2, seed) for seed in (1, 2))
    assert one.saves == "replay"
    one.reset()
    assert_goes_on_the_same(one, two, 40)
