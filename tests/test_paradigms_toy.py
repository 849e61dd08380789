"""MultiTask on fvm_envs: it learns pixel Catch, and resumes bit for bit there and on Procgen."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from fvm_envs import RandomPolicy, TaskSet, best_return, make_vec
from fvm_eval import Budget, evaluate
from fvm_learners import PPO, SMALL_CPU
from fvm_meta import MultiTask

torch.set_num_threads(1)


def paradigm(config, num_envs):
    def make_learner(observation_space, action_space, *, seed, hooks=(), **_):
        return PPO(observation_space, action_space, config, seed=seed, hooks=hooks)

    def make_envs(tasks, *, seed, on_episode_end):
        return make_vec(tasks, num_envs, seed, on_episode_end=on_episode_end)

    return MultiTask(make_learner, make_envs)


def scores(policy, tasks):
    """The mean return on each task over 100 episodes assigned beforehand."""
    envs = make_vec(tasks, 50, 0, on_episode_end="stay")
    played = evaluate(policy, envs, tasks, episodes_per_task=100, seed=7, max_steps=100)
    envs.close()
    return [np.mean([p.score for p in played if p.task_position == k]) for k in range(len(tasks))]


@pytest.mark.learning
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_multi_task_learns_catch_with_opposite_actions_well_above_random(seed):
    """One policy for two tasks whose left and right are swapped, told apart by the paddle's colour alone.

    Who ignores the colour cannot pass on both tasks. The threshold on each task is a third of the way
    from random to the best return: .46 where random has .19. It was set after a pilot on seeds 1 to 5, which
    scored .63 to .98; other seeds judge. The mean of 100 episodes errs by at most 1 / sqrt(4 * 100) = .05.
    """
    tasks = list(TaskSet.parse("toy/catch/0,toy/catch/5"))
    config = replace(
        SMALL_CPU,
        num_steps=26,  # two episodes
        num_epochs=3,
        num_minibatches=8,
        learning_rate=1e-3,
        entropy_coef=0.003,
    )
    stream = paradigm(config, 32).pretrain(tasks, Budget(env_steps=36 * 26 * 32), np.random.default_rng(seed))
    *_, last = stream
    for task, score, random in zip(
        tasks, scores(last.policy, tasks), scores(RandomPolicy(3), tasks), strict=True
    ):
        best = best_return(task)
        print(f"{task.id}: return {score:.2f}, random {random:.2f}, best {best:g}")
        assert best == 1.0
        assert random < 0.4
        assert score >= random + (best - random) / 3, (task.id, score, random)


def same(a, b):
    """Whether two nested states hold the same bits."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    return a == b


@pytest.mark.parametrize(
    ("training", "new"),
    [("toy/catch/0:20", "toy/catch/20"), ("procgen/coinrun-easy/0:20", "procgen/coinrun-easy/20")],
)
def test_a_pretraining_and_an_adaptation_resume_bit_for_bit_from_every_snapshot(training, new):
    """On 8 envs, in rollouts of 64 steps, the last one of 32; snapshots also fall inside rollouts."""
    config = replace(SMALL_CPU, num_steps=8, num_epochs=1, num_minibatches=2)
    tasks, new_task, budget = list(TaskSet.parse(training)), TaskSet.parse(new)[0], Budget(env_steps=160)

    def pretrain(resume=None):
        stream = paradigm(config, 8).pretrain(
            tasks, budget, np.random.default_rng(0), at=(0, 99), resume=resume
        )
        return [(snapshot, snapshot.state()) for snapshot in stream]

    def adapt(resume=None):
        stream = paradigm(config, 8).adapt(
            pretrained, new_task, budget, np.random.default_rng(1), at=(0, 40, 150), resume=resume
        )
        return [(snapshot, snapshot.state()) for snapshot in stream]

    whole = pretrain()
    pretrained = whole[-1][0]
    assert [s.env_step for s, _ in whole] == [0, 64, 99, 128, 160]
    adapted = adapt()
    assert [s.env_step for s, _ in adapted] == [0, 40, 64, 128, 150, 160]
    assert same(dict(adapted[0][0].policy.weights), dict(pretrained.policy.weights))
    for stream, uninterrupted in ((pretrain, whole), (adapt, adapted)):
        for position, (_, state) in enumerate(uninterrupted):
            rest = stream(copy.deepcopy(state))
            assert len(rest) == len(uninterrupted) - position - 1
            for (snapshot, resumed), (expected, kept) in zip(
                rest, uninterrupted[position + 1 :], strict=True
            ):
                assert same(resumed, kept)
                assert (snapshot.spent, snapshot.episodes) == (expected.spent, expected.episodes)
