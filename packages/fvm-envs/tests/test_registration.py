import gymnasium as gym
import numpy as np
import pytest
from fvm_envs import atari, make_vec
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.procgen import GAMES, modes_of
from fvm_envs.registration import register
from fvm_envs.toy import FAMILIES
from gymnasium.utils.env_checker import check_env

IDS = sorted(id for id in gym.registry if gym.registry[id].entry_point == "fvm_envs.registration:make_single")


def test_every_game_and_family_has_an_id():
    expected = {f"procgen/{game}-{mode}-v0" for game in GAMES for mode in modes_of(game)}
    expected |= {f"atari/{game}-v0" for game in atari.GAMES}
    expected |= {f"rlbench/{name}-v0" for name in TASKS}
    assert set(IDS) == expected | {f"toy/{family}-v0" for family in FAMILIES}
    register()  # May be repeated: no warning that an id is overridden.


MARKS = {
    "procgen": pytest.mark.procgen,
    "atari": pytest.mark.atari,
    "rlbench": pytest.mark.manipulation,
    "toy": (),
}
# Atari's games differ by name alone, and each takes a second here.
CHECKED = [id for id in IDS if not id.startswith("atari/") or id == "atari/ms_pacman-v0"]


@pytest.mark.parametrize("id", [pytest.param(id, marks=MARKS[id.split("/")[0]]) for id in CHECKED])
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


@pytest.mark.atari
def test_an_atari_game_tells_of_lost_lives():
    env = gym.make("atari/breakout-v0", fire_reset=True, max_frames=400).unwrapped
    _, info = env.reset(seed=0)
    assert info == {"task_index": 0, "lives": 5}
    steps = [env.step(0) for _ in range(100)]
    lost = [info["life_lost"] for *_, info in steps]
    assert lost.count(True) == 1
    assert steps[lost.index(True)][-1] == {"task_index": 0, "lives": 4, "life_lost": True}
    assert steps[-1][2:4] == (False, True)
    assert steps[-1][0][..., 0].any()  # the last observation of the episode, not the first of the next
    env.close()


def test_make_vec_of_gymnasium():
    envs = gym.make_vec("toy/hidden-catch-v0", num_envs=4, levels="3", on_episode_end="stay")
    assert envs.tasks.ids == ("toy/hidden-catch/3",)
    assert envs.reset()[0].shape == (4, 84, 84, 3)


@pytest.mark.manipulation
def test_normalised_actions_are_gymnasiums_wrapper(recwarn):
    env = gym.make("rlbench/reach_target-v0", image_size=8, episode_length=2)
    scaled = gym.wrappers.RescaleAction(env, np.float32(-1), np.float32(1))
    scaled.reset(seed=0)
    centre = np.array([0, 0, 0, 1, 0, 0, 0, 1], dtype=np.float32)  # of the workspace, fingers down
    obs, *_ = scaled.step(centre)
    np.testing.assert_allclose(obs["gripper_pose"][:3], [0.2, 0, 1.1], atol=2e-3)
    check_env(scaled.unwrapped)
    said = [str(warning.message) for warning in recwarn if "symmetric and normalized" in str(warning.message)]
    assert len(said) == 1  # of the plain environment, whose box is metres
    recwarn.clear()
    check_env(scaled)
    assert not [warning for warning in recwarn if "symmetric and normalized" in str(warning.message)]
    envs = make_vec("rlbench/reach_target", 2, 0, image_size=8)
    envs = gym.wrappers.vector.RescaleAction(envs, np.float32(-1), np.float32(1))
    envs.reset()
    obs, *_ = envs.step(np.tile(centre, (2, 1)))
    np.testing.assert_allclose(obs["gripper_pose"][:, :3], [[0.2, 0, 1.1]] * 2, atol=2e-3)


def test_bad_use():
    with pytest.raises(ValueError, match="expected 'rgb_array' or None"):
        gym.make("toy/catch-v0", render_mode="human").unwrapped.reset()
    with pytest.raises(RuntimeError, match="reset first"):
        gym.make("toy/catch-v0").unwrapped.step(0)
    with pytest.raises(TypeError, match="no trials"):
        gym.make("toy/catch-v0", trials=2)
    with pytest.raises(TypeError, match="does not reset itself"):
        gym.make("toy/catch-v0", autoreset="next_step")


def test_without_a_seed_no_two_environments_are_alike():
    """As Gymnasium has it: all had played the episodes of seed 0, side by side in a vector of them."""
    seeds = {gym.make("toy/catch-v0").unwrapped.envs.np_random_seed for _ in range(3)}
    assert len(seeds) == 3
