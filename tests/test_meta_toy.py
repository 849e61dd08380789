"""Reptile and RL2 on fvm_envs: what crosses a trial's end, by numbers, and exact resume."""

import copy
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_envs import TaskSet, make_vec
from fvm_eval import Budget, evaluate
from fvm_learners import PPO, SMALL_CPU, PPOConfig
from fvm_learners.ppo.gae import gae
from fvm_learners.ppo.rollout import Rollout, begin, collect
from fvm_meta import RL2, Reptile, ReptileConfig, RL2Config

torch.set_num_threads(1)

HIDDEN = "toy/hidden-catch/0:8"  # trials of 3 steps
TRIALS, LIFETIME = 2, 6
RECURRENT = PPOConfig(network="minatar", num_steps=9, num_minibatches=2, recurrent=True, lstm_size=8)


def build(paradigm, config, num_envs, own=None, **options):
    def make_learner(observation_space, action_space, *, seed, hooks=(), **_):
        return PPO(observation_space, action_space, config, seed=seed, hooks=hooks)

    def make_envs(tasks, *, seed, on_episode_end, split=1, trials=None, replicates=False):
        return make_vec(
            tasks, num_envs // split, seed, on_episode_end=on_episode_end, trials=trials, **options
        )

    return paradigm(make_learner, make_envs, own)


# ---- what crosses a trial's end


class Paid(gym.vector.VectorWrapper):
    """Pays t + 1 for the t-th step of all, so that returns can be written down."""

    def step(self, actions):
        self.t = getattr(self, "t", 0) + 1
        obs, reward, *outcome = self.env.step(actions)
        return obs, np.full_like(reward, self.t), *outcome


@pytest.fixture(scope="module")
def lifetimes():
    """A rollout of two and a half lifetimes of two trials on three slots, and the policy that played it."""
    envs = Paid(make_vec(HIDDEN, 3, 0, trials=TRIALS, cell_pixels=1))
    ppo = PPO(envs.single_observation_space, envs.single_action_space, RECURRENT, seed=0)
    rollout = Rollout.allocate(ppo.policy, 15, 3, torch.device("cpu"))
    carry = begin(envs, ppo.policy, 0, torch.device("cpu"))
    _, episodes = collect(envs, ppo.policy, carry, rollout, torch.Generator().manual_seed(0), None, 0)
    return ppo.policy, rollout, episodes


def test_a_trials_end_is_told_and_only_a_lifetimes_end_cuts(lifetimes):
    _, rollout, episodes = lifetimes
    last, first = [5, 11], [0, 6, 12]
    rows = torch.arange(15)
    for slot in range(3):
        assert rows[rollout.cut[:, slot]].tolist() == rows[rollout.terminated[:, slot]].tolist() == last
        assert rows[rollout.episode_start[:, slot]].tolist() == first
        feedback = rollout.obs["feedback"][:, slot]
        assert rows[feedback[:, -1] == 1].tolist() == [3, 9]
        assert rows[~feedback.any(dim=1)].tolist() == first
    assert [e.length for e in episodes] == [LIFETIME] * 6


def test_the_hidden_state_crosses_a_trials_end_and_is_cut_at_a_lifetimes(lifetimes):
    policy, rollout, _ = lifetimes

    def values(reset_every):
        state, found = policy.initial_state(3), []
        for t in range(15):
            row = {name: part[t] for name, part in rollout.obs.items()}
            start = torch.full((3,), t % reset_every == 0)
            _, value, state = policy(row, state, start)
            found.append(value)
        return torch.stack(found).detach()

    torch.testing.assert_close(rollout.value, values(LIFETIME), rtol=1e-4, atol=1e-6)
    for wrong in (3, 15):  # at each trial, never
        differs = ~torch.isclose(rollout.value, values(wrong), rtol=1e-3, atol=1e-5).all(dim=1)
        assert differs.nonzero()[0].item() == (3 if wrong == 3 else 6)


def test_advantages_cross_a_trials_end_and_are_cut_at_a_lifetimes(lifetimes):
    """With lambda 1 they are discounted returns minus values; the second trial's count in the first."""
    _, r, _ = lifetimes
    advantage = gae(r.reward, r.value, r.next_value, r.terminated, r.cut, discount=0.5, gae_lambda=1.0)
    return_ = (advantage + r.value)[:, 0]
    # 1 + 2/2 + 3/4 + 4/8 + 5/16 + 6/32, and from the first trial's last step 3 + 4/2 + 5/4 + 6/8
    assert return_[0].item() == pytest.approx(3.75)
    assert return_[2].item() == pytest.approx(7.0)
    assert return_[5].item() == pytest.approx(6.0)  # the lifetime's last step: nothing follows
    assert return_[6].item() == pytest.approx(sum((7 + k) / 2**k for k in range(6)))
    # The third lifetime goes on after the rollout: 13 + 14/2 + 15/4 + V/8.
    assert return_[12].item() == pytest.approx(23.75 + r.next_value[14, 0].item() / 8)
    one_step = gae(r.reward, r.value, r.next_value, r.terminated, r.cut, discount=0.5, gae_lambda=0.0)
    assert one_step[2, 0].item() == pytest.approx((3 + 0.5 * r.value[3, 0] - r.value[2, 0]).item(), abs=1e-5)


def test_the_reward_normaliser_sums_over_a_lifetime():
    envs = Paid(make_vec(HIDDEN, 3, 0, trials=TRIALS, cell_pixels=1))
    config = replace(RECURRENT, num_steps=4, discount=0.5)
    ppo = PPO(envs.single_observation_space, envs.single_action_space, config, seed=0)
    ppo.iteration(envs)
    assert ppo.reward_scale.return_ == pytest.approx(np.full(3, 4 + 3 / 2 + 2 / 4 + 1 / 8))
    ppo.iteration(envs)  # a lifetime ends after the sixth step
    assert ppo.reward_scale.return_ == pytest.approx(np.full(3, 8 + 7 / 2))


def test_both_deploys_trials_that_know_the_task_where_lifetimes_end_with_the_rollout():
    """All slots begin a new lifetime whenever a snapshot is taken; what the last one told counts."""
    rl2 = build(
        RL2, replace(RECURRENT, num_steps=LIFETIME), 4, RL2Config(trials=2, adaptation="both"), cell_pixels=1
    )
    tasks = list(TaskSet.parse(HIDDEN))
    *_, pretrained = rl2.pretrain(tasks[:4], Budget(env_steps=24), np.random.default_rng(0))
    start, *tuned = rl2.adapt(pretrained, tasks[5], Budget(env_steps=72), np.random.default_rng(1))
    assert start.policy._memory is None
    for snapshot in tuned:
        memory = snapshot.policy._memory
        assert memory.feedback[:, -1].tolist() == [1] * 4
        assert memory.feedback[:, :4].sum(1).tolist() == [1] * 4
        assert (memory.state.abs().sum(dim=(1, 2)) > 0).all()


# ---- resume


def same(a, b):
    """Whether two nested states hold the same bits."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    return a == b


def assert_resumes(stream):
    """`stream(resume)` goes on bit for bit from each of its snapshots; the last one."""
    whole = [(snapshot, snapshot.state()) for snapshot in stream(None)]
    for position, (_, state) in enumerate(whole):
        rest = [(snapshot, snapshot.state()) for snapshot in stream(copy.deepcopy(state))]
        for (snapshot, resumed), (expected, kept) in zip(rest, whole[position + 1 :], strict=True):
            assert same(resumed, kept)
            assert same(dict(snapshot.policy.weights), dict(expected.policy.weights))
            assert (snapshot.env_step, snapshot.spent) == (expected.env_step, expected.spent)
            assert (snapshot.episodes, dict(snapshot.metrics)) == (expected.episodes, dict(expected.metrics))
    return whole[-1][0]


@pytest.mark.parametrize("meta_batch", [1, 2])
def test_reptile_resumes_bit_for_bit(meta_batch):
    """Outer steps of 2 x 8 rows of 8 envs, the last one shortened."""
    config = PPOConfig(network="minatar", num_steps=8, num_epochs=1, num_minibatches=2)
    reptile = build(Reptile, config, 8, ReptileConfig(inner_updates=2, meta_batch=meta_batch), cell_pixels=1)
    tasks = list(TaskSet.parse("toy/visible-catch/0:8"))
    theta = assert_resumes(
        lambda resume: reptile.pretrain(
            tasks[:6], Budget(env_steps=304), np.random.default_rng(0), at=(0, 99), resume=resume
        )
    )
    assert theta.env_step == 304
    assert_resumes(
        lambda resume: reptile.adapt(
            theta, tasks[7], Budget(env_steps=160), np.random.default_rng(1), at=(0, 40), resume=resume
        )
    )


@pytest.mark.parametrize("adaptation", ["context", "both"])
def test_rl2_resumes_bit_for_bit(adaptation):
    """Rollouts of 9 steps end in mid-lifetime, on images whose size the deeper networks refuse."""
    rl2 = build(RL2, RECURRENT, 4, RL2Config(trials=TRIALS, adaptation=adaptation), cell_pixels=1)
    tasks = list(TaskSet.parse(HIDDEN))
    pretrained = assert_resumes(
        lambda resume: rl2.pretrain(
            tasks[:6], Budget(env_steps=92), np.random.default_rng(0), at=(0, 50), resume=resume
        )
    )
    adapted = assert_resumes(
        lambda resume: rl2.adapt(
            pretrained, tasks[7], Budget(env_steps=92), np.random.default_rng(1), at=(0, 2, 50), resume=resume
        )
    )
    assert adapted.spent.env_steps == (3 if adaptation == "context" else 92)


def test_rl2_runs_on_procgen():
    """A time-out or a fall ends a trial; the policy sees what it brought."""
    config = replace(SMALL_CPU, num_steps=32, num_minibatches=2, recurrent=True, lstm_size=16)
    tasks = list(TaskSet.parse("procgen/coinrun-easy/0:9"))
    options = {"actions": "coinrun", "use_backgrounds": False}
    rl2 = build(RL2, config, 8, RL2Config(trials=2), **options)
    snapshots = list(rl2.pretrain(tasks[:8], Budget(env_steps=3 * 256), np.random.default_rng(0)))
    assert [s.env_step for s in snapshots] == [256, 512, 768]
    assert all(np.isfinite(list(s.metrics.values())).all() for s in snapshots)
    assert all(tensor.isfinite().all() for tensor in snapshots[-1].policy.weights.values())
    start, *_, end = rl2.adapt(snapshots[-1], tasks[8], Budget(env_steps=1000), np.random.default_rng(1))
    assert (start.spent.env_steps, start.spent.episodes) == (0, 0)
    assert 10 < end.spent.env_steps <= 1000
    assert end.spent.episodes == 8  # one trial each, the other is the one deployed
    envs = make_vec(tasks[8:], 4, 0, on_episode_end="stay", trials=2, **options)
    played = evaluate(end.policy, envs, tasks[8:], episodes_per_task=4, seed=0, max_steps=200)
    envs.close()
    assert all(len(episode.trials) == 2 for episode in played if not episode.cut)
