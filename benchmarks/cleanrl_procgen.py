"""PPO in CleanRL's style on Procgen, with Gymnasium's own wrappers: nothing of fvm but the environments.

    uv run python benchmarks/cleanrl_procgen.py --env-steps 100000

After `ppo_procgen.py` of CleanRL (Huang et al. 2022): one file from top to bottom, its hyperparameters, its
IMPALA network, on 64 levels at a time of easy Coinrun. Unlike there, a time-out counts as an end, because
Procgen shows no last observation.
"""

from __future__ import annotations

import argparse
import time

import fvm_envs  # noqa: F401  registers the ids
import gymnasium as gym
import numpy as np
import torch
from gymnasium.wrappers.vector import NormalizeReward, RecordEpisodeStatistics
from torch import Tensor, nn
from torch.distributions import Categorical


class Residual(nn.Module):
    """Two convolutions around which the input goes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.two = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(torch.relu(self.one(torch.relu(x))))


class Agent(nn.Module):
    """IMPALA's encoder, a policy and a value."""

    def __init__(self, num_actions: int, widths: tuple[int, ...] = (16, 32, 32)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for entering, leaving in zip((3, *widths), widths, strict=False):
            layers += [nn.Conv2d(entering, leaving, 3, padding=1), nn.MaxPool2d(3, 2, 1)]
            layers += [Residual(leaving), Residual(leaving)]
        self.encoder = nn.Sequential(
            *layers, nn.Flatten(), nn.ReLU(), nn.Linear(widths[-1] * 64, 256), nn.ReLU()
        )
        self.policy, self.value = nn.Linear(256, num_actions), nn.Linear(256, 1)
        nn.init.orthogonal_(self.policy.weight, 0.01)

    def forward(self, obs: Tensor) -> tuple[Categorical, Tensor]:
        hidden = self.encoder(obs.movedim(-1, 1) / 255.0)
        return Categorical(logits=self.policy(hidden)), self.value(hidden).squeeze(-1)


def main(env_steps: int, num_envs: int, num_steps: int, num_minibatches: int, seed: int) -> list[float]:
    """The returns of the training episodes, in order."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    envs = gym.make_vec(
        "procgen/coinrun-easy-v0", num_envs=num_envs, seed=seed, actions="coinrun", episode_stats=False
    )
    envs = NormalizeReward(RecordEpisodeStatistics(envs), gamma=0.999)
    agent = Agent(int(envs.single_action_space.n))
    optimiser = torch.optim.Adam(agent.parameters(), lr=5e-4, eps=1e-5)

    shape = (num_steps, num_envs)
    obs = torch.zeros((*shape, *envs.single_observation_space.shape), dtype=torch.uint8)
    actions = torch.zeros(shape, dtype=torch.int64)
    log_probs, rewards, dones, values = (torch.zeros(shape) for _ in range(4))
    returns: list[float] = []
    began = time.perf_counter()

    now, _ = envs.reset(seed=seed)
    for update in range(1, env_steps // (num_steps * num_envs) + 1):
        for t in range(num_steps):
            obs[t] = torch.from_numpy(now)
            with torch.no_grad():
                policy, values[t] = agent(obs[t])
            actions[t] = policy.sample()
            log_probs[t] = policy.log_prob(actions[t])
            now, reward, terminated, truncated, info = envs.step(actions[t].numpy())
            rewards[t] = torch.from_numpy(reward)
            dones[t] = torch.from_numpy(terminated | truncated)
            if "_episode" in info:
                returns += info["episode"]["r"][info["_episode"]].tolist()

        with torch.no_grad():
            following = agent(torch.from_numpy(now))[1]
        advantages, last = torch.zeros(shape), torch.zeros(num_envs)
        for t in reversed(range(num_steps)):
            next_value = following if t == num_steps - 1 else values[t + 1]
            delta = rewards[t] + 0.999 * next_value * (1 - dones[t]) - values[t]
            last = advantages[t] = delta + 0.999 * 0.95 * (1 - dones[t]) * last
        targets = advantages + values

        flat = [part.flatten(0, 1) for part in (obs, actions, log_probs, advantages, targets, values)]
        for _ in range(3):
            for rows in np.array_split(rng.permutation(num_steps * num_envs), num_minibatches):
                seen, action, old_log_prob, advantage, target, old_value = (part[rows] for part in flat)
                policy, value = agent(seen)
                ratio = (policy.log_prob(action) - old_log_prob).exp()
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                policy_loss = -torch.min(advantage * ratio, advantage * ratio.clamp(0.8, 1.2)).mean()
                clipped = old_value + (value - old_value).clamp(-0.2, 0.2)
                value_loss = 0.5 * torch.max((value - target) ** 2, (clipped - target) ** 2).mean()
                loss = policy_loss + 0.5 * value_loss - 0.01 * policy.entropy().mean()
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimiser.step()
        done = update * num_steps * num_envs
        rate = done / (time.perf_counter() - began)
        recent = np.mean(returns[-100:]) if returns else float("nan")
        print(f"{done:,} env steps: mean return {recent:.2f} of {len(returns)} episodes, {rate:.0f} steps/s")
    envs.close()
    return returns


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--env-steps", type=int, default=100_000)
    parser.add_argument("--num-envs", type=int, default=64)
    parser.add_argument("--num-steps", type=int, default=256)
    parser.add_argument("--num-minibatches", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    main(**vars(parser.parse_args()))
