"""What C2F-ARM's networks prefer: by hand from its values, on the same crop whoever is asked."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fvm_learners.c2f_arm import C2FARM
from fvm_learners.c2f_arm.distribution import Choices
from fvm_learners.c2f_arm.grid import path_of
from fvm_learners.c2f_arm.scene import look, scene_of
from torch.distributions import Categorical, kl_divergence


def choices(seed, sizes=(4, 3, 2), batch=5):
    logits = torch.randn(batch, sum(sizes), generator=torch.Generator().manual_seed(seed))
    return Choices(torch.cat([part.log_softmax(-1) for part in logits.split(list(sizes), dim=-1)], -1), sizes)


def torchs(dist):
    return [Categorical(logits=one) for one in dist.each]


def test_choices_are_independent_categoricals():
    ours, other = choices(0), choices(1)
    both = zip(torchs(ours), torchs(other), strict=True)
    assert torch.allclose(ours.kl(other), sum(kl_divergence(p, q) for p, q in both), atol=1e-6)
    action = ours.draw(torch.Generator().manual_seed(2))
    assert action.shape == (5, 3)
    expected = sum(p.log_prob(action[:, i]) for i, p in enumerate(torchs(ours)))
    assert torch.allclose(ours.log_prob(action), expected, atol=1e-6)
    best = torch.stack([p.probs.argmax(-1) for p in torchs(ours)], dim=-1)
    assert torch.equal(ours.mode(), best)


def test_draws_have_the_probabilities():
    one = choices(3, batch=1)
    many = Choices(one.log_probs.expand(20_000, -1), one.sizes)
    drawn = many.draw(torch.Generator().manual_seed(0))
    for i, p in enumerate(torchs(one)):
        share = torch.bincount(drawn[:, i], minlength=one.sizes[i]) / 20_000
        assert torch.allclose(share, p.probs[0], atol=0.02)


def test_the_fisher_weights_are_those_of_the_expected_score():
    """E_a[g g^T] in a choice's logits is diag(p) - p p^T; by log-probabilities u, sum_m p_m du_m du_m^T."""
    logits = torch.randn(3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: x.log_softmax(-1), logits)
    weights = Choices(logits.log_softmax(-1), (3,)).fisher_weights()
    p = logits.softmax(-1)
    assert torch.allclose(jacobian.T @ torch.diag(weights) @ jacobian, torch.diag(p) - torch.outer(p, p))


def test_the_spread_is_that_within_each_choice():
    dist = Choices(torch.tensor([[1.0, 3.0, 10.0, 10.0]]), (2, 2))
    assert dist.spread().item() == pytest.approx(torch.tensor([-1.0, 1.0, 0.0, 0.0]).std().item())


@pytest.fixture
def learner(ball, tiny):
    envs = ball(num_envs=3)
    made = C2FARM(envs.single_observation_space, envs.single_action_space, tiny, seed=0)
    with torch.no_grad():  # its last layers begin with 0, and all voxels alike
        rng = torch.Generator().manual_seed(0)
        for parameter in made.policy.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng))
    return made


@pytest.fixture
def visited(ball):
    """Observations of three slots, and poses that were taken there."""
    obs, _ = ball(num_envs=3).reset(seed=4)
    place = np.random.default_rng(0).uniform([0.0, -0.2, 0.75], [0.4, 0.2, 1.2], size=(3, 3))
    action = np.concatenate([place, np.tile([1.0, 0, 0, 0, 1.0], (3, 1))], axis=1).astype(np.float32)
    states = SimpleNamespace(
        obs={name: torch.from_numpy(part) for name, part in obs.items()}, action=torch.from_numpy(action)
    )
    return obs, states


def test_each_depth_s_voxels_and_each_angle_are_softmaxes_of_q_on_the_crop_of_the_action(learner, visited):
    obs, states = visited
    learner.distribution_temperature = 0.5
    dist, memory = learner.distribution(learner.policy, states)
    assert memory is None
    bins = learner.config.rotation_bins
    assert [one.shape for one in dist.each] == [(3, 512), (3, 512), (3, bins), (3, bins), (3, bins), (3, 2)]
    scene = scene_of(learner.eye.read(obs), learner.eye, learner.config, learner.device)
    where = states.action[:, :3].numpy().astype(np.float64)
    path = path_of(learner.config.grids, where, np.zeros((1, 3, 3)))
    coarse, fine = learner.policy.networks
    told = (learner.config, learner.eye)
    q, _ = look(coarse, scene, 0, torch.zeros(3, 3), *told)
    assert torch.allclose(dist.each[0].exp(), torch.softmax(2 * q, dim=-1), atol=1e-6)
    q, features = look(fine, scene, 1, torch.from_numpy(path.centres[1].astype(np.float32)), *told)
    assert torch.allclose(dist.each[1].exp(), torch.softmax(2 * q, dim=-1), atol=1e-6)
    values = fine.values(features, torch.from_numpy(path.voxels[1]))
    assert torch.allclose(dist.each[5].exp(), torch.softmax(2 * values[:, -2:], dim=-1), atol=1e-6)
    assert torch.allclose(dist.each[3].exp(), torch.softmax(2 * values[:, bins : 2 * bins], -1), atol=1e-6)
    assert float(dist.kl(learner.distribution_from(dist.params)).detach().abs().max()) < 1e-6


def test_a_teacher_and_its_student_look_at_the_same_crop(learner, visited):
    """A student whose coarse values point elsewhere is asked about the action's grid all the same."""
    _, states = visited
    teacher = copy.deepcopy(learner.policy)
    before, _ = learner.distribution(teacher, states)
    with torch.no_grad():
        for parameter in learner.policy.depths[0].parameters():
            parameter.mul_(-1.5)
    after, _ = learner.distribution(learner.policy, states)
    assert float(before.each[0].sub(after.each[0]).detach().abs().max()) > 1e-3
    assert all(torch.equal(a, b) for a, b in zip(before.each[1:], after.each[1:], strict=True))


def test_of_a_batch_the_crop_is_that_of_the_replayed_action(learner, ball, demos):
    learner.add_demonstrations(demos(2))
    batch = learner.sampler.batch(learner, np.random.default_rng(0))
    dist, _ = learner.distribution(learner.policy, batch)
    q, features = look(
        learner.policy.networks[1], batch.scene, 1, batch.centres[1], learner.config, learner.eye
    )
    assert torch.allclose(dist.each[1], torch.log_softmax(q, dim=-1), atol=1e-5)
    values = learner.policy.networks[1].values(features, batch.voxels[1])
    assert torch.allclose(dist.each[5], torch.log_softmax(values[:, -2:], dim=-1), atol=1e-5)
    (gradient,) = torch.autograd.grad(dist.kl(choices_like(dist)).sum(), [next(learner.policy.parameters())])
    assert gradient.abs().sum() > 0


def choices_like(dist):
    """Uniform choices among as many."""
    flat = [torch.full_like(one, -np.log(one.shape[-1])) for one in dist.each]
    return Choices(torch.cat(flat, dim=-1), dist.sizes)
