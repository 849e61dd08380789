"""EWC's penalty at and around its anchor, and where its settings end. Its gradients: closed forms."""

import numpy as np
import pytest
import torch
from fvm_meta.retention import EWCConfig

TEACHER, STATES = [-0.5, -1.1], [[2.0, 1.0], [-1.0, 1.0], [0.5, 1.0]]


def fisher():
    """E p (1 - p) x x^T over the states, scaled to a mean diagonal of 1."""
    p = 1 / (1 + np.exp(-np.array(STATES) @ TEACHER))
    matrix = sum(w * np.outer(x, x) for w, x in zip(p * (1 - p), np.array(STATES), strict=True))
    return matrix / np.diag(matrix).mean()


@pytest.mark.parametrize("mode", ["diagonal", "full", "paper"])
def test_at_the_pretrained_weights_nothing_is_paid(prepared, mode):
    hook, learner = prepared(EWCConfig(coef=5.0, mode=mode), TEACHER, TEACHER, STATES)
    assert hook.term(learner.policy, None)[0].item() == 0


def test_the_penalty_by_hand(prepared):
    change = np.array([0.2, -0.4])
    for mode, matrix in (("diagonal", np.diag(np.diag(fisher()))), ("full", fisher())):
        hook, learner = prepared(EWCConfig(coef=3.0, mode=mode), TEACHER + change, TEACHER, STATES)
        loss, metrics = hook.term(learner.policy, None)
        assert metrics["distance"].item() == pytest.approx(change @ matrix @ change / 2, rel=1e-6)
        assert loss.item() == pytest.approx(3 * metrics["distance"].item())


def test_the_anchor_is_a_copy(prepared):
    hook, learner = prepared(EWCConfig(), TEACHER, TEACHER, STATES)
    with torch.no_grad():
        learner.policy.theta.zero_()
    assert hook.anchor.tolist() == TEACHER
    assert hook.term(learner.policy, None)[0].item() > 0


def test_the_published_penalty_is_a_sum_and_no_mean(prepared):
    change = np.array([0.2, -0.4])
    hook, learner = prepared(EWCConfig(coef=1.0, mode="paper"), TEACHER + change, TEACHER, STATES)
    loss, _ = hook.term(learner.policy, None)
    assert loss.item() == pytest.approx(hook.fisher.double().numpy() @ change**2)


@pytest.mark.parametrize("name", ["states", "batch_size"])
@pytest.mark.parametrize("value", [0, 1.5, float("nan"), float("inf"), True])
def test_counts_are_whole_numbers(name, value):
    with pytest.raises(ValueError, match=f"{name}=.*give a whole number of at least 1"):
        EWCConfig(**{name: value})
