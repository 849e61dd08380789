"""Retentions in whole adaptations: what they keep, that they compose, that a resumed one is the same."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from fvm_meta import RL2, MultiTask, RL2Config
from fvm_meta.pearl import PEARL, PEARLConfig
from fvm_meta.retention import (
    BCConfig,
    CriticWarmUpConfig,
    DriftConfig,
    EMConfig,
    EWCConfig,
    FreezeConfig,
    KSConfig,
    L2Config,
    L2InitConfig,
    ShrinkPerturbConfig,
)

TASKS, TASK = (0, 3, 6), 5
BC = BCConfig(coef=1.0, decay=0.99, states=64, batch_size=32)
KS = KSConfig(coef=1.0, decay=0.99, floor=0.5)
EWC = EWCConfig(coef=1.0, states=8)
L2 = L2Config(coef=1.0)
BOTH = (BC, KS, EWC, L2, L2InitConfig(coef=0.1), DriftConfig(every=10))
LABS = ("ppo", "memory", "rainbow")


def end(stream):
    *_, last = stream
    return last


def equal(a, b):
    return all(torch.equal(a.policy.weights[name], b.policy.weights[name]) for name in a.policy.weights)


@pytest.mark.parametrize("which", LABS)
@pytest.mark.parametrize("retain", [BC, KS, EWC, L2], ids=lambda config: type(config).__name__)
def test_a_coefficient_of_0_is_plain_fine_tuning_bit_for_bit(
    labs, budget, pretrained, retaining, which, retain
):
    lab = labs[which]
    last = pretrained(lab)
    plain = end(retaining(lab, budget, (), last))
    off = end(retaining(lab, budget, (replace(retain, coef=0.0, floor=0.0),), last))
    assert equal(plain, off)
    on = end(retaining(lab, budget, (replace(retain, coef=10.0),), last))
    assert not equal(plain, on)


@pytest.mark.parametrize("which", LABS)
def test_all_together_resume_bit_for_bit(labs, budget, pretrained, retaining, same, filed, which):
    lab = labs[which]
    last = pretrained(lab)
    whole = [(s, s.state()) for s in retaining(lab, budget, BOTH, last)]
    for stopped in (1, len(whole) // 2):
        resumed = [
            (s, s.state()) for s in retaining(lab, budget, BOTH, last, resume=filed(whole[stopped][1]))
        ]
        assert len(resumed) == len(whole) - stopped - 1
        assert same(dict(resumed[-1][0].policy.weights), dict(whole[-1][0].policy.weights))
        assert same(resumed[-1][1], whole[-1][1])
        assert resumed[-1][0].spent == whole[-1][0].spent


def test_terms_add_up_and_each_is_logged(labs, budget, pretrained, retaining):
    last = pretrained(labs["ppo"])
    every = [snapshot.metrics for snapshot in retaining(labs["ppo"], budget, BOTH, last)][1:]
    metrics, looked = every[-1], [index for index, told in enumerate(every) if "drift/kl" in told]
    for name in ("bc", "ks", "ewc", "l2", "l2-init"):
        assert f"{name}/loss" in metrics
    assert looked == [0, 2, 5, 7]  # at steps 0, 10, 20 and 30, of four an iteration
    assert {every[index]["drift/loss"] for index in looked} == {0}
    assert every[7]["drift/kl"] > 0
    assert metrics["bc/coef"] < 1.0
    assert metrics["ks/loss"] == pytest.approx(metrics["ks/kl"] * metrics["ks/coef"], rel=0.2)


@pytest.mark.parametrize("which", LABS)
def test_how_long_a_term_s_gradient_is_is_logged_and_grows_with_its_coefficient(
    labs, budget, pretrained, retaining, which, monkeypatch
):
    monkeypatch.setattr("fvm_meta.retention.retention.Retention.ratio_every", 1)
    last = pretrained(labs[which])

    def first(coef):
        """The ratio of the first update after which the policy is another than its teacher."""
        stream = retaining(labs[which], budget, (L2Config(coef=coef),), last)
        return next(s.metrics["l2/grad_ratio"] for s in stream if s.metrics.get("l2/grad_ratio", 0) > 0)

    assert first(2e-6) == pytest.approx(2 * first(1e-6), rel=0.05)


@pytest.mark.parametrize("retain", [BC, KS])
def test_a_term_that_reaches_no_trained_parameter_has_a_ratio_of_0(
    labs, budget, pretrained, retaining, retain
):
    stream = retaining(
        labs["ppo"], budget, (retain, CriticWarmUpConfig(updates=100)), pretrained(labs["ppo"])
    )
    _, snapshot = next(stream), next(stream)
    assert snapshot.metrics[f"{retain.make().name}/grad_ratio"] == 0


@pytest.mark.parametrize("which", LABS)
def test_a_teacher_never_changes_and_shares_nothing(labs, budget, pretrained, retaining, which):
    lab = labs[which]
    last = pretrained(lab)
    made = []
    paradigm = MultiTask(lab.make_learner, lab.make_envs, retain=(KS,), retained_tasks=TASKS)
    stream = paradigm.adapt(last, TASK, budget(160), np.random.default_rng(1))
    for _ in stream:
        (hook,) = lab.learners[-1].hooks._hooks.values()
        made.append({name: tensor.clone() for name, tensor in hook.teacher.network.state_dict().items()})
    assert all(torch.equal(made[-1][name], last.policy.weights[name]) for name in last.policy.weights)
    own = {tensor.data_ptr() for tensor in lab.learners[-1].policy.parameters()}
    assert own.isdisjoint(tensor.data_ptr() for tensor in hook.teacher.network.parameters())


def test_a_teacher_with_memory_sees_what_the_student_saw(labs, budget, pretrained, retaining):
    """Its outputs over two rollouts are those of the frozen policy that walks the same observations."""
    lab = labs["memory"]
    last = pretrained(lab)
    seen, told = [], []
    stream = retaining(lab, budget, (KS,), last, steps=40)
    for _ in stream:
        learner = lab.learners[-1]
        rollout = learner._rollout
        if rollout is None:
            continue
        seen.append((rollout.obs.clone(), rollout.episode_start.clone()))
        (hook,) = learner.hooks._hooks.values()
        told.append(hook._memory.clone())
    obs, starts = (torch.cat(parts) for parts in zip(*seen, strict=True))
    _, memory = hook.teacher._learner.distribution(
        hook.teacher.network,
        type("Walk", (), {"obs": obs, "episode_start": starts, "initial_state": torch.zeros(4, 2, 4)}),
    )
    assert len(seen) == 2
    assert torch.allclose(memory, told[-1], atol=1e-6)
    assert not torch.allclose(told[0], told[1])


def test_bc_keeps_the_old_policy_where_plain_fine_tuning_loses_it(lab, budget, pretrained, retaining):
    lab = lab.with_config(learning_rate=1e-2)
    last = pretrained(lab, steps=800)

    def drift(retain):
        """KL to the pretrained policy on the old tasks after fine-tuning."""
        adapted = end(retaining(lab, budget, (*retain, DriftConfig()), last, steps=800))
        learner = lab.learners[-1]
        envs = lab.make_envs(TASKS, seed=9, on_episode_end="resample")
        obs = torch.from_numpy(envs.reset(seed=9)[0])
        states = type("Asked", (), {"obs": obs})
        before, after = (
            learner.distribution(policy._policy, states)[0] for policy in (last.policy, adapted.policy)
        )
        return before.kl(after).mean().item()

    strong = BCConfig(coef=30.0, states=256, batch_size=64)
    assert drift((strong,)) < 0.3 * drift(())


def test_looking_back_is_counted_apart(lab, budget, pretrained, retaining):
    last = pretrained(lab)
    adapted = end(retaining(lab, budget, (BC, EWC), last))
    assert adapted.spent.env_steps == 160
    assert adapted.spent.retention_env_steps == 64 + 8
    assert lab.options[-2:] == [{"purpose": "retention"}] * 2
    assert all(envs.closed for envs in lab.envs)
    assert lab.envs[-1].tasks == TASKS


def test_rl2_and_pearl_that_train_retain_as_well(labs, budget, same):
    lab = labs["memory"]
    rl2 = RL2(
        lab.make_learner, lab.make_envs, RL2Config(adaptation="both"), retain=(BC, KS), retained_tasks=TASKS
    )
    *_, known = rl2.pretrain(TASKS, budget(160), np.random.default_rng(0))
    adapted = end(rl2.adapt(known, TASK, budget(160), np.random.default_rng(1)))
    assert {"bc/kl", "ks/kl"} <= adapted.metrics.keys()
    lab = labs["rainbow"].with_config(latent_size=3)
    pearl = PEARL(
        lab.make_learner, lab.make_envs, PEARLConfig(adaptation="both"), retain=(BC,), retained_tasks=TASKS
    )
    *_, known = pearl.pretrain(TASKS, budget(160), np.random.default_rng(0))
    adapted = end(pearl.adapt(known, TASK, budget(160), np.random.default_rng(1)))
    assert {"bc/kl", "posterior/kl"} <= adapted.metrics.keys()  # a term more drops none
    context = RL2(lab.make_learner, lab.make_envs, RL2Config(), retain=(BC,))
    with pytest.raises(ValueError, match="trains nothing: use retain="):
        next(PEARL(lab.make_learner, lab.make_envs, retain=(BC,)).adapt(known, TASK, budget(8), None))
    assert context.retain == (BC,)


def test_q_values_are_compared_in_units_of_the_teacher_s_own_spread(
    replay_lab, budget, pretrained, retaining
):
    """A reward scale ten times as large leaves the KL as it is: tau is the teacher's deviation."""
    last = pretrained(replay_lab)
    next(retaining(replay_lab, budget, (KS,), last))
    learner = replay_lab.learners[-1]
    (hook,) = learner.hooks._hooks.values()
    envs = replay_lab.make_envs(TASKS, seed=0, on_episode_end="resample")
    obs = torch.from_numpy(np.concatenate([envs.reset(seed=seed)[0] for seed in range(64)]))
    told, _ = hook.teacher.outputs(type("Asked", (), {"obs": obs}))
    advantage = told - told.mean(dim=-1, keepdim=True)
    assert advantage.std().item() == pytest.approx(1, rel=0.3)  # on states of its own, not those of tau
    q_values = hook.teacher.network.q_values(obs)
    raw = (q_values - q_values.mean(dim=-1, keepdim=True)).std().item()
    assert learner.distribution_temperature == pytest.approx(raw, rel=0.3)


def test_what_cannot_be(lab, budget, pretrained, retaining):
    with pytest.raises(ValueError, match="bc keeps what a pretrained agent knows, and none was given"):
        next(retaining(lab, budget, (BC,), None))
    last = pretrained(lab)
    with pytest.raises(ValueError, match="bc, bc are to be different ones"):
        next(retaining(lab, budget, (BC, BC), last))
    paradigm = MultiTask(lab.make_learner, lab.make_envs, retain=(BC,))
    with pytest.raises(ValueError, match="BCConfig look back at the tasks of the pretraining, and none"):
        next(paradigm.adapt(last, TASK, budget(40), np.random.default_rng(0)))
    assert all(envs.closed for envs in lab.envs)
    with pytest.raises(ValueError, match="coef=nan"):
        BCConfig(coef=float("nan"))
    with pytest.raises(ValueError, match=r"decay=1\.1"):
        KSConfig(decay=1.1)
    with pytest.raises(ValueError, match=r"floor=0\.33 with coef=0\.0: a coefficient would rise to it"):
        KSConfig(coef=0.0, floor=0.33)
    with pytest.raises(ValueError, match=r"states=1\.5"):
        EWCConfig(states=1.5)
    with pytest.raises(ValueError, match="mode='si'"):
        EWCConfig(mode="si")
    with pytest.raises(ValueError, match="shrink=2"):
        ShrinkPerturbConfig(shrink=2)
    with pytest.raises(ValueError, match="updates=0"):
        CriticWarmUpConfig(updates=0)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (BCConfig, "coef", "2"),
        (KSConfig, "decay", None),
        (EWCConfig, "floor", True),
        (EMConfig, "share", "half"),
        (ShrinkPerturbConfig, "shrink", None),
        (FreezeConfig, "parts", ()),
        (FreezeConfig, "parts", "encoder"),
    ],
)
def test_a_setting_of_another_type_is_no_setting(kind, field, value):
    with pytest.raises(ValueError, match=re.escape(f"{field}={value!r}: give")):
        kind(**{field: value})
