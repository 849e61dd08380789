import copy

import numpy as np
import pytest
import torch
from fvm_learners.hooks import Term


def test_updates_follow_each_row_once_learning_has_started(catch, make):
    """Ready with step 20, the fifth row of 4: .3 a step is 1.2 a row, 0.2 are carried."""
    envs = catch(num_envs=4)
    rainbow = make(envs)
    rainbow.collect(envs, 4)
    assert (rainbow.ready, rainbow.updates_due) == (False, 0)
    with pytest.raises(ValueError, match="no buffer has 20 env steps yet"):
        rainbow.update()
    rainbow.collect(envs, 1)
    assert (rainbow.ready, rainbow.updates_due) == (True, pytest.approx(1.2))
    rainbow.update()
    assert rainbow.updates_due == pytest.approx(0.2)
    iteration = rainbow.iteration(envs)
    assert (iteration.env_steps, iteration.updates) == (40, 12)
    assert rainbow.updates_due == pytest.approx(0.2)
    assert (rainbow.env_step, rainbow.updates) == (60, 13)


def test_how_iterations_are_cut_changes_nothing(catch, assert_same, make):
    states = []
    for sizes in ([None, None], [12, 28, 20, 20], [4] * 20):
        envs = catch(num_envs=4)
        rainbow = make(envs)
        iterations = [rainbow.iteration(envs, size) for size in sizes]
        assert sum(i.env_steps for i in iterations) == 80
        states.append(rainbow.state_dict())
    assert_same(states[0], states[1])
    assert_same(states[0], states[2])


def test_the_target_network_is_copied_every_so_many_updates(catch, make):
    envs = catch(num_envs=4)
    rainbow = make(envs, target_period_updates=3)
    rainbow.collect(envs, 10)
    start = copy.deepcopy(rainbow.target.state_dict())
    for update in range(1, 8):
        rainbow.update()
        same = [
            torch.equal(a, b)
            for a, b in zip(rainbow.target.parameters(), rainbow.policy.parameters(), strict=True)
        ]
        assert all(same) == (update % 3 == 0)
        if update < 3:
            assert all(
                torch.equal(start[name], tensor) for name, tensor in rainbow.target.state_dict().items()
            )


def test_priorities_become_the_losses(catch, make):
    envs = catch(num_envs=4)
    rainbow = make(envs, batch_size=4)
    rainbow.collect(envs, 10)
    seen = []
    original = rainbow.sampler.batch

    class Watched(type(rainbow.sampler)):
        def batch(self, learner, rng):
            seen.append(original(learner, rng))
            return seen[-1]

    rainbow.sampler = Watched()
    step = rainbow._gradient_step
    losses = []
    rainbow._gradient_step = lambda *inputs: losses.append(step(*inputs)) or losses[-1]
    rainbow.update()
    ((loss, _),) = losses
    expected = np.sqrt(loss.numpy().astype(np.float64))
    last = dict(zip(seen[0].rows.tolist(), expected.tolist(), strict=True))
    for row, priority in last.items():
        assert rainbow.replays[0]._tree.priorities[row] == pytest.approx(priority)


def test_beta_ends_at_1_whatever_the_number_of_buffers(catch, make):
    for tasks in (1, 2):
        envs = catch(num_envs=4, tasks=tasks)
        rainbow = make(envs, num_tasks=tasks)
        assert rainbow.beta == 0.4
        rainbow.collect(envs, 12)
        assert rainbow.beta == pytest.approx(0.4 + 0.6 * 0.48)
        rainbow.collect(envs, 30)
        assert rainbow.beta == 1


def test_metrics_say_what_happened(catch, make):
    envs = catch(num_envs=4)
    rainbow = make(envs)
    for iteration in rainbow.learn(envs, 120):
        metrics = iteration.metrics
    assert np.isfinite(list(metrics.values())).all()
    assert metrics.keys() == {
        "cross_entropy", "kl", "q_value", "td_error", "grad_norm", "beta", "replay_transitions"
    }  # fmt: skip
    assert metrics["cross_entropy"] > metrics["kl"] > 0


@pytest.mark.parametrize("shape", ["scalar", "per sample"])
def test_a_term_is_added_outside_of_weights_and_priorities(catch, shape, make):
    """A large penalty on the value's distance from 1.5 moves the values there."""

    def towards(policy, batch):
        distance = 100 * (policy.q_values(batch.obs) - 1.5).pow(2).mean(dim=1)
        return distance if shape == "per sample" else distance.mean()

    envs = catch(num_envs=4)
    rainbow = make(envs, hooks=[Term("towards", towards)], learning_rate=1e-2, updates_per_env_step=1)
    iterations = list(rainbow.learn(envs, 400))
    assert iterations[-1].metrics["towards/loss"] < iterations[0].metrics["towards/loss"] / 10
    assert rainbow.policy.q_values(torch.from_numpy(envs.stack)).mean().item() == pytest.approx(1.5, abs=0.2)


def test_a_compiled_loss_is_the_same_loss(catch, monkeypatch, make):
    """Traced and differentiated ahead of time, without the code generator, which takes half a minute."""
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function: compiled(function, backend="aot_eager"))
    weights = []
    for mode in ("eager", "compile"):
        envs = catch(num_envs=4)
        rainbow = make(envs, update_mode=mode)
        list(rainbow.learn(envs, 60))
        assert rainbow.updates > 5
        weights.append(rainbow.weights())
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], rtol=1e-3, atol=1e-5)
