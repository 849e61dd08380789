"""Arms that hold parts of a network still, or draw them anew: which weights move, and when."""

import pytest
import torch
from fvm_meta.paradigm import Transfer
from fvm_meta.retention import (
    CriticWarmUpConfig,
    FreezeConfig,
    HeadOnlyConfig,
    HeadResetConfig,
    ShrinkPerturbConfig,
    SigmasConfig,
)
from fvm_meta.retention.parts import heads_of, named


def end(stream):
    *_, last = stream
    return last


def test_the_critic_warms_up_alone_and_then_all_learn(lab, budget, pretrained, retaining):
    last = pretrained(lab)
    config = CriticWarmUpConfig(updates=8)  # two iterations of 2 epochs of 2 minibatches
    _, *snapshots = retaining(lab, budget, (config,), last, steps=60)
    for snapshot, moved in zip(snapshots, (False, False, True), strict=True):
        for name, before in last.policy.weights.items():
            same = torch.equal(snapshot.policy.weights[name], before)
            assert same == (not moved and not name.startswith("value.")), name


def test_a_warm_up_that_was_killed_goes_on(lab, budget, pretrained, retaining, same, filed):
    last = pretrained(lab)
    config = CriticWarmUpConfig(updates=8)
    for stopped in (0, 1):
        whole = [(s, s.state()) for s in retaining(lab, budget, (config,), last, steps=80)]
        rest = list(retaining(lab, budget, (config,), last, steps=80, resume=filed(whole[stopped][1])))
        assert same(dict(rest[-1].policy.weights), dict(whole[-1][0].policy.weights))


@pytest.mark.parametrize(
    ("which", "heads"), [("ppo", ("head.", "value.")), ("rainbow", ("value", "advantage"))]
)
def test_heads_are_drawn_anew_and_learn_alone(labs, budget, pretrained, retaining, which, heads):
    lab = labs[which]
    last = pretrained(lab)
    adapted = end(retaining(lab, budget, (HeadOnlyConfig(),), last))
    for name, before in last.policy.weights.items():
        assert torch.equal(adapted.policy.weights[name], before) == (not name.startswith(heads)), name


@pytest.mark.parametrize(
    ("which", "heads"), [("ppo", ("head.", "value.")), ("rainbow", ("value", "advantage"))]
)
def test_a_head_reset_draws_the_heads_anew_and_all_learn(labs, budget, pretrained, retaining, which, heads):
    last = pretrained(labs[which])
    start, *_, adapted = retaining(labs[which], budget, (HeadResetConfig(),), last)
    for name, before in last.policy.weights.items():
        assert torch.equal(start.policy.weights[name], before) == (not name.startswith(heads)), name
    moved = {n for n, b in start.policy.weights.items() if not torch.equal(adapted.policy.weights[n], b)}
    assert any(not name.startswith(heads) for name in moved)


def test_sigmas_begin_anew_and_only_a_learner_that_has_them_takes_that(labs, budget, pretrained, retaining):
    last = pretrained(labs["rainbow"])
    start = next(retaining(labs["rainbow"], budget, (SigmasConfig(),), last))
    sigmas = {name for name in last.policy.weights if "sigma" in name}
    assert sigmas
    for name, before in last.policy.weights.items():
        assert torch.equal(start.policy.weights[name], before) == (name not in sigmas), name
    with pytest.raises(ValueError, match="retention 'sigmas' asks its learner for `Sigmas`"):
        next(retaining(labs["ppo"], budget, (SigmasConfig(),), pretrained(labs["ppo"])))


def test_frozen_parts_stay(lab, budget, pretrained, retaining):
    last = pretrained(lab)
    adapted = end(retaining(lab, budget, (FreezeConfig(parts=("encoder", "value")),), last))
    for name, before in last.policy.weights.items():
        assert torch.equal(adapted.policy.weights[name], before) == name.startswith(("encoder.", "value.")), (
            name
        )


@pytest.mark.parametrize(
    ("still", "moving"),
    [
        (FreezeConfig(), ("head.", "value.")),
        (HeadOnlyConfig(reset=False), ("head.", "value.")),
        (FreezeConfig(parts=("encoder", "policy")), ("value.",)),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_a_warm_up_leaves_still_what_another_holds_still(
    lab, budget, pretrained, retaining, still, moving, backwards
):
    last = pretrained(lab)
    retain = (CriticWarmUpConfig(updates=2), still)
    adapted = end(retaining(lab, budget, retain[::-1] if backwards else retain, last))
    for name, before in last.policy.weights.items():
        assert torch.equal(adapted.policy.weights[name], before) == (not name.startswith(moving)), name


def test_a_warm_up_leaves_still_what_a_transfer_has_frozen(lab, budget, pretrained, retaining, same, filed):
    """As `freeze` beside it does, bit for bit; also going on from a file, within the warm-up or after it."""
    last, warm_up = pretrained(lab), CriticWarmUpConfig(updates=8)  # two iterations
    frozen = Transfer(parts="encoder", frozen=True)
    whole = [(s, s.state()) for s in retaining(lab, budget, (warm_up,), last, steps=80, transfer=frozen)]
    end_of_it = dict(whole[-1][0].policy.weights)
    for name, before in last.policy.weights.items():
        assert torch.equal(end_of_it[name], before) == name.startswith("encoder."), name
    both = (warm_up, FreezeConfig())
    by_name = end(retaining(lab, budget, both, last, steps=80, transfer=Transfer(parts="encoder")))
    assert same(dict(by_name.policy.weights), end_of_it)
    for stopped in (0, 1, 3):
        resume = filed(whole[stopped][1])
        rest = end(retaining(lab, budget, (warm_up,), last, steps=80, resume=resume, transfer=frozen))
        assert same(dict(rest.policy.weights), end_of_it)


@pytest.mark.parametrize("still", [FreezeConfig(), HeadOnlyConfig(), None])
def test_what_is_held_still_is_not_mixed_with_random_weights(lab, budget, pretrained, retaining, still):
    """It would be held at .4 theta* + .1 theta^0, and never learn."""
    retain = (ShrinkPerturbConfig(),) if still is None else (ShrinkPerturbConfig(), still)
    with pytest.raises(ValueError, match=r"shrink-perturb mixes all weights .* and encoder.* is to stay"):
        next(retaining(lab, budget, retain, pretrained(lab), transfer=Transfer(frozen=still is None)))
    assert lab.envs[-1].closed


def test_heads_that_are_kept_learn_alone_from_where_they_were(lab, budget, pretrained, retaining):
    last = pretrained(lab)
    start, *_, adapted = retaining(lab, budget, (HeadOnlyConfig(reset=False),), last)
    for name, before in last.policy.weights.items():
        assert torch.equal(start.policy.weights[name], before), name
        moved = not torch.equal(adapted.policy.weights[name], before)
        assert moved == name.startswith(("head.", "value.")), name


def test_parts_that_a_learner_lacks_are_named_with_those_it_has(lab, budget, pretrained, retaining):
    last = pretrained(lab)
    wrong = FreezeConfig(parts=("encoder", "core"))
    with pytest.raises(ValueError, match="retention 'freeze' names core; PPO has encoder, "):
        next(retaining(lab, budget, (wrong,), last))
    with pytest.raises(ValueError, match="retention 'critic-warm-up' names critic; PPO has"):
        next(retaining(lab, budget, (CriticWarmUpConfig(part="critic"),), last))
    assert all(envs.closed for envs in lab.envs)

    class Headless:
        """One part, no head."""

        def part_names(self):
            return ("encoder", "core")

    with pytest.raises(ValueError, match="retention 'x' found no head among the parts encoder, core"):
        heads_of(Headless(), "x")
    assert named(Headless(), ("core",), "x") == ("core",)


def test_whether_heads_are_drawn_anew_is_said_by_true_or_false():
    with pytest.raises(ValueError, match="reset='no': give True or False"):
        HeadOnlyConfig(reset="no")
