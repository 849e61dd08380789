"""Episodes of several slots, step by step, counted in all three autoreset modes."""

import gymnasium as gym
import numpy as np
import pytest
from fvm_learners import PPO, PPOConfig, Rainbow, RainbowConfig
from fvm_learners.autoreset import Step
from fvm_learners.running import Running, begun
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics


def outcome(reward, terminated, task=(0, 0)):
    return Step(
        obs=np.zeros((2, 1)),
        reward=np.array(reward),
        terminated=np.array(terminated),
        truncated=np.zeros(2, bool),
        final_slots=np.zeros(0, np.int64),
        final_obs=None,
        info={},
        task_index=np.array(task),
    )


def test_a_reset_row_counts_nothing_and_precedes_an_episodes_first():
    running = Running(**begun({}, 2))
    mode = AutoresetMode.NEXT_STEP
    assert running.advance(outcome([1.0, 2.0], [False, False]), mode, 2) == []
    (episode,) = running.advance(outcome([3.0, 4.0], [True, False]), mode, 4)
    assert (episode.env_step, episode.return_, episode.length) == (4, 4.0, 2)
    assert running.reset_row.tolist() == [True, False]
    assert running.episode_start.tolist() == [False, False]
    running.advance(outcome([9.0, 1.0], [False, False]), mode, 6)
    assert running.episode_start.tolist() == [True, False]
    assert running.return_.tolist() == [0.0, 7.0]
    assert running.length.tolist() == [0, 3]


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
def test_the_next_observation_is_an_episodes_first_at_once(mode):
    running = Running(**begun({"task_index": np.array([1, 0])}, 2))
    (episode,) = running.advance(outcome([3.0, 4.0], [True, False], task=(0, 0)), mode, 2)
    assert (episode.task_index, episode.return_) == (1, 3.0)
    assert running.episode_start.tolist() == [True, False]
    assert not running.reset_row.any()
    assert running.task_index.tolist() == [0, 0]


def test_a_move_in_mid_episode_is_named():
    running = Running(**begun({}, 2))
    running.check_moves(outcome([0.0, 0.0], [True, False], task=(1, 0)))
    with pytest.raises(ValueError, match=r"slots \[1\] changed their task in mid-episode"):
        running.check_moves(outcome([0.0, 0.0], [True, False], task=(1, 1)))


@pytest.mark.parametrize("kind", ["ppo", "rainbow"])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_returns_are_the_envs_whatever_a_wrapper_counts(kind, mode):
    """CartPole pays 1 a step, so a return is its length; upstream's statistics miss the masked resets."""
    envs = SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 4, autoreset_mode=mode)
    envs = RecordEpisodeStatistics(envs)
    spaces = envs.single_observation_space, envs.single_action_space
    if kind == "ppo":
        learner = PPO(*spaces, PPOConfig(num_steps=64, num_minibatches=1, num_epochs=1), seed=0)
    else:
        config = RainbowConfig(num_steps=64, learn_start=2000, replay_capacity=2000)
        learner = Rainbow(*spaces, config, seed=0)
    episodes = learner.iteration(envs).episodes
    assert len(episodes) >= 4
    assert all(episode.return_ == episode.length >= 8 for episode in episodes)  # no pole falls sooner
    assert sum(episode.length for episode in episodes) <= 4 * 64
