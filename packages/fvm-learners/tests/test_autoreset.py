"""What we take for granted about Gymnasium, and that its three autoreset modes come to the same."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners.autoreset import autoreset_mode
from fvm_learners.ppo.actor_critic import ActorCritic
from fvm_learners.ppo.gae import gae
from fvm_learners.ppo.rollout import Rollout, begin, collect
from gymnasium.vector import AutoresetMode

CPU = torch.device("cpu")


def make_policy(envs, lstm_size=None):
    return ActorCritic(
        envs.single_observation_space,
        envs.single_action_space,
        network="mlp",
        mlp_sizes=(8,),
        lstm_size=lstm_size,
        rng=torch.Generator().manual_seed(0),
    )


def roll(envs, num_steps, lstm_size=None, num_rollouts=1):
    policy = make_policy(envs, lstm_size)
    rng, carry, env_step = torch.Generator().manual_seed(0), begin(envs, policy, 0, CPU), 0
    rollouts, episodes = [], []
    for _ in range(num_rollouts):
        rollout = Rollout.allocate(policy, num_steps, envs.num_envs, CPU)
        carry, ended = collect(envs, policy, carry, rollout, rng, None, env_step)
        env_step += num_steps * envs.num_envs
        rollouts.append(rollout)
        episodes += ended
    return rollouts, episodes


# ---- Gymnasium


def test_gymnasium_next_step_returns_the_last_obs_and_ignores_the_next_action(scripted):
    envs = scripted(AutoresetMode.NEXT_STEP, num_envs=1)
    envs.reset()
    for _ in range(4):
        obs, reward, terminated, _, info = envs.step(np.array([0]))
    assert obs[0].tolist() == [0, 0, 4]
    assert terminated[0]
    assert "final_obs" not in info
    obs, reward, terminated, truncated, _ = envs.step(np.array([1]))
    assert obs[0].tolist() == [0, 1, 0]
    assert (reward[0], terminated[0], truncated[0]) == (0, False, False)


def test_gymnasium_same_step_returns_the_first_obs_and_the_last_in_info(scripted):
    envs = scripted(AutoresetMode.SAME_STEP, num_envs=2, lengths=(4, 2, 5, 1))
    envs.reset()
    for _ in range(4):
        obs, _, terminated, _, info = envs.step(np.array([0, 0]))
    assert terminated.all()
    assert obs[1].tolist() == [1, 1, 0]
    assert np.asarray(info["final_obs"][1]).tolist() == [1, 0, 4]
    assert info["_final_obs"].dtype == np.bool_
    assert info["_final_obs"].all()


def test_gymnasium_disabled_resets_only_the_masked_slots(scripted):
    envs = scripted(AutoresetMode.DISABLED, num_envs=2)
    envs.reset()
    envs.step(np.array([0, 0]))
    obs, _ = envs.reset(options={"reset_mask": np.array([False, True])})
    assert obs.tolist() == [[0, 0, 1], [1, 1, 0]]


def test_gymnasium_record_episode_statistics_layout():
    envs = gym.wrappers.vector.RecordEpisodeStatistics(gym.make_vec("CartPole-v1", num_envs=3))
    envs.reset(seed=0)
    for _ in range(200):
        _, _, terminated, truncated, info = envs.step(np.zeros(3, dtype=np.int64))
        if (terminated | truncated).any():
            break
    assert info["_episode"].tolist() == (terminated | truncated).tolist()
    assert info["episode"]["r"].shape == info["episode"]["l"].shape == (3,)


# ---- ours


@pytest.mark.parametrize("lstm_size", [None, 6])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_all_modes_give_the_same_transitions(scripted, mode, lstm_size):
    """`Scripted` does not heed actions, so what it should give can be written down."""
    (rollout,), episodes = roll(scripted(mode), 40, lstm_size)
    policy = make_policy(scripted(mode), lstm_size)
    for slot in range(3):
        valid = rollout.valid[:, slot]
        obs, cut, terminated = (getattr(rollout, n)[valid, slot] for n in ("obs", "cut", "terminated"))
        row = 0
        for episode in range(6):
            length, truncated = (4, 2, 5, 1)[episode % 4], episode in (1, 2, 5, 6)
            state = policy.initial_state(1)
            for t in range(length):
                last = t == length - 1
                assert obs[row].tolist() == [slot, episode, t]
                assert cut[row].item() == last
                assert terminated[row].item() == (last and not truncated)
                assert rollout.reward[valid, slot][row].item() == pytest.approx(slot + (t + 1) / 10)
                assert rollout.episode_start[valid, slot][row].item() == (t == 0)
                start = torch.tensor([False])
                _, value, state = policy(obs[row][None], state, start)
                assert rollout.value[valid, slot][row].item() == pytest.approx(value.item(), abs=1e-5)
                if not (last and not truncated):
                    next_obs = torch.tensor([[slot, episode, t + 1.0]])
                    expected = policy(next_obs, state, start)[1].item()
                    assert rollout.next_value[valid, slot][row].item() == pytest.approx(expected, abs=1e-5)
                row += 1
    played = {(e.length, round(e.return_, 3)) for e in episodes}
    assert played == {(n, round(n * slot + n * (n + 1) / 20, 3)) for n in (4, 2, 5, 1) for slot in range(3)}


def test_all_modes_give_the_same_advantages(scripted):
    advantages = {}
    for mode in AutoresetMode:
        (r,), _ = roll(scripted(mode), 40)
        advantage = gae(r.reward, r.value, r.next_value, r.terminated, r.cut, discount=0.9, gae_lambda=0.95)
        whole = 4 + 2 + 5 + 1 + 4 + 2  # steps of the first six episodes
        advantages[mode] = torch.stack([advantage[r.valid[:, slot], slot][:whole] for slot in range(3)])
    torch.testing.assert_close(advantages[AutoresetMode.NEXT_STEP], advantages[AutoresetMode.DISABLED])
    torch.testing.assert_close(advantages[AutoresetMode.SAME_STEP], advantages[AutoresetMode.DISABLED])


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_two_rollouts_are_one_cut_in_two(scripted, mode):
    """Recurrent state, flags and reset rows go over the boundary; here just after an end."""
    (whole,), whole_episodes = roll(scripted(mode), 8, lstm_size=6)
    halves, episodes = roll(scripted(mode), 4, lstm_size=6, num_rollouts=2)
    assert episodes == whole_episodes
    for name in ("obs", "value", "reward", "next_value", "terminated", "cut", "episode_start", "valid"):
        torch.testing.assert_close(torch.cat([getattr(half, name) for half in halves]), getattr(whole, name))


def test_a_truncation_whose_last_obs_is_not_shown_is_terminal(scripted):
    class Hidden(gym.vector.VectorWrapper):
        def step(self, actions):
            *outcome, info = self.env.step(actions)
            return *outcome, {k: v for k, v in info.items() if "final" not in k}

    (rollout,), _ = roll(Hidden(scripted(AutoresetMode.SAME_STEP)), 40)
    assert torch.equal(rollout.terminated, rollout.cut)
    assert rollout.cut.sum() > 10


def test_a_lost_life_cuts_the_bootstrap_but_not_the_episode(scripted):
    class Lives(gym.vector.VectorWrapper):
        def step(self, actions):
            obs, reward, terminated, truncated, info = self.env.step(actions)
            return obs, reward, terminated, truncated, info | {"life_lost": obs[:, 2] == 2}

    (rollout,), episodes = roll(Lives(scripted(AutoresetMode.SAME_STEP, num_envs=1, lengths=(5,))), 5)
    assert rollout.terminated[:, 0].tolist() == [False, True, False, False, True]
    assert rollout.cut[:, 0].tolist() == [False, True, False, False, True]
    assert rollout.episode_start[:, 0].tolist() == [True, False, False, False, False]
    assert [e.length for e in episodes] == [5]


def test_envs_that_declare_no_mode_are_refused(scripted):
    envs = scripted(AutoresetMode.NEXT_STEP)
    del envs.metadata["autoreset_mode"]
    with pytest.raises(
        ValueError, match=r"does not say when it resets: set envs.metadata\['autoreset_mode'\]"
    ):
        autoreset_mode(envs)
