"""RL2 recomputed over lifetimes by a plain loop in float64, to 1e-5: memory, advantages and PPO's loss."""

import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig
from fvm_learners.ppo.gae import gae
from fvm_learners.ppo.minibatches import minibatches
from fvm_learners.ppo.ppo import ppo_loss
from fvm_learners.ppo.rollout import Rollout, begin, collect

CLOSE = {"rel": 1e-5, "abs": 1e-5}
CPU = torch.device("cpu")
CONFIG = PPOConfig(
    num_steps=9,
    num_minibatches=1,
    mlp_sizes=(8,),
    recurrent=True,
    lstm_size=6,
    discount=0.9,
    gae_lambda=0.8,
    normalise_reward=False,
    normalise_advantage=False,
    clip_value=None,
    entropy_coef=0.03,
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Plain:
    """The network of an RL2 agent on one observation, written out."""

    def __init__(self, weights):
        self.w = {name: tensor.double().numpy() for name, tensor in weights.items()}

    def dense(self, name, x):
        return self.w[f"{name}.weight"] @ x + self.w.get(f"{name}.bias", 0.0)

    def __call__(self, shown, feedback, hidden, cell):
        features = np.tanh(self.dense("encoder.layers.0", shown))
        features = self.dense("embedding", np.concatenate((features, feedback)))
        gates = self.dense("lstm.from_input", features) + self.dense("lstm.from_hidden", hidden)
        enter, forget, candidate, leave = np.split(gates, 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(candidate)
        hidden = sigmoid(leave) * np.tanh(cell)
        logits = self.dense("head.dense", hidden)
        log_probs = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
        return log_probs, self.dense("value", hidden)[0], hidden, cell


class Logged:
    """Vector envs that write down, slot by slot, what they were told and what they answered."""

    def __init__(self, envs):
        self.envs, self.log = envs, []

    def __getattr__(self, name):
        return getattr(self.envs, name)

    def reset(self, **options):
        self.obs, info = self.envs.reset(**options)
        return self.obs, info

    def step(self, actions):
        before = {name: part.copy() for name, part in self.obs.items()}
        self.obs, reward, terminated, truncated, info = self.envs.step(actions)
        self.log.append((before, actions.copy(), reward.copy(), terminated.copy(), info["trial_end"].copy()))
        return self.obs, reward, terminated, truncated, info


@pytest.fixture
def lived(goal_trials):
    """Two rollouts of lifetimes of 3 trials, the policy that lived them, and what the envs wrote down."""
    envs = Logged(goal_trials((0, 3, 6), 4, 0, "resample", 3))
    ppo = PPO(envs.single_observation_space, envs.single_action_space, CONFIG, seed=0)
    with torch.no_grad():
        for parameter in ppo.policy.parameters():  # heads of .01 would hide what the memory does
            parameter.mul_(1.5).add_(0.05)
    rng, carry, rollouts = torch.Generator().manual_seed(0), begin(envs, ppo.policy, 0, CPU), []
    for _ in range(2):
        rollouts.append(Rollout.allocate(ppo.policy, CONFIG.num_steps, 4, CPU))
        carry, _ = collect(envs, ppo.policy, carry, rollouts[-1], rng, None, 0)
    return ppo, envs, rollouts


def recomputed(weights, envs, slot):
    """Log-probabilities, values, rewards and ends of a slot's steps, and the value after the last."""
    network, size = Plain(weights), CONFIG.lstm_size
    hidden, cell, told = np.zeros(size), np.zeros(size), np.zeros(4)
    rows = []
    for obs, action, reward, terminated, trial_end in envs.log:
        assert obs["feedback"][slot].tolist() == told.tolist()
        log_probs, value, hidden, cell = network(obs["obs"][slot], told, hidden, cell)
        rows.append((log_probs, value, reward[slot], terminated[slot]))
        told = np.array([action[slot] == 0, action[slot] == 1, reward[slot], trial_end[slot]], float)
        if terminated[slot]:  # the lifetime's end: nothing is remembered and nothing told
            hidden, cell, told = np.zeros(size), np.zeros(size), np.zeros(4)
    _, after, _, _ = network(envs.obs["obs"][slot], told, hidden, cell)
    return rows, after


def advantages(rows, after):
    """Sum over l of (gamma lambda)^l delta, over the trials' ends and not over the lifetime's."""
    values = [value for _, value, _, _ in rows] + [after]
    found = []
    for t in range(len(rows)):
        total, weight = 0.0, 1.0
        for later in range(t, len(rows)):
            _, value, reward, ended = rows[later]
            total += weight * (reward + CONFIG.discount * (0 if ended else values[later + 1]) - value)
            weight *= CONFIG.discount * CONFIG.gae_lambda
            if ended:
                break
        found.append(total)
    return found


def advantage_of(rollout):
    cuts = rollout.terminated, rollout.cut
    return gae(rollout.reward, rollout.value, rollout.next_value, *cuts, discount=0.9, gae_lambda=0.8)


def test_memory_crosses_trials_and_rollouts_and_ends_with_the_lifetime(lived):
    ppo, envs, rollouts = lived
    assert sum(terminated.sum() for *_, terminated, _ in envs.log) >= 4  # some lifetimes ended
    log_prob = torch.cat([rollout.log_prob for rollout in rollouts])
    value = torch.cat([rollout.value for rollout in rollouts])
    for slot in range(4):
        rows, _ = recomputed(ppo.weights(), envs, slot)
        for t, (log_probs, expected, _, _) in enumerate(rows):
            action = envs.log[t][1][slot]
            assert float(log_prob[t, slot]) == pytest.approx(log_probs[action], **CLOSE)
            assert float(value[t, slot]) == pytest.approx(expected, **CLOSE)


def test_advantages_cross_trials_and_end_with_the_lifetime(lived):
    """Of the second rollout, whose first row goes on with what the first one remembered."""
    ppo, envs, rollouts = lived
    found = advantage_of(rollouts[1])
    for slot in range(4):
        rows, after = recomputed(ppo.weights(), envs, slot)
        expected = advantages(rows[CONFIG.num_steps :], after)
        assert found[:, slot].tolist() == pytest.approx(expected, **CLOSE)


def test_ppos_loss_on_lifetimes(lived):
    """By a policy that has learned on since: its memory of the second rollout begins with the old one's."""
    ppo, envs, rollouts = lived
    rollout, old = rollouts[1], ppo.weights()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in ppo.policy.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng), alpha=0.5)
    ((batch,),) = minibatches(rollout, advantage_of(rollout), CONFIG, torch.Generator(), None)
    loss, metrics = ppo_loss(batch, ppo.policy, CONFIG)

    network, policy, values, entropies, clipped = Plain(ppo.weights()), [], [], [], 0
    for slot in range(4):
        before, after = recomputed(old, envs, slot)
        rows = before[CONFIG.num_steps :]
        hidden, cell = rollout.initial_state[slot].double().numpy()
        for t, advantage in enumerate(advantages(rows, after)):
            obs, action, _, terminated, _ = envs.log[CONFIG.num_steps + t]
            log_probs, value, hidden, cell = network(obs["obs"][slot], obs["feedback"][slot], hidden, cell)
            ratio = np.exp(log_probs[action[slot]] - rows[t][0][action[slot]])
            bounded = min(max(ratio, 1 - CONFIG.clip_ratio), 1 + CONFIG.clip_ratio)
            clipped += bounded != ratio
            policy.append(-min(ratio * advantage, bounded * advantage))
            values.append((value - (advantage + rows[t][1])) ** 2 / 2)
            entropies.append(-(np.exp(log_probs) * log_probs).sum())
            if terminated[slot]:
                hidden, cell = np.zeros_like(hidden), np.zeros_like(cell)
    expected = (
        np.mean(policy) + CONFIG.value_coef * np.mean(values) - CONFIG.entropy_coef * np.mean(entropies)
    )
    assert float(loss) == pytest.approx(expected, **CLOSE)
    assert clipped > 0
    assert float(metrics["clip_frac"]) == pytest.approx(clipped / len(policy), abs=1e-6)
