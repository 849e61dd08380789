"""Each retention's gradient in a policy of two weights, against AppleRetrieval's closed forms and by hand."""

import numpy as np
import pytest
import torch
from fvm_meta.retention import BCConfig, EWCConfig, KSConfig, L2Config, L2InitConfig, ShrinkPerturbConfig
from fvm_meta.worlds.apple import Apple, retention_gradient

WORLD = Apple(feature=0.4)
OUT, BACK = WORLD.observations
THETA, TEACHER = [0.3, -0.7], [-0.5, -1.1]
STEPS = np.array([[30, 10]])


def closed(kind):
    return retention_gradient(kind, WORLD, np.array([THETA]), np.array([TEACHER]), STEPS)[0]


def test_bc_has_the_kl_to_the_teacher_on_the_states_of_pretraining(prepared, slope):
    hook, learner = prepared(BCConfig(coef=3.0, states=4, batch_size=4), THETA, TEACHER, [BACK] * 4)
    assert slope(hook, learner, [OUT] * 5) == pytest.approx(3 * closed("bc"))


def test_ks_has_it_on_the_learner_s_own_states(prepared, slope):
    hook, learner = prepared(KSConfig(coef=3.0), THETA, TEACHER, [BACK])
    assert slope(hook, learner, [OUT] * 30 + [BACK] * 10) == pytest.approx(3 * closed("ks"))


def test_the_kl_has_the_teacher_first(prepared):
    hook, learner = prepared(BCConfig(coef=1.0, states=1, batch_size=1), THETA, TEACHER, [BACK])
    p, q = (1 / (1 + np.exp(-np.array(weights) @ BACK)) for weights in (TEACHER, THETA))
    loss, metrics = hook.term(learner.policy, None)
    assert loss.item() == pytest.approx(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    assert metrics["kl"].item() == pytest.approx(loss.item())


@pytest.mark.parametrize(("mode", "kind"), [("diagonal", "ewc"), ("full", "ewc-full")])
def test_ewc_s_fisher_is_the_expected_one_scaled_to_mean_one(prepared, slope, mode, kind):
    """Of one observation x: F = p (1 - p) x x^T, whose diagonal has the mean p (1 - p) (o^2 + 1) / 2."""
    hook, learner = prepared(EWCConfig(coef=2.0, mode=mode), THETA, TEACHER, [BACK] * 3)
    p = 1 / (1 + np.exp(-np.array(TEACHER) @ BACK))
    mean = p * (1 - p) * (BACK[0] ** 2 + 1) / 2
    # The closed form is of F itself and without the mean over the two weights.
    assert slope(hook, learner, [OUT]) == pytest.approx(2 * closed(kind) / mean / 2, rel=1e-5)
    diagonal = hook.fisher.diagonal() if mode == "full" else hook.fisher
    assert diagonal.mean().item() == pytest.approx(1)


def test_full_ewc_is_the_kl_s_curvature(prepared):
    """KL(teacher || teacher + change) = 1/2 change^T F change to second order, over several states."""
    states = [BACK, OUT, [1.3, 1.0]]
    hook, learner = prepared(EWCConfig(coef=1.0, mode="full"), TEACHER, TEACHER, states)
    bc, _ = prepared(BCConfig(coef=1.0, states=3, batch_size=3), TEACHER, TEACHER, states)
    bc._index = torch.arange(3)
    ratios = []
    for change in ([1e-3, 0.0], [0.0, 1e-3], [7e-4, -7e-4]):
        with torch.no_grad():
            learner.policy.theta.copy_(torch.tensor(TEACHER) + torch.tensor(change))
        kl, _ = bc.term(learner.policy, None)
        distance, _ = hook.term(learner.policy, None)
        ratios.append((kl / distance).item())
    assert ratios == pytest.approx([ratios[0]] * 3, rel=2e-3)


def test_ewc_as_published_squares_the_gradient_of_a_batch_s_mean(prepared, slope):
    """Two states whose gradients at the modes differ in sign: it squares their mean."""
    states = [[2.0, 1.0], [-1.0, 1.0]]
    hook, _ = prepared(EWCConfig(coef=1.0, mode="paper", batch_size=2), THETA, [1.0, 0.0], states)
    right = 1 / (1 + np.exp(-np.array([2.0, -1.0])))
    labels = right > 0.5
    mean = ((right - labels)[:, None] * np.array(states)).mean(axis=0)
    assert hook.fisher.numpy() == pytest.approx(mean**2, rel=1e-5)


def test_l2_is_the_mean_squared_distance_to_the_pretrained_weights(prepared, slope):
    hook, learner = prepared(L2Config(coef=3.0), THETA, TEACHER, [BACK])
    change = np.array(THETA) - np.array(TEACHER)
    loss, _ = hook.term(learner.policy, None)
    assert loss.item() == pytest.approx(3 * (change**2).mean())
    assert slope(hook, learner, [OUT]) == pytest.approx(3 * closed("l2") / 2)


def test_l2_init_pulls_to_the_weights_before_any_training(prepared):
    hook, learner = prepared(L2InitConfig(coef=1.0), THETA, TEACHER, [BACK])
    assert hook.term(learner.policy, None)[0].item() == 0  # the learner still has them here
    with torch.no_grad():
        learner.policy.theta += 0.5
    assert hook.term(learner.policy, None)[0].item() == pytest.approx(0.25)


def test_shrink_and_perturb_mixes_the_pretrained_with_the_random_weights(lab, budget, pretrained, retaining):
    last = pretrained(lab)
    config = ShrinkPerturbConfig(shrink=0.5, perturb=0.25)
    start = next(retaining(lab, budget, (config,), last))
    plain = next(retaining(lab, budget, (), None))  # the same seeds, the random weights
    for name, weights in start.policy.weights.items():
        expected = 0.5 * last.policy.weights[name] + 0.25 * plain.policy.weights[name]
        assert torch.allclose(weights, expected, atol=1e-7)


def test_a_schedule_falls_once_a_step_to_its_floor(prepared):
    hook, _ = prepared(KSConfig(coef=1.0, decay=0.5, floor=0.2), THETA, TEACHER, [BACK])
    coefs = [hook.coef]
    for _ in range(4):
        hook.after_step()
        coefs.append(hook.coef)
    assert coefs == [1.0, 0.5, 0.25, 0.2, 0.2]
