import fvm_envs
import gymnasium as gym
import numpy as np
import pytest
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.procgen import GAMES, modes_of
from gymnasium.utils.env_checker import check_env

IDS = sorted(id for id in gym.registry if gym.registry[id].entry_point == "fvm_envs.single:make_single")
NEEDS = {"procgen": pytest.mark.procgen, "rlbench": pytest.mark.manipulation}


def test_every_game_and_family_has_an_id():
    expected = {f"procgen/{game}-{mode}-v0" for game in GAMES for mode in modes_of(game)}
    assert set(IDS) == expected | {"toy/catch-v0", "toy/hidden-catch-v0", "toy/visible-catch-v0"} | {
        f"rlbench/{name}-v0" for name in TASKS
    }
    fvm_envs.register()  # May be repeated: no warning that an id is overridden.


@pytest.mark.parametrize("id", [pytest.param(id, marks=NEEDS.get(id.split("/")[0], ())) for id in IDS])
def test_check_env(id):
    env = gym.make(id, render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


@pytest.mark.procgen
def test_levels_seeds_and_the_end_of_an_episode():
    env = gym.make("procgen/coinrun-easy-v0", levels="0:50", actions="right").unwrapped
    drawn = [env.reset(seed=seed)[1]["task_index"] for seed in range(8)]
    assert drawn == [env.reset(seed=seed)[1]["task_index"] for seed in range(8)]
    assert len(set(drawn)) > 1
    first, info = env.reset(options={"task": "procgen/coinrun-easy/4"})
    assert info["task_index"] == 4
    over, action = False, 0
    while not over:
        obs, _, terminated, truncated, info = env.step(action)
        over, action = terminated or truncated, 1 - action
    assert info["task_index"] == 4
    assert not np.array_equal(obs, first)
    assert env.render() is None
    env.close()


def test_make_vec_of_gymnasium():
    envs = gym.make_vec("toy/hidden-catch-v0", num_envs=4, levels="3", on_episode_end="stay")
    assert envs.tasks.ids == ("toy/hidden-catch/3",)
    assert envs.reset()[0].shape == (4, 84, 84, 3)


def test_bad_use():
    with pytest.raises(ValueError, match="expected 'rgb_array' or None"):
        gym.make("toy/catch-v0", render_mode="human").unwrapped.reset()
    with pytest.raises(RuntimeError, match="reset first"):
        gym.make("toy/catch-v0").unwrapped.step(0)
    with pytest.raises(TypeError, match="no trials"):
        gym.make("toy/catch-v0", trials=2)
