import itertools
import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners.networks.heads import Categorical, DiagonalGaussian, make_head


def test_categorical_by_hand():
    dist = Categorical(torch.tensor([[0.5, 0.25, 0.25]]).log())
    assert dist.entropy().item() == pytest.approx(1.5 * math.log(2))
    assert dist.log_prob(torch.tensor([1])).item() == pytest.approx(math.log(0.25))
    noise = torch.tensor([0.0, 0.4999, 0.5, 0.74, 0.76, 1 - 1e-16], dtype=torch.float64)
    assert dist.sample(noise).tolist() == [0, 0, 1, 1, 2, 2]


def test_gaussian_agrees_with_torchs():
    mean, log_std = torch.randn(4, 3), torch.randn(3)
    ours = DiagonalGaussian(mean, log_std)
    theirs = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    action = torch.randn(4, 3)
    torch.testing.assert_close(ours.log_prob(action), theirs.log_prob(action))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    torch.testing.assert_close(ours.sample(torch.ones(4, 3)), mean + log_std.exp())


def test_a_gaussian_s_kl_is_torchs_and_has_a_direction():
    mean, log_std = torch.randn(2, 4, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    one, two = (DiagonalGaussian(*parts) for parts in zip(mean, log_std, strict=True))
    theirs = [torch.distributions.Normal(dist.mean, dist.log_std.exp()) for dist in (one, two)]
    torch.testing.assert_close(one.kl(two), torch.distributions.kl_divergence(*theirs).sum(-1))
    torch.testing.assert_close(two.kl(one), torch.distributions.kl_divergence(*theirs[::-1]).sum(-1))


def test_a_gaussian_s_fisher_weights_are_those_of_the_expected_score():
    """E_a[g g^T] of the score g in mean and log std, by quadrature that is exact for such polynomials."""
    params = torch.tensor([0.3, -1.2, -0.7, 0.4], dtype=torch.float64)
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)
    expected = torch.zeros(4, 4, dtype=torch.float64)
    for (x, p), (y, q) in itertools.product(zip(nodes, weights / weights.sum(), strict=True), repeat=2):
        action = params[:2] + params[2:].exp() * torch.tensor([x, y])
        score = torch.autograd.functional.jacobian(
            lambda own, action=action: DiagonalGaussian.from_params(own).log_prob(action), params
        )
        expected += p * q * torch.outer(score, score)
    torch.testing.assert_close(torch.diag(DiagonalGaussian.from_params(params).fisher_weights()), expected)


def test_discrete_actions_begin_where_the_space_does():
    head = make_head(gym.spaces.Discrete(3, start=5), 4)
    assert head.to_env(torch.tensor([0, 2])).tolist() == [5, 7]


def test_box_actions_are_clipped_and_shaped_for_the_env():
    head = make_head(gym.spaces.Box(-1, 1, (2, 2), np.float64), 4)
    action = head.to_env(torch.tensor([[-3.0, 0.5, 2.0, 1.0]]))
    assert action.dtype == np.float64
    assert action.tolist() == [[[-1, 0.5], [1, 1]]]


@pytest.mark.parametrize("space", [gym.spaces.MultiDiscrete([2, 2]), gym.spaces.Box(0, 5, (2,), np.int64)])
def test_other_spaces_are_refused(space):
    with pytest.raises(TypeError, match="neither Discrete nor a floating-point Box"):
        make_head(space, 4)


def test_masked_actions_add_nothing_to_entropy_and_kl():
    """Logits of -inf, as of actions that are not allowed: 0 times infinity had made all NaN."""
    logits = torch.tensor([[1.0, 1.0, -torch.inf]], requires_grad=True)
    policy = Categorical(logits.log_softmax(-1))
    teacher = Categorical(torch.tensor([[0.75, 0.25, 0.0]]).log())
    assert policy.entropy().item() == pytest.approx(math.log(2))
    kl = teacher.kl(policy)
    assert kl.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    kl.sum().backward()
    assert logits.grad[0, :2].tolist() == pytest.approx([-0.25, 0.25])
    assert Categorical(torch.tensor([0.5, 0.25, 0.25]).log()).kl(policy).isposinf().all()


def test_discrete_actions_are_of_the_type_of_their_space():
    space = gym.spaces.Discrete(3, start=-1)
    space.dtype = np.dtype(np.int32)  # Gymnasium 1.2.2's `Discrete(3, dtype=np.int32)`
    action = make_head(space, 4).to_env(torch.tensor([0, 2]))
    assert (action.dtype, action.tolist()) == (np.int32, [-1, 1])
    assert all(space.contains(one) for one in action)
