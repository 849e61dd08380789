"""The loss against numbers worked out by hand, on networks that say what they are told to."""

import math

import numpy as np
import pytest
import torch
from fvm_learners import RainbowConfig
from fvm_learners.rainbow import rainbow_loss
from fvm_learners.rainbow.gradient_step import Noise
from fvm_learners.replay.samplers import ReplayBatch

ATOMS = torch.tensor([0.0, 1.0, 2.0])


class Told:
    """Gives the distributions [A, Z] listed for each observation's number; remembers how it was called."""

    atoms = ATOMS

    def __init__(self, table):
        self.log_prob = {number: torch.tensor(prob).log() for number, prob in table.items()}
        self.calls = []

    def __call__(self, obs, noise=None, latent=None):
        self.calls.append((obs, noise, latent))
        return torch.stack([self.log_prob[int(number)] for number in obs[:, 0]])

    def q_values(self, obs, noise=None, latent=None):
        return self(obs, noise, latent).exp() @ ATOMS

    def prepared(self, obs):
        return obs


def batch_of(action=(0,), return_=(0.0,), discount=(1.0,), weight=(1.0,), latent=None):
    num = len(action)
    return ReplayBatch(
        obs=torch.zeros(num, 1),
        action=torch.tensor(action),
        return_=torch.tensor(return_),
        discount=torch.tensor(discount),
        next_obs=torch.ones(num, 1),
        weight=torch.tensor(weight),
        task_index=np.zeros(num, dtype=np.int64),
        rows=np.arange(num),
        latent=latent,
    )


BY_KL = RainbowConfig(priority_loss="kl")
NOW = [[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]


def test_the_online_network_chooses_and_the_target_network_values():
    # At s' online values the actions .8 and 1.1, the target network 1.3 and .7: action 1, its (.5, .3, .2).
    online = Told({0: NOW, 1: [[0.4, 0.4, 0.2], [0.3, 0.3, 0.4]]})
    target = Told({1: [[0.2, 0.3, 0.5], [0.5, 0.3, 0.2]]})
    loss, kl, metrics = rainbow_loss(batch_of(), online, target, BY_KL)
    cross_entropy = -(0.5 * math.log(0.5) + 0.3 * math.log(0.25) + 0.2 * math.log(0.25))
    entropy = -(0.5 * math.log(0.5) + 0.3 * math.log(0.3) + 0.2 * math.log(0.2))
    assert loss.item() == pytest.approx(cross_entropy)
    assert kl.item() == pytest.approx(cross_entropy - entropy, abs=1e-6)
    assert metrics["q_value"].item() == pytest.approx(0.75)
    assert metrics["td_error"].item() == pytest.approx(0.05, abs=1e-6)


def test_the_target_is_the_n_step_return_and_the_discounted_value():
    # Return .5, discount .5, value certainly 2: 1.5, half on 1 and half on 2.
    online = Told({0: NOW, 1: [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]})
    target = Told({1: [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]})
    loss, _, _ = rainbow_loss(batch_of(return_=(0.5,), discount=(0.5,)), online, target, RainbowConfig())
    assert loss.item() == pytest.approx(-0.5 * math.log(0.25) - 0.5 * math.log(0.25))
    done, _, _ = rainbow_loss(
        batch_of(action=(1,), return_=(2.0,), discount=(0.0,)), online, target, RainbowConfig()
    )
    assert done.item() == pytest.approx(-math.log(0.6))


def test_weights_count_in_the_loss_and_not_in_the_priorities():
    online = Told({0: NOW, 1: NOW})
    batch = batch_of(action=(0, 1), return_=(2.0, 2.0), discount=(0.0, 0.0), weight=(1.0, 0.25))
    batch = ReplayBatch(**{**vars(batch), "obs": torch.zeros(2, 1), "next_obs": torch.ones(2, 1)})
    loss, priority_loss, _ = rainbow_loss(batch, online, online, RainbowConfig())
    each = [-math.log(0.25), -math.log(0.6)]
    assert loss.item() == pytest.approx((each[0] + 0.25 * each[1]) / 2)
    assert priority_loss.tolist() == pytest.approx(each)
    by_kl = rainbow_loss(batch, online, online, BY_KL)[1]
    assert by_kl.tolist() == pytest.approx(each)  # these targets have no entropy


def test_a_perfect_prediction_has_no_kl_but_a_cross_entropy():
    online = Told({0: [[0.5, 0.3, 0.2]], 1: [[0.5, 0.3, 0.2]]})
    _, kl, _ = rainbow_loss(batch_of(), online, online, BY_KL)
    assert kl.item() == pytest.approx(0, abs=1e-6)
    _, cross_entropy, _ = rainbow_loss(batch_of(), online, online, RainbowConfig())
    assert cross_entropy.item() == pytest.approx(1.0297, abs=1e-4)  # -.5 ln .5 - .3 ln .3 - .2 ln .2


def test_noise_and_latents_go_where_they_belong():
    """One noise for the online network at both observations; one latent for all, its gradient at s alone."""
    online, target = Told({0: NOW, 1: NOW}), Told({1: NOW})
    latent = torch.ones(1, 2, requires_grad=True)
    noise = Noise(torch.tensor(1.0), torch.tensor(2.0))
    rainbow_loss(batch_of(latent=latent), online, target, RainbowConfig(), noise)
    (_, here, z), (_, there, z_next), (_, elsewhere, z_target) = *online.calls, *target.calls
    assert (here, there, elsewhere) == (1.0, 1.0, 2.0)
    assert z is latent
    assert not z_next.requires_grad
    assert not z_target.requires_grad
    assert torch.equal(z_next, latent)
    assert torch.equal(z_target, latent)


def test_gradients_reach_the_prediction_alone():
    table = torch.tensor(NOW).log().requires_grad_()
    online, target = Told({0: NOW, 1: NOW}), Told({1: NOW})
    online.log_prob[0], online.log_prob[1] = table.log_softmax(-1), table.log_softmax(-1)
    loss, priority_loss, metrics = rainbow_loss(batch_of(), online, target, RainbowConfig())
    loss.backward()
    assert not priority_loss.requires_grad
    assert not any(metric.requires_grad for metric in metrics.values())
    # d cross-entropy / d logits of action 0 is p - target: the value of action 1 is larger, so (.2, .2, .6).
    torch.testing.assert_close(table.grad[0], torch.tensor([0.3, 0.05, -0.35]))
    assert table.grad[1].abs().max() == 0
