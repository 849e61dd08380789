"""Hooks of a learner: terms that add up, rollouts that they see, schedules and generators that resume."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from fvm_learners import PPO, Hook, PPOConfig, Rainbow, RainbowConfig
from fvm_learners.hooks import Term
from fvm_learners.ppo import ppo_loss

CONFIG = PPOConfig(
    num_steps=16, num_epochs=2, num_minibatches=2, mlp_sizes=(8,), lstm_size=8, learning_rate=1e-2
)


def make_ppo(envs, hooks=(), **changes):
    config = replace(CONFIG, **changes)
    return PPO(envs.single_observation_space, envs.single_action_space, config, seed=0, hooks=hooks)


def values(policy, batch):
    if hasattr(batch, "episode_start"):
        return policy(batch.obs, batch.initial_state, batch.episode_start)[1]
    return policy.q_values(batch.obs).mean(dim=1)


def towards(policy, batch):
    return (values(policy, batch) - 3) ** 2


def away(policy, batch):
    return 0.3 * values(policy, batch).mean()


def both(policy, batch):
    return towards(policy, batch).mean() + away(policy, batch)


def gradients(learner):
    """Of the last step; Adam's first steps hide their size."""
    return torch.cat([p.grad.flatten() for p in learner.policy.parameters() if p.grad is not None])


@pytest.mark.parametrize(
    ("changes", "chunk_size"), [({}, None), ({}, 8), ({"recurrent": True}, None), ({"recurrent": True}, 16)]
)
def test_two_terms_of_ppo_add_up_to_their_sum(recall, changes, chunk_size):
    def after(*terms):
        envs = recall(num_envs=4, delay=1)
        hooks = [Term(f"t{i}", term) for i, term in enumerate(terms)]
        ppo = make_ppo(envs, hooks, num_minibatches=1, num_epochs=1, max_grad_norm=1e9, **changes)
        ppo._chunk_size = chunk_size
        ppo.iteration(envs)
        return gradients(ppo)

    assert torch.allclose(after(towards, away), after(both), atol=1e-5)
    for alone in (towards, away):
        assert (after(alone) - after(both)).abs().max() > 1e-3


def test_two_terms_of_rainbow_add_up_to_their_sum(catch, make):
    def after(*terms):
        envs = catch(num_envs=4)
        hooks = [Term(f"t{i}", term) for i, term in enumerate(terms)]
        rainbow = make(envs, hooks=hooks, max_grad_norm=1e9)
        rainbow.collect(envs, 10)
        rainbow.update()
        return gradients(rainbow)

    assert torch.allclose(after(towards, away), after(both), atol=1e-5)
    for alone in (towards, away):
        assert (after(alone) - after(both)).abs().max() > 1e-3


class Fading(Hook):
    """A noisy pull on the values, the strength of which falls by a tenth each optimiser step."""

    name = "fading"

    def __init__(self):
        self.strength, self.steps = 1.0, 0

    def term(self, policy, batch):
        noise = torch.rand((), generator=self.rng)
        return self.strength * noise * towards(policy, batch), {"strength": torch.tensor(self.strength)}

    def after_step(self):
        self.strength, self.steps = 0.9 * self.strength, self.steps + 1

    def state_dict(self):
        return {**super().state_dict(), "strength": self.strength, "steps": self.steps}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.strength, self.steps = state["strength"], state["steps"]


def test_a_schedule_goes_on_after_a_resume(recall, assert_same, filed):
    envs = recall(num_envs=4, delay=1)
    hook = Fading()
    ppo = make_ppo(envs, [hook])
    ppo._chunk_size = 8  # a term is called once a chunk, a schedule moves once a step
    for _ in range(2):
        ppo.iteration(envs)
    assert hook.steps == ppo.updates == 8
    state, envs_state = filed(ppo.state_dict()), filed(envs.state_dict())
    last = ppo.iteration(envs)

    other_envs = recall(num_envs=4, delay=1)
    other_envs.load_state_dict(envs_state)
    resumed = make_ppo(other_envs, [Fading()])
    resumed._chunk_size = 8
    resumed.load_state_dict(state)
    assert resumed.iteration(other_envs).metrics == last.metrics
    assert_same(resumed.state_dict(), ppo.state_dict())
    assert last.metrics["fading/strength"] == pytest.approx(np.mean(0.9 ** np.arange(8, 12)))


def test_rainbow_resumes_its_hooks(catch, make, assert_same, filed):
    envs = catch(num_envs=4)
    rainbow = make(envs, hooks=[Fading()])
    rainbow.iteration(envs)
    state, envs_state = filed(rainbow.state_dict()), filed(envs.state_dict())
    rainbow.iteration(envs)
    other_envs = catch(num_envs=4)
    other_envs.load_state_dict(envs_state)
    resumed = make(other_envs, hooks=[Fading()])
    resumed.load_state_dict(state)
    resumed.iteration(other_envs)
    assert_same(resumed.state_dict(), rainbow.state_dict())


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a"), ("b", "b")])
def test_a_state_from_a_file_that_sorts_its_names_fits(catch, make, names):
    hooks = [Fading() for _ in names]
    for hook, name in zip(hooks, names, strict=True):
        hook.name = name
    learner = make(catch(num_envs=4), hooks=hooks)
    hooks[0].strength, hooks[1].strength = 0.25, 0.5
    state = dict(sorted(learner.state_dict()["hooks"]["hooks"].items()))
    again = [Fading() for _ in names]
    for hook, name in zip(again, names, strict=True):
        hook.name = name
    other = make(catch(num_envs=4), hooks=again)
    other.load_state_dict({**learner.state_dict(), "hooks": {"steps": 0, "hooks": state}})
    assert [hook.strength for hook in again] == [0.25, 0.5]


class Teacher(Hook):
    """What a recurrent teacher, with a memory of its own, thinks of the actions that the student took."""

    name = "teacher"

    def __init__(self, policy):
        self.policy, self.memory, self.differences = deepcopy(policy).requires_grad_(False), None, []

    @torch.no_grad()
    def on_rollout(self, rollout):
        memory = torch.zeros_like(rollout.initial_state) if self.memory is None else self.memory
        dist, _, self.memory = self.policy(rollout.obs, memory, rollout.episode_start)
        return {"log_prob": dist.log_prob(rollout.action)}

    def term(self, policy, batch):
        self.differences.append((batch.extra["log_prob"] - batch.log_prob).abs().max())
        return


@pytest.mark.parametrize("chunk_size", [None, 16])
def test_a_recurrent_teacher_sees_what_the_student_saw(recall, chunk_size):
    """A teacher with the student's weights must find the student's own probabilities in every rollout."""
    envs = recall(num_envs=4, delay=5)
    student = make_ppo(envs, recurrent=True)
    teacher = Teacher(student.policy)
    ppo = make_ppo(envs, [teacher], recurrent=True, learning_rate=1e-30)  # stays what the teacher is
    ppo._chunk_size = chunk_size
    for _ in range(3):
        ppo.iteration(envs)
    assert len(teacher.differences) == 3 * 2 * 2 * (1 if chunk_size is None else 2)
    assert max(teacher.differences) < 1e-6


def test_extra_goes_with_the_samples_of_a_policy_without_memory(recall):
    class Copies(Hook):
        name = "copies"

        def on_rollout(self, rollout):
            return {"copy": rollout.obs.clone(), "square": rollout.value**2}

        def term(self, policy, batch):
            assert torch.equal(batch.extra["copy"], batch.obs)
            assert torch.equal(batch.extra["square"], batch.value**2)
            return batch.value.sum() * 0, {"called": torch.tensor(2.0)}

    envs = recall(num_envs=4, delay=1)
    ppo = make_ppo(envs, [Copies()])
    ppo._chunk_size = 8
    assert ppo.iteration(envs).metrics["copies/called"] == 2


def test_metrics_are_named_by_the_hook_and_by_its_position_among_namesakes(recall):
    envs = recall(num_envs=4, delay=1)
    ppo = make_ppo(envs, [Term("kl", towards), Fading(), Term("kl", away)])
    metrics = ppo.iteration(envs).metrics
    assert {name for name in metrics if "/" in name} == {
        "kl/loss", "fading/loss", "fading/strength", "kl 2/loss"
    }  # fmt: skip
    assert list(ppo.state_dict()["hooks"]["hooks"]) == ["kl", "fading", "kl 2"]


def test_a_term_may_sit_out_some_steps(recall):
    class Every(Fading):
        def term(self, policy, batch):
            return super().term(policy, batch) if self.steps % 2 else None

    envs = recall(num_envs=4, delay=1)
    metrics = make_ppo(envs, [Every()]).iteration(envs).metrics
    assert metrics["fading/strength"] == pytest.approx((0.9 + 0.9**3) / 2)


def test_each_hook_draws_from_a_generator_of_its_own(recall):
    envs = recall(num_envs=4, delay=1)
    first, second = Fading(), Fading()
    make_ppo(envs, [first, second])
    draws = [torch.rand(3, generator=hook.rng).tolist() for hook in (first, second)]
    assert draws[0] != draws[1]
    again = Fading()
    make_ppo(envs, [again])
    assert torch.rand(3, generator=again.rng).tolist() == draws[0]
    assert again.rng.device == torch.device("cpu")


def test_what_is_wrong_with_hooks_is_said(recall):
    envs = recall(num_envs=4, delay=1)
    with pytest.raises(TypeError, match=r"is no fvm_learners.hooks.Hook: subclass it, or wrap"):
        make_ppo(envs, [lambda policy, batch: 0])
    with pytest.raises(ValueError, match=r"hooks \[\], the state is of \['fading'\]"):
        make_ppo(envs).load_state_dict(make_ppo(envs, [Fading()]).state_dict())

    class Same(Hook):
        def on_rollout(self, rollout):
            return {"x": rollout.value}

    with pytest.raises(ValueError, match=r"hook 'hook 2' gives \['x'\], which another hook gives already"):
        make_ppo(envs, [Same(), Same()]).iteration(envs)


@pytest.mark.parametrize("chunk_size", [None, 8])
def test_the_ratio_of_gradients_is_logged_every_so_many_steps(recall, chunk_size):
    """A term that is the learner's own loss again, four times, has a gradient four times as long."""

    class Again(Hook):
        name, ratio_every = "again", 3

        def term(self, policy, batch):
            return 4 * ppo_loss(batch, policy, CONFIG)[0], {}

    envs = recall(num_envs=4, delay=1)
    ppo = make_ppo(envs, [Again()], num_minibatches=1, num_epochs=1)
    ppo._chunk_size = chunk_size
    metrics = [ppo.iteration(envs).metrics for _ in range(4)]
    assert ["again/grad_ratio" in m for m in metrics] == [True, False, False, True]
    assert metrics[0]["again/grad_ratio"] == pytest.approx(4, rel=1e-4)
    assert ppo.state_dict()["hooks"]["steps"] == 4


class Plain(Hook):
    """A term of whatever it is given."""

    def __init__(self, output):
        self.output = output

    def term(self, policy, batch):
        return self.output(policy, batch)


@pytest.mark.parametrize("metric", [2, 2.0, np.float32(2)])
def test_a_loss_may_come_alone_and_metrics_as_plain_numbers(recall, metric):
    def after(output):
        envs = recall(num_envs=4, delay=1)
        ppo = make_ppo(envs, [Plain(output)])
        return ppo.iteration(envs).metrics, gradients(ppo)

    alone, with_metric = after(away), after(lambda *given: (away(*given), {"two": metric}))
    assert with_metric[0].pop("hook/two") == 2.0
    assert with_metric[0] == alone[0]
    assert torch.equal(alone[1], with_metric[1])


@pytest.mark.parametrize("came", [1.0, (torch.zeros(()), 1.0), [torch.zeros(()), {}], "loss"])
def test_a_term_that_is_none_is_told_so(recall, came):
    envs = recall(num_envs=4, delay=1)
    with pytest.raises(TypeError, match=r"the term of hook 'hook' gave .*: let it return a loss, \(loss"):
        make_ppo(envs, [Plain(lambda policy, batch: came)]).iteration(envs)


@pytest.mark.parametrize("shape", [(16,), (4, 16), (16, 3, 2), ()])
def test_what_lies_beside_a_rollout_has_its_rows_and_slots(recall, shape):
    """[N, T] has as many numbers as [T, N], and would give each sample another's."""

    class Beside(Hook):
        def on_rollout(self, rollout):
            return {"teacher": torch.zeros(shape)}

    envs = recall(4, delay=1)
    with pytest.raises(
        ValueError, match=r"'hook' gives 'teacher' of shape .*: expected \[T, N, ...\], here \(16, 4\)"
    ):
        make_ppo(envs, [Beside()]).iteration(envs)


@pytest.mark.parametrize("seed", [None, -1, 1.5, True, "0"])
def test_a_learners_seed_is_a_whole_number(recall, seed):
    envs = recall(1, delay=1)
    for kind, config in ((PPO, CONFIG), (Rainbow, RainbowConfig(mlp_sizes=(8,), hidden_size=8))):
        with pytest.raises(ValueError, match=f"seed={seed!r}: give a whole number of 0 or more"):
            kind(envs.single_observation_space, envs.single_action_space, config, seed=seed)
