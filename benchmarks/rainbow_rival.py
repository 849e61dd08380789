"""Rainbow's loop against a plain one of the shape of Kaixhin's Rainbow: env steps per CPU second, in pairs.

    OMP_NUM_THREADS=1 python benchmarks/rainbow_rival.py [--rows 60] [--rounds 5] [--update-mode eager]

Data-efficient Rainbow on random frames of Atari's size, one env, an update each step, batches of 32. The
rival is written after github.com/Kaixhin/Rainbow's `agent.py`, `memory.py` and `model.py`: one state at a
time, frames channels first and divided into floats, a proportional replay of which all samples are drawn
again if one is too new, noise drawn for each update, PyTorch's default Adam. Its own code is not here.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import rainbow as ours_module
import torch
from fvm_learners import DATA_EFFICIENT, Rainbow
from torch import Tensor, nn
from torch.nn import functional as F

ACTIONS, ATOMS, V_MIN, V_MAX, STEPS, DISCOUNT, BATCH = 6, 51, -10.0, 10.0, 20, 0.99, 32
BEFORE = 1_600  # env steps without updates


class NoisyLinear(nn.Module):
    """A linear layer with factorised noise."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inputs, self.outputs, bound = inputs, outputs, inputs**-0.5
        self.weight_mu = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.weight_sigma = nn.Parameter(torch.full((outputs, inputs), 0.1 * bound))
        self.bias_mu = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
        self.bias_sigma = nn.Parameter(torch.full((outputs,), 0.1 * outputs**-0.5))
        self.register_buffer("weight_epsilon", torch.empty(outputs, inputs))
        self.register_buffer("bias_epsilon", torch.empty(outputs))
        self.reset_noise()

    def reset_noise(self) -> None:
        """Draws new noise."""
        ins, outs = (x.sign() * x.abs().sqrt() for x in map(torch.randn, (self.inputs, self.outputs)))
        self.weight_epsilon.copy_(outs.ger(ins))
        self.bias_epsilon.copy_(outs)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the outputs under the noise."""
        weight = self.weight_mu + self.weight_sigma * self.weight_epsilon
        return F.linear(x, weight, self.bias_mu + self.bias_sigma * self.bias_epsilon)


class Network(nn.Module):
    """Duelling distributions over returns, of four frames."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.Sequential(nn.Conv2d(4, 32, 5, 5), nn.ReLU(), nn.Conv2d(32, 64, 5, 5), nn.ReLU())
        self.value_hidden, self.value = NoisyLinear(576, 256), NoisyLinear(256, ATOMS)
        self.advantage_hidden, self.advantage = NoisyLinear(576, 256), NoisyLinear(256, ACTIONS * ATOMS)

    def forward(self, x: Tensor, *, log: bool = False) -> Tensor:
        """Returns (log) probabilities [B, A, atoms] of states [B, 4, 84, 84]."""
        x = self.convs(x).view(-1, 576)
        value = self.value(F.relu(self.value_hidden(x))).view(-1, 1, ATOMS)
        advantage = self.advantage(F.relu(self.advantage_hidden(x))).view(-1, ACTIONS, ATOMS)
        q = value + advantage - advantage.mean(1, keepdim=True)
        return F.log_softmax(q, dim=2) if log else F.softmax(q, dim=2)

    def reset_noise(self) -> None:
        """Draws new noise in all noisy layers."""
        for layer in (self.value_hidden, self.value, self.advantage_hidden, self.advantage):
            layer.reset_noise()


class Memory:
    """A proportional replay of single frames; a sample's states are put together when it is drawn."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.start = capacity, 2 ** (capacity - 1).bit_length() - 1
        self.tree = np.zeros(self.start + capacity, np.float32)
        self.frames = np.zeros((capacity, 84, 84), np.uint8)
        self.t, self.actions = np.zeros(capacity, np.int32), np.zeros(capacity, np.int32)
        self.rewards, self.nonterminals = np.zeros(capacity, np.float32), np.zeros(capacity, np.bool_)
        self.index, self.largest, self.rng = 0, 1.0, np.random.default_rng(0)

    def append(self, frame: np.ndarray, t: int, action: int, reward: float, terminal: bool) -> None:
        """Stores one step with the largest priority so far."""
        i = self.index
        self.frames[i], self.t[i], self.actions[i] = frame, t, action
        self.rewards[i], self.nonterminals[i] = reward, not terminal
        self.set(np.array([self.start + i]), np.array([self.largest], np.float32))
        self.index = (i + 1) % self.capacity

    def set(self, leaves: np.ndarray, values: np.ndarray) -> None:
        """Sets priorities, and the sums above them."""
        self.tree[leaves] = values
        while leaves[0] > 0:
            leaves = np.unique((leaves - 1) // 2)
            below = leaves * 2 + np.array([[1], [2]])
            self.tree[leaves] = self.tree[np.minimum(below, len(self.tree) - 1)].sum(0)
        self.largest = max(float(values.max()), self.largest)

    def find(self, sums: np.ndarray) -> np.ndarray:
        """Returns the leaves at which the running sum of priorities passes each of these."""
        nodes = np.zeros(len(sums), np.int64)
        while nodes[0] < self.start:
            left = nodes * 2 + 1
            right = sums > self.tree[left]
            sums = sums - right * self.tree[left]
            nodes = left + right
        return nodes

    def sample(self) -> tuple[np.ndarray, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Returns leaves, states, actions, n-step returns, next states, nonterminals, weights."""
        total = self.tree[0]
        while True:
            draws = (np.arange(BATCH) + self.rng.random(BATCH)) * total / BATCH
            leaves = self.find(draws.astype(np.float32))
            at = leaves - self.start
            if np.all((self.index - at) % self.capacity > STEPS) and np.all(self.tree[leaves] > 0):
                break
        around = (at[:, None] + np.arange(-3, STEPS + 1)) % self.capacity
        frames, first = self.frames[around], self.t[around] == 0
        blank = np.zeros_like(first)
        for k in (2, 1, 0):
            blank[:, k] = blank[:, k + 1] | first[:, k + 1]
        for k in range(4, STEPS + 4):
            blank[:, k] = blank[:, k - 1] | first[:, k]
        frames[blank] = 0
        states = torch.tensor(frames[:, :4]).float().div_(255)
        next_states = torch.tensor(frames[:, STEPS : STEPS + 4]).float().div_(255)
        rewards = torch.tensor(np.where(blank, 0.0, self.rewards[around])[:, 3:-1].astype(np.float32))
        returns = rewards @ torch.tensor([DISCOUNT**k for k in range(STEPS)])
        alive = torch.tensor(self.nonterminals[around[:, -1]] & ~blank[:, -1]).float().unsqueeze(1)
        weights = (self.capacity * self.tree[leaves] / total) ** -0.4
        actions = torch.tensor(self.actions[at], dtype=torch.int64)
        return leaves, states, actions, returns, next_states, alive, torch.tensor(weights / weights.max())


class Rival:
    """The agent and its loop."""

    def __init__(self, capacity: int) -> None:
        self.online, self.target = Network(), Network()
        self.target.load_state_dict(self.online.state_dict())
        self.optimiser = torch.optim.Adam(self.online.parameters(), lr=1e-4, eps=1.5e-4)
        self.support, self.memory = torch.linspace(V_MIN, V_MAX, ATOMS), Memory(capacity)
        self.envs, self.t = ours_module.RandomFrames(1), 0
        self.obs, _ = self.envs.reset()

    def step(self, learns: bool) -> None:
        """Plays one env step, and makes one update."""
        state = torch.tensor(np.moveaxis(self.obs[0], -1, 0)).float().div_(255)
        if learns:
            self.online.reset_noise()
        with torch.no_grad():
            action = int((self.online(state.unsqueeze(0)) * self.support).sum(2).argmax(1).item())
        frame = (state[-1] * 255).to(torch.uint8).numpy()
        self.obs, reward, over, _, _ = self.envs.step(np.array([action]))
        self.memory.append(frame, self.t, action, float(np.clip(reward[0], -1, 1)), bool(over[0]))
        self.t = 0 if over[0] else self.t + 1
        if learns:
            self.learn()

    def learn(self) -> None:
        """Makes one update of the network and of the sampled priorities."""
        leaves, states, actions, returns, next_states, alive, weights = self.memory.sample()
        rows, step = range(BATCH), (V_MAX - V_MIN) / (ATOMS - 1)
        log_p = self.online(states, log=True)[rows, actions]
        with torch.no_grad():
            best = (self.online(next_states) * self.support).sum(2).argmax(1)
            self.target.reset_noise()
            p = self.target(next_states)[rows, best]
            shifted = (returns.unsqueeze(1) + alive * DISCOUNT**STEPS * self.support).clamp(V_MIN, V_MAX)
            b = (shifted - V_MIN) / step
            low, high = b.floor().to(torch.int64), b.ceil().to(torch.int64)
            low[(high > 0) & (low == high)] -= 1
            high[(low < ATOMS - 1) & (low == high)] += 1
            offset = (torch.arange(BATCH) * ATOMS).unsqueeze(1)
            m = torch.zeros(BATCH * ATOMS)
            m.index_add_(0, (low + offset).view(-1), (p * (high - b)).view(-1))
            m.index_add_(0, (high + offset).view(-1), (p * (b - low)).view(-1))
        loss = -(m.view(BATCH, ATOMS) * log_p).sum(1)
        self.online.zero_grad()
        (weights * loss).mean().backward()
        nn.utils.clip_grad_norm_(self.online.parameters(), 10.0)
        self.optimiser.step()
        self.memory.set(leaves, loss.detach().numpy() ** 0.5)


def ours(capacity: int, update_mode: str) -> Callable[[int], None]:
    """Returns what plays so many env steps of our Rainbow, after the first ones."""
    envs = ours_module.RandomFrames(1)
    config = replace(DATA_EFFICIENT, learn_start=BEFORE, replay_capacity=capacity, update_mode=update_mode)
    agent = Rainbow(envs.single_observation_space, envs.single_action_space, config, seed=0, device="cpu")
    agent.collect(envs, BEFORE)
    agent.updates_due = 0.0

    def play(rows: int) -> None:
        for _ in range(rows):
            agent.iteration(envs, 1)

    return play


def rival(capacity: int) -> Callable[[int], None]:
    """Returns what plays so many env steps of the rival, after the first ones."""
    agent = Rival(capacity)
    for _ in range(BEFORE):
        agent.step(learns=False)

    def play(rows: int) -> None:
        for _ in range(rows):
            agent.step(learns=True)

    return play


def main() -> None:
    """Prints the CPU milliseconds of an env step of both, round by round, and their ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--update-mode", default="eager", choices=("eager", "compile"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    players = {"rival": rival(10_000), "ours": ours(10_000, args.update_mode)}
    for play in players.values():
        play(10)
    ratios = []
    for number in range(args.rounds):
        took = {}
        for name in list(players)[:: 1 if number % 2 else -1]:
            started = time.process_time()
            players[name](args.rows)
            took[name] = (time.process_time() - started) / args.rows * 1e3
        ratios.append(took["rival"] / took["ours"])
        print(f"{took['rival']:.1f} ms, ours {took['ours']:.1f} ms: {ratios[-1]:.2f}", flush=True)
    print(f"median {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
