"""Rainbow on fvm_envs' Catch, alone and through the paradigms' streams."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from fvm_envs import TaskSet, make_vec
from fvm_eval import Budget, evaluate
from fvm_learners import Rainbow
from fvm_learners.rainbow.config import SMALL
from fvm_meta import train

torch.set_num_threads(1)


def make(tasks, seed, num_envs=4, **changes):
    envs = make_vec(tasks, num_envs=num_envs, seed=seed, cell_pixels=1)
    rainbow = Rainbow(
        envs.single_observation_space,
        envs.single_action_space,
        replace(SMALL, **changes),
        seed=seed,
        num_tasks=len(tasks),
    )
    return rainbow, envs


@pytest.mark.learning
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_rainbow_learns_catch(seed):
    """Best return 1, random play .2; .9 is wanted of the frozen policy, on 200 episodes.

    Four pilots, on seeds 105 to 108, had .99 to 1. The preset that was judged first, with 64 hidden units and
    learning from 500 env steps on, had .79 on seed 2, above .85 on seeds 1 and 3.
    """
    tasks = TaskSet.parse("toy/catch/0")
    *_, last = train(*make(tasks, seed), Budget(env_steps=8_000))
    envs = make_vec(tasks, num_envs=50, seed=0, cell_pixels=1)
    played = evaluate(last.policy, envs, tasks, episodes_per_task=200, seed=7, max_steps=100)
    envs.close()
    score = np.mean([episode.score for episode in played])
    print(f"return {score:.2f}, above .9 wanted")
    assert score > 0.9


def same(a, b):
    """Whether two nested states hold the same bits."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    return np.array_equal(a, b)


def test_a_stream_resumes_bit_for_bit_on_several_tasks():
    """Saved after 512 env steps of 768, with two replays and an episode under way in each slot."""
    tasks = TaskSet.parse("toy/catch/0,toy/catch/5")
    changes = {"learn_start": 100, "num_steps": 16, "replay_capacity": 600, "target_period_updates": 50}
    stream = train(*make(tasks, 0, **changes), Budget(env_steps=768))
    for snapshot in stream:
        if snapshot.env_step == 512:
            saved = copy.deepcopy(snapshot.state())
        if snapshot.env_step == 768:
            expected, ledger = snapshot.state(), snapshot.spent
    resumed = train(*make(tasks, 99, **changes), Budget(env_steps=768), resume=saved)
    for snapshot in resumed:
        if snapshot.env_step == 768:
            assert same(snapshot.state(), expected)
            assert snapshot.spent == ledger
    assert ledger.updates > 200
