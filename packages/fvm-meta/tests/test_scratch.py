"""Scratch: the new task alone, from random weights, whatever else there is."""

import numpy as np
import pytest
import torch
from fvm_meta import MultiTask, Scratch, Spent

TASKS, TASK = (0, 3, 6), 5


def adapt(lab, budget, seed, steps=40, at=(0, 20, 40)):
    return list(lab.build(Scratch).adapt(None, TASK, budget(steps), np.random.default_rng(seed), at=at))


def test_it_comes_at_the_steps_that_are_asked_for_and_plays_the_new_task_alone(lab, budget):
    snapshots = adapt(lab, budget, 0)
    assert [snapshot.env_step for snapshot in snapshots] == [0, 20, 40]
    assert [snapshot.spent.env_steps for snapshot in snapshots] == [0, 20, 40]
    (envs,) = lab.envs
    assert (envs.tasks, envs.steps_taken, envs.closed) == ((TASK,), 40, True)
    assert {episode.task_index for s in snapshots for episode in s.episodes} == {0}


def test_its_weights_are_a_learner_s_own_draw_of_its_seed(lab, budget):
    start = adapt(lab, budget, 3)[0]
    child = np.random.default_rng(3).spawn(2)[1]  # the envs' comes first
    space, actions = lab.envs[0].single_observation_space, lab.envs[0].single_action_space
    drawn = lab.make_learner(space, actions, seed=int(child.integers(2**31))).policy.state_dict()
    assert all(torch.equal(start.policy.weights[name], drawn[name]) for name in drawn)
    assert start.spent == Spent()


def test_one_seed_is_one_run_and_another_is_another(lab, budget):
    one, again, other = (adapt(lab, budget, seed)[-1].policy.weights for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_pretrained_agent_is_refused_before_anything_is_made(lab, budget):
    *_, known = lab.build(MultiTask).pretrain(TASKS, budget(20), np.random.default_rng(0))
    made = len(lab.envs), len(lab.learners)
    with pytest.raises(ValueError, match=r"Scratch starts from random weights.*use None"):
        next(lab.build(Scratch).adapt(known, TASK, budget(40), np.random.default_rng(0)))
    assert (len(lab.envs), len(lab.learners)) == made
