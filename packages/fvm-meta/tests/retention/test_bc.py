"""BC's buffer: labelled once, drawn from at each step, and its settings. Gradients: test_closed_forms.py."""

import numpy as np
import pytest
import torch
from fvm_meta.retention import BCConfig

STATES = [[0.1 * i, 1.0] for i in range(10)]


def probabilities(theta):
    right = 1 / (1 + np.exp(-np.array(STATES) @ theta))
    return np.stack((right, 1 - right), axis=1)


def test_labels_are_the_teacher_s_distributions_and_stay(prepared):
    theta, teacher = [0.3, -0.7], [-0.5, -1.1]
    hook, learner = prepared(BCConfig(states=10, batch_size=4), theta, teacher, STATES)
    assert hook.labels.exp().numpy() == pytest.approx(probabilities(teacher))
    with torch.no_grad():
        learner.policy.theta += 1
    hook.term(learner.policy, None)
    assert hook.labels.exp().numpy() == pytest.approx(probabilities(teacher))


def test_a_policy_that_is_its_teacher_has_no_loss(prepared):
    hook, learner = prepared(BCConfig(states=10, batch_size=10), [0.3, -0.7], [0.3, -0.7], STATES)
    loss, metrics = hook.term(learner.policy, None)
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert metrics["coef"].item() == 2


def test_a_step_s_draw_stands_until_the_step_is_taken_and_the_next_is_another(prepared):
    hook, learner = prepared(BCConfig(states=10, batch_size=4), [0.3, -0.7], [-0.5, -1.1], STATES)
    losses = []
    for _ in range(3):
        once, again = (hook.term(learner.policy, None)[0].item() for _ in range(2))
        assert once == again  # PPO may ask about one batch in several chunks
        losses.append(once)
        hook.after_step()
    assert len(set(losses)) == 3


def test_draws_reach_all_of_the_buffer_evenly(prepared):
    hook, _ = prepared(BCConfig(states=10, batch_size=5), [0.0, 0.0], [0.0, 0.0], STATES)
    counts = np.zeros(10)
    for _ in range(400):
        counts += np.bincount(hook.state_dict()["index"], minlength=10)
        hook.after_step()
    # 2,000 draws of ten: 200 each, with a standard deviation of sqrt(2000 * .1 * .9) = 13.4
    assert np.abs(counts - 200).max() < 4.5 * 13.4


def test_a_batch_is_no_larger_than_the_buffer(prepared):
    hook, _ = prepared(BCConfig(states=10, batch_size=500), [0.0, 0.0], [0.0, 0.0], STATES)
    assert len(hook.state_dict()["index"]) == 10


def test_what_was_drawn_is_in_the_state(prepared):
    config = BCConfig(states=10, batch_size=4, decay=0.5)
    hook, learner = prepared(config, [0.3, -0.7], [-0.5, -1.1], STATES)
    for _ in range(3):
        hook.after_step()
    state = hook.state_dict()
    other, _ = prepared(config, [0.3, -0.7], [-0.5, -1.1], STATES)
    other.load_state_dict(state)
    for _ in range(2):
        assert other.term(learner.policy, None)[0].item() == hook.term(learner.policy, None)[0].item()
        hook.after_step()
        other.after_step()


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0, float("nan"), float("inf"), True, "8"])
@pytest.mark.parametrize("name", ["states", "batch_size"])
def test_counts_are_whole_numbers(name, value):
    with pytest.raises(ValueError, match=f"{name}=.*give a whole number of at least 1"):
        BCConfig(**{name: value})
