"""Multi-task pretraining: one policy on all tasks. What comes after it: test_paradigms.py."""

import numpy as np
import pytest
import torch
from fvm_meta import MultiTask, Scratch

TASKS = (0, 3, 6)


def pretrain(lab, budget, tasks=TASKS, steps=60, seed=0, **options):
    return list(lab.build(MultiTask).pretrain(tasks, budget(steps), np.random.default_rng(seed), **options))


def test_it_is_one_learner_in_one_set_of_envs_that_draw_their_tasks(lab, budget):
    snapshots = pretrain(lab, budget, at=(20, 50))
    assert len(lab.learners) == len(lab.envs) == 1
    (envs,) = lab.envs
    assert (envs.tasks, envs.on_episode_end, envs.closed) == (TASKS, "resample", True)
    assert envs.steps_taken == snapshots[-1].env_step == 60
    assert {20, 50} <= {snapshot.env_step for snapshot in snapshots}


def test_on_one_task_it_is_the_base_learner_on_that_task(lab, budget):
    """The same learner in the same envs: nothing is added to what it does on its own."""
    *_, last = pretrain(lab, budget, tasks=(3,), at=(60,))
    envs_seed, learner_seed = (int(c.integers(2**31)) for c in np.random.default_rng(0).spawn(2))
    envs = lab.make_envs((3,), seed=envs_seed, on_episode_end="resample")
    space, actions = envs.single_observation_space, envs.single_action_space
    learner = lab.make_learner(space, actions, seed=learner_seed)
    envs.reset(seed=envs_seed)
    list(learner.learn(envs, 60))
    weights = learner.policy.state_dict()
    assert all(torch.equal(last.policy.weights[name], weights[name]) for name in weights)


def test_an_off_policy_learner_has_a_replay_for_each_task(replay_lab, budget):
    pretrain(replay_lab, budget, steps=100)
    (learner,) = replay_lab.learners
    assert len(learner.replays) == len(TASKS)
    assert all(replay.num_transitions > 0 for replay in learner.replays)


def test_demonstrations_go_to_a_learner_that_takes_them_task_by_task(lab, budget):
    shown = []

    class Shown(type(lab)):
        def make_learner(self, *args, **options):
            learner = super().make_learner(*args, **options)
            learner.add_demonstrations = lambda demos, task: shown.append((task, list(demos)))
            return learner

    demos = [["a", "b"], [], ["c"]]
    *_, last = pretrain(Shown(), budget, demos=demos)
    assert shown == [(0, ["a", "b"]), (1, []), (2, ["c"])]
    assert last.spent.demos == 3


def test_a_learner_without_use_for_them_says_so_and_the_envs_are_closed(lab, budget):
    with pytest.raises(ValueError, match=r"2 demonstrations given.*use demos=\(\), or a learner that takes"):
        pretrain(lab, budget, demos=[["a"], ["b"], []])
    assert lab.envs[0].closed


def test_a_stream_that_nobody_asks_makes_nothing(lab, budget):
    rng = np.random.default_rng(0)
    lab.build(MultiTask).pretrain(TASKS, budget(60), rng)
    assert (lab.envs, lab.learners) == ([], [])
    assert rng.bit_generator.seed_seq.n_children_spawned == 0
    assert issubclass(MultiTask, Scratch.__mro__[1])
