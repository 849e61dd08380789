"""PEARL: its posterior by hand, whose gradients flow where, what adapts, exact resume."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from fvm_learners.rainbow import rainbow_loss
from fvm_learners.replay import Context
from fvm_learners.replay.samplers import TaskBalanced
from fvm_meta import Scratch
from fvm_meta.paradigm import Transfer
from fvm_meta.pearl import (
    PEARL,
    PEARLConfig,
    TaskInference,
    kl_to_prior,
    posterior,
    product_of_gaussians,
    sample,
)
from fvm_meta.replay_reptile import ReplayReptile

TASKS, TASK = (0, 3, 6), 5
BUDGET = 160
LATENT = 3


@pytest.fixture
def replay_lab(replay_lab):
    return replay_lab.with_config(latent_size=LATENT)


def pretrain(lab, budget, steps=BUDGET, at=(), resume=None, seed=3, **config):
    paradigm = lab.build(PEARL, PEARLConfig(**config))
    return paradigm.pretrain(TASKS, budget(steps), np.random.default_rng(seed), at=at, resume=resume)


def adapt(lab, budget, snapshot, steps=64, at=(0, 32, 64), resume=None, **config):
    paradigm = lab.build(PEARL, PEARLConfig(**config))
    return paradigm.adapt(snapshot, TASK, budget(steps), np.random.default_rng(4), at=at, resume=resume)


def test_the_product_of_gaussians_by_hand():
    mean = torch.tensor([[1.0, 0.0], [4.0, 2.0]])
    variance = torch.tensor([[1.0, 0.5], [0.5, 0.5]])
    # precisions 1 and 2: variance 1/3, mean (1 + 8) / 3; precisions 2 and 2: variance 1/4, mean 4 / 4
    product_mean, product_variance = product_of_gaussians(mean, variance)
    assert product_mean.tolist() == pytest.approx([3.0, 1.0])
    assert product_variance.tolist() == pytest.approx([1 / 3, 1 / 4])


def test_a_factor_without_variance_decides_and_gives_no_nan():
    mean, variance = product_of_gaussians(torch.tensor([[2.0], [9.0]]), torch.tensor([[0.0], [1.0]]))
    assert mean.item() == pytest.approx(2.0, abs=1e-5)
    assert variance.item() == pytest.approx(1e-7)


def test_the_kl_in_nats_by_hand():
    assert kl_to_prior(torch.zeros(4), torch.ones(4)).item() == 0
    mean, variance = torch.tensor([1.0, 0.0]), torch.tensor([1.0, math.e])
    assert kl_to_prior(mean, variance).item() == pytest.approx(0.5 + (math.e - 2) / 2)


def test_a_sample_has_the_posteriors_moments():
    rng = np.random.default_rng(0)
    mean, variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[4.0, 0.25]])
    drawn = sample(mean.expand(20_000, 2), variance.expand(20_000, 2), rng)
    assert drawn.mean(dim=0).tolist() == pytest.approx([1.0, -2.0], abs=0.06)
    assert drawn.var(dim=0).tolist() == pytest.approx([4.0, 0.25], rel=0.05)


def test_an_empty_context_means_the_prior_and_does_not_touch_the_others(replay_lab, budget):
    *_, last = pretrain(replay_lab, budget)
    network = last.policy.network
    full = replay_lab.learners[-1].replays[0].recent(10, 100, np.random.default_rng(0))
    empty = Context(obs=full.obs[:0], action=full.action[:0], reward=full.reward[:0])
    mean, variance = posterior(network, [empty, full, empty])
    assert mean[[0, 2]].abs().max() == 0
    assert (variance[[0, 2]] == 1).all()
    alone, _ = posterior(network, [full])
    assert torch.allclose(mean[1], alone[0])
    assert torch.equal(posterior(network, [empty])[1], torch.ones(1, LATENT))


def test_the_posterior_does_not_depend_on_the_order_of_its_context(replay_lab, budget):
    *_, last = pretrain(replay_lab, budget)
    context = replay_lab.learners[-1].replays[0].recent(10, 100, np.random.default_rng(0))
    turned = Context(obs=context.obs.flip(0), action=context.action.flip(0), reward=context.reward.flip(0))
    one, other = (posterior(last.policy.network, [c])[0] for c in (context, turned))
    assert torch.allclose(one, other, atol=1e-6)


def test_gradients_reach_the_encoder_through_q_and_never_through_the_target(replay_lab, budget):
    for _ in pretrain(replay_lab, budget):
        pass
    learner = replay_lab.learners[-1]
    batch = TaskInference(PEARLConfig()).batch(learner, np.random.default_rng(0))
    loss, _, _ = rainbow_loss(batch, learner.policy, learner.target, learner.config)
    loss.backward()
    encoder = learner.policy.context_encoder
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in encoder.parameters())
    assert all(p.grad is None for p in learner.target.parameters())
    # Only what is taken at s has a gradient: with weight 0 on every sample nothing is left of it.
    for task in np.unique(batch.task_index):
        rows = batch.latent[torch.from_numpy(batch.task_index == task)]
        assert (rows == rows[0]).all()  # one z a task
    assert len({tuple(row.tolist()) for row in batch.latent.detach()}) == len(np.unique(batch.task_index))


def test_the_kl_is_the_mean_over_tasks_outside_weights_and_priorities(replay_lab, budget):
    for _ in pretrain(replay_lab, budget):
        pass
    learner = replay_lab.learners[-1]
    inference = TaskInference(PEARLConfig(kl_weight=0.5))
    batch = inference.batch(learner, np.random.default_rng(0))
    term, metrics = inference.kl_term(learner.policy, batch)
    assert term.shape == (len(np.unique(batch.task_index)),)
    assert torch.allclose(
        term, 0.5 * kl_to_prior(batch.extra["posterior/mean"], batch.extra["posterior/variance"])
    )
    assert float(metrics["kl"].detach()) == pytest.approx(2 * float(term.detach().mean()))


def test_a_snapshot_says_how_far_the_posterior_is_from_the_prior(replay_lab, budget):
    *_, last = pretrain(replay_lab, budget, kl_weight=0.25)
    assert last.metrics["posterior_kl"] == pytest.approx(4 * last.metrics["posterior/loss"])
    assert last.metrics["posterior_kl"] > 0


def test_a_part_of_the_episodes_is_played_with_z_from_the_prior(replay_lab, budget):
    """Asked directly: with a posterior that is sharp, its draws lie close together, the prior's do not."""
    *_, last = pretrain(replay_lab, budget)
    learner = replay_lab.learners[-1]
    tasks, spread = np.zeros(4000, dtype=np.int64), {}
    for prior_frac in (0.0, 0.25, 1.0):
        inference = TaskInference(PEARLConfig(context_size=100, prior_frac=prior_frac))
        drawn = inference.latent(last.policy.network, learner.replays, tasks, np.random.default_rng(0))
        spread[prior_frac] = drawn.var(dim=0).mean().item()
    assert spread[1.0] == pytest.approx(1.0, rel=0.05)
    mean, _ = posterior(
        last.policy.network, [inference.context(learner.policy, learner.replays[0], np.random.default_rng(0))]
    )
    between = 0.25 * 0.75 * (mean.detach() ** 2).mean().item()
    expected = 0.25 * spread[1.0] + 0.75 * spread[0.0] + between
    assert spread[0.25] == pytest.approx(expected, rel=0.15)
    assert spread[0.0] < 0.5


def test_the_weight_of_the_kl_decides_what_is_left_of_it(replay_lab, budget):
    left = {}
    for kl_weight in (0.01, 10.0):
        *_, last = pretrain(replay_lab, budget, steps=1200, kl_weight=kl_weight)
        left[kl_weight] = last.metrics["posterior_kl"]
    assert left[10.0] < 0.2 * left[0.01]


def test_adapting_by_context_changes_no_weight_and_spends_no_update(replay_lab, budget):
    *_, pretrained = pretrain(replay_lab, budget)
    first, *_, last = adapt(replay_lab, budget, pretrained)
    assert (first.env_step, last.env_step) == (0, 64)
    assert last.spent.updates == 0
    weights = pretrained.policy.weights
    assert all(torch.equal(weights[name], tensor) for name, tensor in last.policy.weights.items())


def test_a_snapshot_carries_what_was_inferred_so_far(replay_lab, budget):
    *_, pretrained = pretrain(replay_lab, budget)
    snapshots = {s.env_step: s.policy._latent for s in adapt(replay_lab, budget, pretrained)}
    assert torch.equal(snapshots[0].mean, torch.zeros(1, LATENT))  # nothing seen: the prior
    assert torch.equal(snapshots[0].std, torch.ones(1, LATENT))
    assert not torch.equal(snapshots[32].mean, snapshots[64].mean)
    assert (snapshots[64].std < 1).all()


def test_adapting_by_context_takes_over_all(replay_lab, budget):
    paradigm = PEARL(replay_lab.make_learner, replay_lab.make_envs, transfer=Transfer(parts="encoder"))
    with pytest.raises(
        ValueError, match="PEARL that adapts by its context trains nothing: leave transfer out"
    ):
        next(paradigm.adapt(object(), TASK, budget(8), np.random.default_rng(0)))
    assert replay_lab.envs == []


def test_the_agent_to_be_played_has_its_context_and_spends_nothing_of_the_stream(replay_lab, budget):
    """Played under the prior, PEARL is not what was trained (faults, C)."""
    *_, pretrained = pretrain(replay_lab, budget)
    paradigm = replay_lab.build(PEARL, PEARLConfig(adaptation="both"))
    players = [paradigm.player(pretrained, TASKS[1], np.random.default_rng(7)) for _ in range(2)]
    assert torch.equal(players[0]._latent.mean, players[1]._latent.mean)
    assert (players[0]._latent.std < 1).all()
    assert pretrained.policy._latent is None
    weights = pretrained.policy.weights
    assert all(torch.equal(weights[name], tensor) for name, tensor in players[0].weights.items())
    envs = replay_lab.envs[-1]
    assert envs.closed
    assert (envs.tasks, envs.steps_taken) == ((TASKS[1],), 200)  # two windows of 100 steps, 4 slots


def test_both_fine_tunes_as_well(replay_lab, budget):
    *_, pretrained = pretrain(replay_lab, budget)
    *_, last = adapt(replay_lab, budget, pretrained, steps=256, at=(256,), adaptation="both")
    assert last.spent.updates > 0
    weights = pretrained.policy.weights
    assert not torch.equal(weights["value.weight"], last.policy.weights["value.weight"])
    assert (last.policy._latent.std < 1).all()


@pytest.mark.parametrize("stream", ["pretrain", "context", "both"])
def test_resumed_is_uninterrupted_bit_for_bit(replay_lab, budget, same, filed, stream):
    *_, pretrained = pretrain(replay_lab, budget)

    def run(resume=None):
        if stream == "pretrain":
            return pretrain(replay_lab, budget, resume=resume)
        return adapt(replay_lab, budget, pretrained, at=(), resume=resume, adaptation=stream)

    whole = [(s.env_step, dict(s.policy.weights), s.state()) for s in run()]
    stopped = whole[len(whole) // 2]
    rest = [(s.env_step, dict(s.policy.weights), s.state()) for s in run(filed(stopped[2]))]
    assert [step for step, *_ in rest] == [step for step, *_ in whole[len(whole) // 2 + 1 :]]
    assert same(rest[-1][1], whole[-1][1])
    assert same(rest[-1][2], whole[-1][2])


def test_what_cannot_be(lab, replay_lab, budget):
    with pytest.raises(ValueError, match="PEARL adapts a pretrained snapshot; None was given"):
        next(adapt(replay_lab, budget, None))
    with pytest.raises(ValueError, match=r"PEARL needs .* and Rainbow's has none: .*latent_size"):
        next(pretrain(replay_lab.with_config(latent_size=0), budget))
    with pytest.raises(ValueError, match="`LatentLearner`, and PPO has no collect"):
        next(pretrain(lab, budget))
    assert lab.envs[-1].closed
    for name, values in {
        "kl_weight": (-1, float("nan"), float("inf")),
        "context_size": (0, 1.5, float("nan")),
        "context_window": (0, 2.5),
        "prior_frac": (-0.1, 1.1, float("nan")),
    }.items():
        for value in values:
            with pytest.raises(ValueError, match=f"{name}={value}: give a"):
                PEARLConfig(**{name: value})
    with pytest.raises(ValueError, match="context_with_replacement='no': give True or False"):
        PEARLConfig(context_with_replacement="no")
    with pytest.raises(ValueError, match="adaptation='gradient'"):
        PEARLConfig(adaptation="gradient")
    assert Scratch.Config is None


def test_an_encoder_that_sees_what_a_step_led_to_is_told_by_it(replay_lab, budget):
    lab = replay_lab.with_config(latent_size=LATENT, context_next_obs=True)
    *_, last = pretrain(lab, budget)
    rng = np.random.default_rng(0)
    context = TaskInference(PEARLConfig()).context(last.policy.network, lab.learners[-1].replays[0], rng)
    stayed = dataclasses.replace(context, next_obs=context.obs)
    told, untold = (posterior(last.policy.network, [c])[0] for c in (context, stayed))
    assert not torch.equal(context.next_obs, context.obs)
    assert not torch.allclose(told, untold)
    *_, adapted = adapt(lab, budget, last)
    assert adapted.env_step == 64


def test_a_second_sampler_is_refused(replay_lab, budget):
    lab = replay_lab.with_config(latent_size=2)
    pearl = lab.build(PEARL)
    with pytest.raises(ValueError, match="of a batch, and TaskBalanced would be a second one"):
        pearl.start(TASKS, np.random.default_rng(0), "stay", sampler=TaskBalanced())

    def its_own(*spaces, sampler=None, **options):
        return lab.make_learner(*spaces, sampler=TaskBalanced(), **options)

    for paradigm in (PEARL, ReplayReptile):
        message = rf"{paradigm.__name__} makes .* has another, TaskBalanced: let make_learner pass"
        with pytest.raises(ValueError, match=message):
            next(paradigm(its_own, lab.make_envs).pretrain(TASKS, budget(40), np.random.default_rng(0)))
        assert lab.envs[-1].closed
