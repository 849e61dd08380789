"""What each paradigm carries from training tasks to a new one."""

import numpy as np
import pytest
import torch
from fvm_learners import PPOConfig
from fvm_learners.hooks import Term
from fvm_meta import MultiTask, Paradigm, Scratch, Snapshot, Spent

TASKS, TASK = (0, 3, 6), 5


def pretrained(lab, budget, steps=40, seed=0):
    *_, last = lab.build(MultiTask).pretrain(TASKS, budget(steps), np.random.default_rng(seed))
    return last


def test_scratch_has_nothing_to_pretrain(lab, budget):
    assert list(lab.build(Scratch).pretrain(TASKS, budget(40), np.random.default_rng(0))) == []
    assert lab.envs == []


def test_scratch_refuses_a_snapshot(lab, budget):
    snapshot = pretrained(lab, budget)
    with pytest.raises(ValueError, match="random weights; a pretrained snapshot was given, use None"):
        next(lab.build(Scratch).adapt(snapshot, TASK, budget(40), np.random.default_rng(0)))


@pytest.mark.parametrize("paradigm", [Scratch, MultiTask])
def test_demonstrations_are_refused(lab, budget, paradigm):
    with pytest.raises(ValueError, match=r"2 demonstrations given.*use demos=\(\)"):
        next(lab.build(paradigm).adapt(None, TASK, budget(40), np.random.default_rng(0), demos=[1, 2]))
    assert all(envs.closed for envs in lab.envs)


def test_multi_task_plays_all_training_tasks_in_equal_parts(lab, budget):
    steps = 1600  # about 800 episodes of 2 steps on average
    stream = lab.build(MultiTask).pretrain(TASKS, budget(steps), np.random.default_rng(0))
    played = np.bincount([e.task_index for s in stream for e in s.episodes], minlength=len(TASKS))
    assert len(played) == len(TASKS)
    # a share's standard deviation is sqrt(1/3 * 2/3 / 800) = .017; five of them
    assert np.abs(played / played.sum() - 1 / len(TASKS)).max() < 0.085
    (envs,) = lab.envs
    assert (envs.tasks, envs.on_episode_end) == (TASKS, "resample")


def test_adaptation_plays_the_new_task_alone(lab, budget):
    list(lab.build(MultiTask).adapt(None, TASK, budget(40), np.random.default_rng(0)))
    (envs,) = lab.envs
    assert (envs.tasks, envs.on_episode_end) == ((TASK,), "stay")


def test_fine_tuning_starts_from_the_pretrained_weights_with_all_else_fresh(lab, budget):
    snapshot = pretrained(lab, budget)
    before = {name: tensor.clone() for name, tensor in snapshot.policy.weights.items()}
    adaptation = lab.build(MultiTask).adapt(snapshot, TASK, budget(40), np.random.default_rng(1))
    start = next(adaptation)
    assert (start.env_step, start.spent) == (0, Spent())
    assert start.policy.weights.keys() == before.keys()
    assert all(torch.equal(start.policy.weights[name], before[name]) for name in before)
    learner = start.state()["learner"]
    scratch = lab.build(Scratch).adapt(None, TASK, budget(40), np.random.default_rng(1))
    fresh = next(scratch).state()["learner"]
    assert learner["optimiser"] == {"step": {}, "exp_avg": {}, "exp_avg_sq": {}} == fresh["optimiser"]
    assert learner["reward_scale"] == fresh["reward_scale"]
    assert (learner["env_step"], learner["updates"], learner["carry"]) == (0, 0, None)
    assert torch.equal(learner["rng"], fresh["rng"])

    *_, end = adaptation
    assert not all(torch.equal(end.policy.weights[name], before[name]) for name in before)
    assert all(torch.equal(snapshot.policy.weights[name], before[name]) for name in before)


def test_a_snapshot_of_weights_alone_adapts_and_says_that_it_cannot_resume(lab, budget):
    trained = pretrained(lab, budget)
    restored = Snapshot(env_step=40, spent=trained.spent, policy=trained.policy)
    with pytest.raises(ValueError, match="restored from weights alone"):
        restored.state()
    start = next(lab.build(MultiTask).adapt(restored, TASK, budget(40), np.random.default_rng(0)))
    weights = trained.policy.weights
    assert all(torch.equal(start.policy.weights[name], weights[name]) for name in weights)


def test_a_learner_of_another_shape_is_refused_and_its_envs_closed(lab, budget):
    other = lab.with_config(mlp_sizes=(16,))
    with pytest.raises(ValueError, match="weights are of another network"):
        next(
            other.build(MultiTask).adapt(pretrained(lab, budget), TASK, budget(40), np.random.default_rng(0))
        )
    assert other.envs[0].closed


def test_a_subclass_hooks_a_term_into_the_loss(lab, budget):
    class Pull(Paradigm):
        """Draws every weight to zero, and nothing else counts."""

        def adapt(self, snapshot, task, budget, rng, at=(0,), demos=(), resume=None):
            def pull(policy, batch):
                return 1e6 * sum((weight**2).sum() for weight in policy.parameters())

            yield from self.fine_tune(snapshot, task, budget, rng, at, demos, resume, [Term("pull", pull)])

    start, *_, end = lab.build(Pull).adapt(None, TASK, budget(400), np.random.default_rng(0))
    norms = [sum(float(w.norm()) for w in s.policy.weights.values()) for s in (start, end)]
    assert norms[1] < norms[0]
    assert end.metrics["pull/loss"] > 0


LEARNING = PPOConfig(
    num_steps=16, num_epochs=4, num_minibatches=4, learning_rate=3e-3, discount=0.99, mlp_sizes=(32, 32)
)


@pytest.mark.parametrize("seed", range(5))
def test_multi_task_beats_random_and_carries_over_to_a_new_task(lab, budget, family, seed):
    """Thresholds lie between the random return (7/24) and the best (1); 512 episodes err by at most .022.

    "Knows the task" is three quarters of that way, "ignorant" less than half; Scratch has a single rollout.
    In a pilot on twenty other seeds pretrained agents had .91 to 1, fine-tuned ones .83 to 1, Scratch .35 to
    .38.
    """
    goals, new_goal, best, random, mean_return = family
    knows, ignorant = random + 0.75 * (best - random), random + 0.5 * (best - random)
    lab.num_envs = 16
    lab = lab.with_config(**vars(LEARNING))
    *_, trained = lab.build(MultiTask).pretrain(goals, budget(16384), np.random.default_rng([seed, 0]))
    assert mean_return(trained.policy, goals) >= knows

    rollout = LEARNING.num_steps * lab.num_envs
    tuned = lab.build(MultiTask).adapt(
        trained, new_goal, budget(5 * rollout), np.random.default_rng([seed, 1])
    )
    returns = [mean_return(s.policy, [new_goal]) for s in tuned]
    assert returns[0] >= knows  # zero-shot
    assert returns[-1] >= knows
    start, end = lab.build(Scratch).adapt(None, new_goal, budget(rollout), np.random.default_rng([seed, 2]))
    assert abs(mean_return(start.policy, [new_goal]) - random) < 0.15  # its head starts nearly uniform
    assert mean_return(end.policy, [new_goal]) < ignorant
