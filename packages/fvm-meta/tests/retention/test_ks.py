"""KS: what its teacher says of a rollout, and the paper's two schedules. Gradients: closed forms."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fvm_meta.retention import KSConfig
from fvm_meta.retention.ks import AS_PRINTED, AS_RELEASED, ROWS, teacher_on

THETA, TEACHER = [0.3, -0.7], [-0.5, -1.1]


def rollout(rows, num_envs=2, seed=0):
    obs = np.random.default_rng(seed).normal(size=(rows, num_envs, 2))
    return SimpleNamespace(
        obs=torch.tensor(obs), episode_start=torch.zeros(rows, num_envs), initial_state=None
    )


@pytest.mark.parametrize("rows", [1, ROWS, ROWS + 1, 3 * ROWS])
def test_it_is_asked_about_every_step_and_answers_in_order(prepared, rows):
    hook, _ = prepared(KSConfig(), THETA, TEACHER, [[0.0, 1.0]])
    seen = rollout(rows)
    told = hook.on_rollout(seen)
    assert set(told) == {"ks/teacher"}
    right = 1 / (1 + np.exp(-seen.obs.numpy() @ TEACHER))
    assert told["ks/teacher"].shape == (rows, 2, 2)
    assert told["ks/teacher"].exp().numpy()[..., 0] == pytest.approx(right)


def test_a_loss_a_sample_of_what_the_teacher_said_then(prepared):
    """What stands beside the batch counts, not what the teacher would say of the batch's states."""
    hook, learner = prepared(KSConfig(coef=2.0), THETA, TEACHER, [[0.0, 1.0]])
    obs = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64)
    said = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64).log()
    loss, metrics = hook.term(learner.policy, SimpleNamespace(obs=obs, extra={"ks/teacher": said}))
    q = 1 / (1 + np.exp(-obs.numpy() @ THETA))
    p = np.array([0.9, 0.2])
    kl = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert loss.detach().numpy() == pytest.approx(2 * kl)
    assert metrics["kl"].item() == pytest.approx(kl.mean())
    alone, _ = hook.term(learner.policy, SimpleNamespace(obs=obs, extra={}))
    assert not torch.allclose(alone, loss)


def test_memory_goes_from_one_rollout_to_the_next_and_starts_with_zeros():
    """A teacher whose memory counts its steps: 16 rows at a time, then on where the last rollout ended."""

    class Counting:
        def outputs(self, states):
            steps = states.initial_state[:, 0, 0] + torch.arange(1, len(states.obs) + 1)[:, None]
            return steps[..., None], states.initial_state + len(states.obs)

    seen = rollout(ROWS + 4)
    seen.initial_state = torch.full((2, 2, 1), 99.0)  # the student's own, which is none of the teacher's
    told, memory = teacher_on(Counting(), seen, None)
    assert told[:, 0, 0].tolist() == list(range(1, ROWS + 5))
    again, _ = teacher_on(Counting(), seen, memory)
    assert again[0, :, 0].tolist() == [ROWS + 5] * 2
    fewer = rollout(3, num_envs=1)
    fewer.initial_state = torch.zeros(1, 2, 1)
    told, _ = teacher_on(Counting(), fewer, memory)  # of another number of envs: begun anew
    assert told[:, 0, 0].tolist() == [1, 2, 3]


def test_schedules_are_the_paper_s_and_its_code_s():
    """After a million steps the printed one is nothing; the released one has long been at its floor."""
    assert KSConfig() == KSConfig(coef=0.5, decay=0.99998, floor=0.0)
    assert (AS_RELEASED.coef, AS_RELEASED.floor) == (0.75, 0.33)
    steps_to_floor = np.log(0.33 / 0.75) / np.log(AS_RELEASED.decay)
    assert steps_to_floor == pytest.approx(41_048, rel=1e-3)
    assert AS_PRINTED.coef * AS_PRINTED.decay**1_000_000 < 1e-8


@pytest.mark.parametrize("changes", [{"coef": -1}, {"coef": float("inf")}, {"floor": float("nan")}])
def test_coefficients_are_finite_and_not_negative(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=f"{name}=.*give a finite number of at least 0"):
        KSConfig(**changes)
    with pytest.raises(ValueError, match="decay=0: give a factor above 0 and up to 1"):
        KSConfig(decay=0)
