import gymnasium as gym
import numpy as np
import torch
from fvm_learners import PPO, TRAIN_PROCGEN, PPOConfig
from fvm_learners.ppo.rollout import Rollout
from gymnasium.vector import AutoresetMode


def test_a_train_procgen_rollout_takes_at_most_210_mb(images):
    ppo = PPO(images, gym.spaces.Discrete(15), TRAIN_PROCGEN, seed=0)
    rollout = Rollout.allocate(ppo.policy, 256, 64, torch.device("cpu"))
    assert rollout.obs.dtype == torch.uint8
    assert rollout.obs.shape == (256, 64, 64, 64, 3)
    assert 256 * 64 * 64 * 64 * 3 <= rollout.nbytes <= 210e6


def test_episodes_belong_to_the_task_they_were_played_on(recall):
    envs = recall(num_envs=4, delay=0, tasks=4)
    ppo = PPO(envs.single_observation_space, envs.single_action_space, PPOConfig(num_steps=2), seed=0)
    episodes = ppo.iteration(envs).episodes
    assert [e.task_index for e in episodes] == [0, 1, 2, 3, 1, 2, 3, 0]
    assert [e.env_step for e in episodes] == [4] * 4 + [8] * 4
    assert [e.env_step for e in ppo.iteration(envs).episodes] == [12] * 4 + [16] * 4


def test_what_others_count_is_not_believed(recall):
    class Statistics(gym.vector.VectorWrapper):
        def step(self, actions):
            obs, reward, terminated, truncated, info = self.env.step(actions)
            episode = {"r": np.full(self.num_envs, 7.5), "l": np.full(self.num_envs, 9)}
            return obs, reward, terminated, truncated, info | {"episode": episode, "_episode": terminated}

    envs = Statistics(recall(num_envs=2, delay=1))
    ppo = PPO(envs.single_observation_space, envs.single_action_space, PPOConfig(num_steps=8), seed=0)
    episodes = ppo.iteration(envs).episodes
    assert {e.return_ for e in episodes} == {0.0, 1.0}
    assert {e.length for e in episodes} <= {1, 2}  # delay 1: a step to see and one to answer


def test_counted_episodes_agree_with_gymnasiums_wrapper(scripted):
    results = []
    for wrap in (lambda envs: envs, gym.wrappers.vector.RecordEpisodeStatistics):
        envs = wrap(scripted(AutoresetMode.NEXT_STEP))
        ppo = PPO(envs.single_observation_space, envs.single_action_space, PPOConfig(num_steps=40), seed=0)
        results.append([(e.env_step, e.length, round(e.return_, 4)) for e in ppo.iteration(envs).episodes])
    assert len(results[0]) > 20
    assert results[0] == results[1]
