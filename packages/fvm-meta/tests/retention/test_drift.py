"""Drift measures the KL from the policy in training to the pretrained one, and leaves the loss alone."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fvm_meta.retention import DriftConfig

THETA, TEACHER, OBS = [0.3, -0.7], [-0.5, -1.1], [[2.0, 1.0], [-1.0, 1.0]]


def batch():
    return SimpleNamespace(obs=torch.tensor(OBS, dtype=torch.float64), extra={})


def kl(of, to):
    p, q = (1 / (1 + np.exp(-np.array(OBS) @ theta)) for theta in (of, to))
    return (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()


def test_it_has_the_new_policy_first_and_no_loss(prepared):
    hook, learner = prepared(DriftConfig(every=1), THETA, TEACHER, OBS)
    loss, metrics = hook.term(learner.policy, batch())
    assert loss.item() == 0
    assert not loss.requires_grad
    assert metrics["kl"].item() == pytest.approx(kl(THETA, TEACHER))
    assert abs(kl(THETA, TEACHER) - kl(TEACHER, THETA)) > 0.01  # the other way round is another number


def test_it_looks_once_in_so_many_steps_also_after_a_resume(prepared):
    hook, learner = prepared(DriftConfig(every=3), THETA, TEACHER, OBS)
    looked = []
    for step in range(7):
        if step == 4:
            state = hook.state_dict()
            hook, _ = prepared(DriftConfig(every=3), THETA, TEACHER, OBS)
            hook.load_state_dict(state)
        looked.append(hook.term(learner.policy, batch()) is not None)
        hook.after_step()
    assert looked == [True, False, False, True, False, False, True]


def test_it_takes_what_the_rollout_s_teacher_said(prepared):
    hook, learner = prepared(DriftConfig(every=1), THETA, TEACHER, OBS)
    asked = batch()
    asked.extra = {"drift/teacher": learner.policy.log_probs(asked.obs).detach()}
    assert hook.term(learner.policy, asked)[1]["kl"].item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("value", [0, 2.5, float("nan"), float("inf"), False])
def test_every_is_a_whole_number(value):
    with pytest.raises(ValueError, match=r"every=.*give a whole number of at least 1"):
        DriftConfig(every=value)
