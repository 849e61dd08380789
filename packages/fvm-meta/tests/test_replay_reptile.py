"""Reptile on replays: as many updates as multi-task training, the outer step, exact resume."""

import numpy as np
import pytest
import torch
from fvm_meta import MultiTask, ReptileConfig
from fvm_meta.replay_reptile import ReplayReptile

TASKS = (0, 3, 6)
BUDGET = 160


def pretrain(lab, budget, at=(), resume=None, **config):
    paradigm = lab.build(ReplayReptile, ReptileConfig(**{"inner_updates": 5, **config}))
    return paradigm.pretrain(TASKS, budget(BUDGET), np.random.default_rng(3), at=at, resume=resume)


def test_updates_per_env_step_are_those_of_multi_task_training(replay_lab, budget):
    *_, reptile = pretrain(replay_lab, budget)
    paradigm = replay_lab.build(MultiTask)
    *_, plain = paradigm.pretrain(TASKS, budget(BUDGET), np.random.default_rng(3))
    # Half an update an env step from the learn start on; less than an outer step of five is left over.
    for snapshot, learner in zip((reptile, plain), replay_lab.learners, strict=True):
        assert 40 < snapshot.spent.updates <= 80 - 48 // 3 / 2
        assert learner.updates == snapshot.spent.updates
        assert learner.updates_due < 5
    assert reptile.spent.updates % 5 == 0
    assert reptile.metrics["distinct_tasks"] == 3


def test_an_outer_step_moves_theta_a_part_of_the_way(replay_lab, budget):
    ends = {}
    for eps in (0.0, 0.5, 1.0):
        start, *_, last = pretrain(replay_lab, budget, at=(0,), eps_schedule=(eps, eps))
        ends[eps] = start.policy.weights, last.policy.weights
    start, still = ends[0.0]
    assert all(torch.equal(start[name], still[name]) for name in start)
    moved = {eps: ends[eps][1]["value.weight"] - start["value.weight"] for eps in (0.5, 1.0)}
    assert 0 < moved[0.5].norm() < moved[1.0].norm()


def test_one_outer_step_by_hand(replay_lab, budget):
    """With one step in all, half the displacement of eps 1 is that of eps .5, from the same draws."""
    displacement = {}
    for eps in (0.5, 1.0):
        start, *_, last = pretrain(replay_lab, budget, at=(0,), eps_schedule=(eps, eps), inner_updates=40)
        assert last.spent.updates == 40
        displacement[eps] = {
            name: tensor - start.policy.weights[name] for name, tensor in last.policy.weights.items()
        }
    assert displacement[1.0]["value.weight"].abs().max() > 0
    for name, whole in displacement[1.0].items():
        assert torch.allclose(0.5 * whole, displacement[0.5][name], atol=1e-7)


@pytest.mark.parametrize(("inner_optimiser", "steps"), [("fresh", 5), ("kept", None)])
def test_adam_counts_its_steps_anew_or_on(replay_lab, budget, inner_optimiser, steps):
    *_, (last, state) = [
        (s, s.state()) for s in pretrain(replay_lab, budget, inner_optimiser=inner_optimiser)
    ]
    counted = set(state["learner"]["learner"]["optimiser"]["step"].values())
    assert counted == {steps or last.spent.updates}


@pytest.mark.parametrize("period", [5, 10, 7])
@pytest.mark.parametrize("meta_batch", [1, 2])
def test_the_target_network_is_theta_and_never_the_last_task_s_theta_k(
    replay_lab, budget, period, meta_batch
):
    """eps .1, k = 5: theta moves a tenth of the way to theta_k, and the target goes with theta when due.

    A period of 5 or 10 ends with an inner loop, one of 7 within it (faults, C).
    """
    lab = replay_lab.with_config(target_period_updates=period)
    stream = pretrain(lab, budget, eps_schedule=(0.1, 0.1), meta_batch=meta_batch)
    thetas, copied = [], 0
    for snapshot in stream:
        (learner,) = lab.learners
        theta, target = learner.weights(), learner.target.state_dict()
        if len(thetas) > 1 and snapshot.spent.updates // period > copied:
            copied = snapshot.spent.updates // period
            if snapshot.spent.updates % period < 5 * meta_batch:  # in the latest outer step of the iteration
                assert all(torch.equal(theta[name], target[name]) for name in theta)
        thetas.append(theta)
        known = [all(torch.equal(t[name], target[name]) for name in target) for t in thetas]
        assert not learner.target_due
    assert copied > 0
    assert any(known)  # it is a theta that was, not a theta_k


def test_the_target_network_is_not_copied_before_its_period(replay_lab, budget):
    lab = replay_lab.with_config(target_period_updates=10_000)
    for _ in pretrain(lab, budget, eps_schedule=(1.0, 1.0)):
        pass
    (learner,) = lab.learners
    assert not torch.equal(learner.target.value.weight, learner.policy.value.weight)


def test_resumed_is_uninterrupted_bit_for_bit(replay_lab, budget, same, filed):
    whole = [(s.env_step, dict(s.policy.weights), s.state()) for s in pretrain(replay_lab, budget)]
    middle = whole[len(whole) // 2]
    rest = [
        (s.env_step, dict(s.policy.weights), s.state())
        for s in pretrain(replay_lab, budget, resume=filed(middle[2]))
    ]
    assert rest
    assert same(rest[-1][1], whole[-1][1])
    assert same(rest[-1][2], whole[-1][2])


def test_a_learner_without_replays_is_refused(lab, budget):
    with pytest.raises(ValueError, match=r"ReplayReptile asks its learner for .* PPO has no collect"):
        next(pretrain(lab, budget))
    assert lab.envs[-1].closed
