"""The algorithms' numbers against small independent implementations in float64, to 1e-5."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig
from fvm_learners.networks.heads import Categorical, DiagonalGaussian
from fvm_learners.ppo.gae import gae
from fvm_learners.ppo.minibatches import Batch
from fvm_learners.ppo.ppo import ppo_loss
from fvm_learners.ppo.rollout import Rollout, begin, collect
from fvm_learners.rainbow.c51 import project
from fvm_learners.replay import Replay
from fvm_learners.replay.samplers import prioritised_batch
from gymnasium.vector import AutoresetMode

CLOSE = {"rel": 1e-5, "abs": 1e-5}


def reference_ppo(log_prob, entropy, value, batch, config):
    """Schulman et al. 2017, eq. 7 and 9, a sample at a time."""
    policy, values, entropies, valid = [], [], [], np.flatnonzero(batch.valid.numpy())
    for i in valid:
        ratio = np.exp(log_prob[i] - float(batch.log_prob[i]))
        bounded = min(max(ratio, 1 - config.clip_ratio), 1 + config.clip_ratio)
        policy.append(-min(ratio * float(batch.advantage[i]), bounded * float(batch.advantage[i])))
        old, target = float(batch.value[i]), float(batch.return_[i])
        error = (value[i] - target) ** 2
        if config.clip_value is not None:
            near = old + min(max(value[i] - old, -config.clip_value), config.clip_value)
            error = max(error, (near - target) ** 2)
        values.append(error / 2)
        entropies.append(entropy[i])
    return np.mean(policy) + config.value_coef * np.mean(values) - config.entropy_coef * np.mean(entropies)


@pytest.mark.parametrize("clip_value", [None, 0.2])
@pytest.mark.parametrize("continuous", [False, True])
def test_ppos_loss(continuous, clip_value):
    rng = np.random.default_rng(0)
    num = 200
    config = PPOConfig(clip_value=clip_value, entropy_coef=0.03)
    value = rng.normal(size=num)
    if continuous:
        mean, log_std, action = rng.normal(size=(num, 2)), rng.normal(size=2), rng.normal(size=(num, 2))
        std = np.exp(log_std)
        log_prob = (-((action - mean) ** 2) / (2 * std**2) - np.log(std * np.sqrt(2 * np.pi))).sum(1)
        entropy = np.full(num, np.log(std * np.sqrt(2 * np.pi * np.e)).sum())
        dist = DiagonalGaussian(torch.tensor(mean).float(), torch.tensor(log_std).float())
        taken = torch.tensor(action).float()
    else:
        logits, action = rng.normal(size=(num, 4)), rng.integers(4, size=num)
        prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        log_prob = np.log(prob[np.arange(num), action])
        entropy = -(prob * np.log(prob)).sum(1)
        dist, taken = Categorical(torch.tensor(np.log(prob)).float()), torch.tensor(action)
    batch = Batch(
        obs=torch.zeros(num, 1),
        action=taken,
        log_prob=torch.tensor(log_prob + rng.normal(size=num) * 0.3).float(),
        value=torch.tensor(value + rng.normal(size=num) * 0.3).float(),
        advantage=torch.tensor(rng.normal(size=num)).float(),
        return_=torch.tensor(rng.normal(size=num)).float(),
        valid=torch.tensor(rng.random(num) < 0.8),
        weight=torch.tensor(1.0),
    )
    loss, _ = ppo_loss(batch, lambda *_: (dist, torch.tensor(value).float(), None), config)
    assert float(loss) == pytest.approx(reference_ppo(log_prob, entropy, value, batch, config), **CLOSE)


def test_gae_is_the_weighted_sum_of_n_step_advantages():
    """Schulman et al. 2016, eq. 16 written out: sum over l of (gamma lambda)^l delta_{t+l} until the cut."""
    rng = np.random.default_rng(1)
    steps, slots, gamma, lam = 30, 4, 0.97, 0.9
    reward, value, following = (rng.normal(size=(steps, slots)) for _ in range(3))
    terminated = rng.random((steps, slots)) < 0.1
    cut = terminated | (rng.random((steps, slots)) < 0.1)
    arrays = (torch.tensor(a).float() for a in (reward, value, following))
    found = gae(*arrays, torch.tensor(terminated), torch.tensor(cut), discount=gamma, gae_lambda=lam)
    for slot in range(slots):
        for t in range(steps):
            total = 0.0
            for later in range(t, steps):
                bootstrap = 0.0 if terminated[later, slot] else following[later, slot]
                delta = reward[later, slot] + gamma * bootstrap - value[later, slot]
                total += (gamma * lam) ** (later - t) * delta
                if cut[later, slot]:
                    break
            assert float(found[t, slot]) == pytest.approx(total, **CLOSE)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_gae_in_each_autoreset_mode(scripted, mode):
    """The steps that count, by hand: a reset row is none; a truncated episode has its own last value."""
    gamma, lam, num_steps = 0.9, 0.95, 40
    envs = scripted(mode)
    ppo = PPO(envs.single_observation_space, envs.single_action_space, PPOConfig(mlp_sizes=(8,)), seed=0)
    carry = begin(envs, ppo.policy, 0, torch.device("cpu"))
    rollout = Rollout.allocate(ppo.policy, num_steps, 3, torch.device("cpu"))
    collect(envs, ppo.policy, carry, rollout, torch.Generator().manual_seed(0), None, 0)
    parts = (rollout.reward, rollout.value, rollout.next_value, rollout.terminated, rollout.cut)
    advantage = gae(*parts, discount=gamma, gae_lambda=lam)
    lengths, truncated = (4, 2, 5, 1), (1, 2, 5, 6)
    for slot in range(3):

        def value(episode, t, slot=slot):
            return ppo.policy(torch.tensor([[slot, episode, float(t)]]))[1].item()

        found, steps, episode, t = advantage[rollout.valid[:, slot], slot].tolist(), [], 0, 0
        for _ in found:
            last = t == lengths[episode % 4] - 1
            bootstrap = 0.0 if last and episode not in truncated else value(episode, t + 1)
            steps.append((slot + (t + 1) / 10 + gamma * bootstrap - value(episode, t), last))
            episode, t = (episode + 1, 0) if last else (episode, t + 1)
        for first in range(len(found)):
            total = 0.0
            for later, (delta, last) in enumerate(steps[first:]):
                total += (gamma * lam) ** later * delta
                if last:
                    break
            assert found[first] == pytest.approx(total, **CLOSE)
        assert len(found) == num_steps - (mode is AutoresetMode.NEXT_STEP) * sum(last for _, last in steps)


def test_c51s_projection():
    """Bellemare et al. 2017, algorithm 1: each atom's mass split among the two atoms around it."""
    rng = np.random.default_rng(2)
    atoms, batch = np.linspace(-10, 10, 51), 40
    prob = rng.dirichlet(np.ones(51), size=batch)
    return_, discount = rng.normal(size=batch) * 6, rng.choice([0.0, 0.9, 0.97], size=batch)
    expected = np.zeros((batch, 51))
    for b in range(batch):
        for j in range(51):
            at = (min(max(return_[b] + discount[b] * atoms[j], -10), 10) + 10) / 0.4
            low, high = int(np.floor(at + 1e-12)), int(np.ceil(at - 1e-12))
            expected[b, low] += prob[b, j] * ((high - at) if high > low else 1.0)
            if high > low:
                expected[b, high] += prob[b, j] * (at - low)
    tensors = (torch.tensor(a).float() for a in (prob, return_, discount, atoms))
    assert np.abs(project(*tensors).numpy() - expected).max() < 1e-5


def test_n_step_returns_and_priorities():
    """Returns summed directly, and the frequencies of draws against p^alpha / sum p^alpha."""
    rng = np.random.default_rng(3)
    gamma, n, length, total = 0.9, 3, 7, 70
    replay = Replay(200, (1,), torch.float32, frame_stack=1, n_step=n, discount=gamma, priority_exponent=0.6)
    reward = rng.normal(size=total).astype(np.float32)
    for t in range(total):
        given = [np.array([x]) for x in (0, reward[t], (t + 1) % length == 0, t % length == 0)]
        replay.append([0], np.array([[float(t)]], np.float32), *given)
    rows = np.arange(total)
    kept = replay.transitions(rows)
    for t in range(total):
        end = (t // length + 1) * length
        steps = range(t, min(t + n, end))
        assert float(kept.return_[t]) == pytest.approx(
            sum(gamma ** (k - t) * float(reward[k]) for k in steps), **CLOSE
        )
        assert float(kept.discount[t]) == pytest.approx(gamma**n if t + n < end else 0.0, **CLOSE)
    loss = rng.random(total).astype(np.float32) + 0.01
    replay.update_priorities(rows, loss)
    drawn, probability = replay.draw(200, rng)
    expected = loss.astype(np.float64) ** 0.6 / (loss.astype(np.float64) ** 0.6).sum()
    assert probability == pytest.approx(expected[drawn], **CLOSE)
    counts = np.zeros(total)
    for _ in range(200):
        counts += np.bincount(replay.draw(200, rng)[0], minlength=total)
    assert np.abs(counts / counts.sum() - expected).max() < 0.002


def test_importance_weights():
    """Schaul et al. 2016, section 3.4, from the losses alone: w = (N P)^-beta / max w over the batch."""
    rng = np.random.default_rng(4)
    alpha, beta, sizes = 0.6, 0.4, (40, 90, 60)
    losses, replays = [], []
    for size in sizes:
        replay = Replay(
            200, (1,), torch.float32, frame_stack=1, n_step=1, discount=0.9, priority_exponent=alpha
        )
        for t in range(size):  # every step ends its episode, so each is a transition at once
            given = [np.array([x]) for x in (0, 1.0, True, True)]
            replay.append([0], np.array([[float(t)]], np.float32), *given)
        losses.append(rng.random(size).astype(np.float32) * 3)
        replay.update_priorities(np.arange(size), losses[-1])
        replays.append(replay)
    config = SimpleNamespace(batch_size=100)
    view = SimpleNamespace(config=config, replays=replays, beta=beta, protected=None)
    batch = prioritised_batch(view, [0, 2], rng)
    expected = []
    for task, row in zip(batch.task_index, batch.rows, strict=True):
        priority = losses[task].astype(np.float64) ** alpha
        expected.append((sizes[task] * priority[row] / priority.sum()) ** -beta)
    assert batch.weight.tolist() == pytest.approx((np.array(expected) / max(expected)).tolist(), **CLOSE)
    assert np.bincount(batch.task_index, minlength=3).tolist() == [50, 0, 50]
    assert batch.obs[:, 0].tolist() == batch.rows.tolist()
