"""EM: old transitions in every batch, charged to a column of their own, the same again after a resume."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fvm_learners.replay.protected import PROTECTED
from fvm_meta.pearl import PEARL, PEARLConfig
from fvm_meta.retention import BCConfig, EMConfig, L2Config

TASKS, TASK = (0, 3, 6), 5
EM = EMConfig(transitions=60, share=0.25)


def weights(stream):
    *_, last = stream
    return dict(last.policy.weights)


def test_a_share_of_0_is_plain_fine_tuning_and_another_is_not(
    replay_lab, budget, pretrained, retaining, same
):
    last = pretrained(replay_lab)
    plain = weights(retaining(replay_lab, budget, (), last))
    off = retaining(replay_lab, budget, (replace(EM, share=0.0),), last)
    *_, end = off
    assert same(plain, dict(end.policy.weights))
    assert end.spent.retention_env_steps == 0
    assert not same(plain, weights(retaining(replay_lab, budget, (EM,), last)))


def test_each_batch_has_the_share_of_what_the_pretrained_agent_did(replay_lab, budget, pretrained, retaining):
    last = pretrained(replay_lab)
    seen = []
    stream = retaining(replay_lab, budget, (EM,), last)
    next(stream)
    learner = replay_lab.learners[-1]
    make_batch = learner.sampler.batch

    def watched(learner, rng):
        seen.append(make_batch(learner, rng))
        return seen[-1]

    learner.sampler.batch = watched
    *_, end = stream
    assert {int((batch.task_index == PROTECTED).sum()) for batch in seen} == {2}  # of 8
    assert len(seen) > 10
    # The goals that protected observations show are those of the pretraining, the others the task's.
    for batch in seen:
        own = torch.from_numpy(batch.task_index == PROTECTED)
        goals = batch.obs[:, 0] * 4 + 4
        assert set(goals[own].tolist()) <= set(map(float, TASKS))
        assert set(goals[~own].tolist()) == {float(TASK)}
    assert end.spent.env_steps == 160
    assert end.spent.retention_env_steps == 60
    assert replay_lab.options[-1] == {"purpose": "retention"}
    assert all(envs.closed for envs in replay_lab.envs)
    assert replay_lab.envs[-1].steps_taken == 60


def test_it_composes_and_resumes_bit_for_bit(replay_lab, budget, pretrained, retaining, same, filed):
    last = pretrained(replay_lab)
    kept = (EM, L2Config(coef=1.0), BCConfig(states=64, batch_size=32))
    whole = [(s, s.state()) for s in retaining(replay_lab, budget, kept, last)]
    assert {"l2/loss", "bc/kl"} <= whole[-1][0].metrics.keys()
    assert whole[-1][0].spent.retention_env_steps == 60 + 256 + 64  # BC's states, and its temperature's
    for stopped in (1, len(whole) // 2, len(whole) - 2):
        resume = filed(whole[stopped][1])
        rest = [(s, s.state()) for s in retaining(replay_lab, budget, kept, last, resume=resume)]
        assert same(dict(rest[-1][0].policy.weights), dict(whole[-1][0].policy.weights))
        assert same(rest[-1][1], whole[-1][1])


def test_what_is_protected_is_in_no_checkpoint(replay_lab, budget, pretrained, retaining):
    """What `prepare` gives is made again after a resume, so a checkpoint is as large as without it."""
    last = pretrained(replay_lab)
    sizes = []
    for kept in ((), (EM,)):
        *_, state = (snapshot.state() for snapshot in retaining(replay_lab, budget, kept, last))
        replays = state["learner"]["replays"]
        sizes.append(sum(len(replay["frames"]["frames"]) for replay in replays.values()))
    assert sizes[0] == sizes[1]


def test_who_cannot_is_told(lab, replay_lab, budget, pretrained, retaining):
    with pytest.raises(
        ValueError, match="retention 'em' asks its learner for `Protecting`, and PPO has no protect"
    ):
        next(retaining(lab, budget, (EM,), pretrained(lab)))
    last = pretrained(replay_lab)
    with pytest.raises(ValueError, match=r"a share of 0\.01 of batches of 8 is 0 transitions"):
        next(retaining(replay_lab, budget, (replace(EM, share=0.01),), last))
    assert all(envs.closed for envs in (*lab.envs, *replay_lab.envs))
    hook = EM.make()
    with pytest.raises(ValueError, match="was given states of them alone"):
        hook.prepare(replay_lab.learners[-1], last, lambda num: None)
    latent = replay_lab.with_config(latent_size=3)
    pearl = PEARL(
        latent.make_learner,
        latent.make_envs,
        PEARLConfig(adaptation="both"),
        retain=(EM,),
        retained_tasks=TASKS,
    )
    *_, known = pearl.pretrain(TASKS, budget(160), np.random.default_rng(0))
    with pytest.raises(ValueError, match="has no latents"):
        next(pearl.adapt(known, TASK, budget(160), np.random.default_rng(1)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transitions": 0}, "transitions=0"),
        ({"transitions": float("nan")}, "transitions=nan"),
        ({"share": 1.0}, "share=1"),
        ({"share": float("nan")}, "share=nan"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        EMConfig(**settings)
