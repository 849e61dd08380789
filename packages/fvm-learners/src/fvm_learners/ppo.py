"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347), feed-forward and recurrent.

    ratio = pi(a|s) / pi_old(a|s)
    policy loss = -mean min(ratio * A, clip(ratio, 1 - c, 1 + c) * A)                              (eq. 7)
    value loss  = 1/2 mean max((V - R)^2, (V_old + clip(V - V_old, -v, v) - R)^2)         (baselines' ppo2)
    loss        = policy loss + value_coef * value loss - entropy_coef * entropy                   (eq. 9)

with A from `gae`, normalised in each minibatch, and R = A + V_old. Rewards are scaled by `RewardScale`.
Not in: KL penalty, early stopping, shared statistics between processes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from fvm_learners.autoreset import Envs
from fvm_learners.frozen_policy import FrozenPolicy, policy_weights
from fvm_learners.gae import gae
from fvm_learners.networks import ActorCritic
from fvm_learners.optimiser_state import load_optimiser_state, optimiser_state
from fvm_learners.ppo_config import PPOConfig
from fvm_learners.reward_scale import RewardScale
from fvm_learners.rollout import Carry, Episode, Rollout, begin, collect

State = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """Samples [B] or, for a recurrent policy, sequences [T, B]. Fields as in `Rollout`."""

    obs: Tensor
    action: Tensor
    log_prob: Tensor
    value: Tensor
    advantage: Tensor
    return_: Tensor
    valid: Tensor
    episode_start: Tensor | None = None
    initial_state: Tensor | None = None


LossTerm = Callable[[ActorCritic, Batch, torch.Generator], Tensor]


@dataclass(frozen=True)
class Iteration:
    """One rollout and the updates on it.

    Attributes:
        env_steps: taken in this iteration, all slots together (NEXT_STEP's reset rows included).
        updates: optimiser steps in this iteration.
        metrics: means over the updates.
        episodes: that ended in this iteration.
    """

    env_steps: int
    updates: int
    metrics: dict[str, float]
    episodes: tuple[Episode, ...]


def masked_mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean of `x` where `valid`."""
    return torch.where(valid, x, 0.0).sum() / valid.sum()


def normalised(advantage: Tensor, valid: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 over `valid`; a single sample becomes 0, not nan."""
    centred = advantage - masked_mean(advantage, valid)
    return centred / (masked_mean(centred**2, valid).sqrt() + 1e-8)


def ppo_loss(batch: Batch, policy: ActorCritic, config: PPOConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss to minimise, and its parts."""
    dist, value, _ = policy(batch.obs, batch.initial_state, batch.episode_start)
    advantage = normalised(batch.advantage, batch.valid) if config.normalise_advantage else batch.advantage

    log_ratio = dist.log_prob(batch.action) - batch.log_prob
    ratio = log_ratio.exp()
    clipped_ratio = ratio.clamp(1 - config.clip_ratio, 1 + config.clip_ratio)
    policy_loss = -masked_mean(torch.min(ratio * advantage, clipped_ratio * advantage), batch.valid)

    squared_error = (value - batch.return_) ** 2
    if config.clip_value is not None:
        change = (value - batch.value).clamp(-config.clip_value, config.clip_value)
        squared_error = torch.max(squared_error, (batch.value + change - batch.return_) ** 2)
    value_loss = 0.5 * masked_mean(squared_error, batch.valid)

    entropy = masked_mean(dist.entropy(), batch.valid)
    loss = policy_loss + config.value_coef * value_loss - config.entropy_coef * entropy
    with torch.no_grad():
        metrics = {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            "kl": masked_mean(ratio - 1 - log_ratio, batch.valid),  # Schulman's k3: unbiased, never negative
            "clip_frac": masked_mean(((ratio - 1).abs() > config.clip_ratio).float(), batch.valid),
        }
    return loss, {name: metric.detach() for name, metric in metrics.items()}


class PPO:
    """Learns on any `gymnasium.vector.VectorEnv`, one `iteration` (rollout and update) at a time.

    Args:
        observation_space: of one slot.
        action_space: of one slot.
        config: hyperparameters.
        seed: of the weights, the actions, the minibatches, and the envs' first reset.
        device: of network and rollout.
        loss_term: `(policy, batch, rng) -> [B] or scalar`, its mean is added to the loss.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        config: PPOConfig,
        *,
        seed: int,
        device: str = "cpu",
        loss_term: LossTerm | None = None,
    ) -> None:
        self.observation_space, self.action_space = observation_space, action_space
        self.config, self.device, self.loss_term = config, torch.device(device), loss_term
        init_seed, run_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(2, np.uint64) >> 1)
        policy = ActorCritic(
            observation_space,
            action_space,
            network=config.network,
            mlp_sizes=config.mlp_sizes,
            lstm_size=config.lstm_size if config.recurrent else None,
            rng=torch.Generator().manual_seed(init_seed),
        )
        # Before any weights are loaded: `copy_` into these parameters then keeps the format.
        self.policy = policy.to(self.device).to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.Adam(
            self.policy.parameters(), lr=config.learning_rate, eps=config.adam_eps
        )
        self.reward_scale = RewardScale(config.discount) if config.normalise_reward else None
        self.env_step = 0
        self.updates = 0
        self._rng = torch.Generator().manual_seed(run_seed)
        self._carry: Carry | None = None
        self._rollout: Rollout | None = None

    def learn(self, envs: Envs, env_steps: int) -> Iterator[Iteration]:
        """Iterations until fewer than `num_envs` of `env_steps` are left."""
        end = self.env_step + env_steps
        while end - self.env_step >= envs.num_envs:
            yield self.iteration(envs, end - self.env_step)

    def iteration_env_steps(self, num_envs: int) -> int:
        """Env steps of a full iteration on this many envs."""
        return self.config.num_steps * num_envs

    def iteration(self, envs: Envs, max_env_steps: int | None = None) -> Iteration:
        """One rollout, shortened to at most `max_env_steps`, and the updates on it."""
        num_envs = envs.num_envs
        num_steps = self._num_steps(num_envs, max_env_steps)
        if self._carry is None:
            seed = int(torch.randint(2**31 - 1, (), generator=self._rng))
            self._carry = begin(envs, self.policy, seed, self.device)
        if self._rollout is None or self._rollout.value.shape != (num_steps, num_envs):
            self._rollout = Rollout.allocate(self.policy, num_steps, num_envs, self.device)
        self._carry, episodes = collect(
            envs, self.policy, self._carry, self._rollout, self._rng, self.reward_scale, self.env_step
        )
        updates, metrics = self._update(self._rollout)
        self.env_step += num_steps * num_envs
        self.updates += updates
        if self.reward_scale is not None:
            metrics["return_std"] = self.reward_scale.variance**0.5
        return Iteration(num_steps * num_envs, updates, metrics, episodes)

    def _num_steps(self, num_envs: int, max_env_steps: int | None) -> int:
        if self._carry is not None and len(self._carry.episode_start) != num_envs:
            raise ValueError(
                f"the last rollout had {len(self._carry.episode_start)} envs, these are {num_envs}: "
                "call restart() first"
            )
        if max_env_steps is None:
            return self.config.num_steps
        if max_env_steps < num_envs:
            raise ValueError(
                f"max_env_steps={max_env_steps} is less than one step of {num_envs} envs: use fewer envs"
            )
        return min(self.config.num_steps, max_env_steps // num_envs)

    def _update(self, rollout: Rollout) -> tuple[int, dict[str, float]]:
        """Epochs of minibatches; the number of optimiser steps and the metrics' means."""
        config = self.config
        learning_rate = config.learning_rate_at(self.env_step)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        advantage = gae(
            rollout.reward,
            rollout.value,
            rollout.next_value,
            rollout.terminated,
            rollout.cut,
            discount=config.discount,
            gae_lambda=config.gae_lambda,
        )
        history: list[Tensor] = []
        names: list[str] = []
        for _ in range(config.num_epochs):
            for batch in self._minibatches(rollout, advantage):
                loss, metrics = ppo_loss(batch, self.policy, config)
                if self.loss_term is not None:
                    term = self.loss_term(self.policy, batch, self._rng)
                    term = masked_mean(term, batch.valid) if term.shape == batch.valid.shape else term.mean()
                    loss, metrics = loss + term, metrics | {"loss_term": term.detach()}
                self.optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), config.max_grad_norm)
                self.optimiser.step()
                metrics["grad_norm"] = norm
                names = list(metrics)
                history.append(torch.stack(list(metrics.values())))
        means = torch.stack(history).mean(0).tolist() if history else []
        return len(history), dict(zip(names, means, strict=True)) | {"learning_rate": learning_rate}

    def _minibatches(self, rollout: Rollout, advantage: Tensor) -> Iterator[Batch]:
        """One epoch: each valid sample once or, for a recurrent policy, each slot's whole sequence."""
        num_steps, num_envs = rollout.value.shape
        return_ = advantage + rollout.value
        # A shortened rollout keeps about the size of its minibatches, not their number.
        count = max(1, self.config.num_minibatches * num_steps // self.config.num_steps)
        if not self.config.recurrent:
            valid = rollout.valid.flatten().nonzero().squeeze(1)
            order = valid[torch.randperm(len(valid), generator=self._rng).to(valid.device)]
            for index in order.tensor_split(min(count, len(order))):
                yield Batch(
                    obs=rollout.obs.flatten(0, 1).index_select(0, index),
                    action=rollout.action.flatten(0, 1)[index],
                    log_prob=rollout.log_prob.flatten()[index],
                    value=rollout.value.flatten()[index],
                    advantage=advantage.flatten()[index],
                    return_=return_.flatten()[index],
                    valid=rollout.valid.flatten()[index],
                )
            return
        assert rollout.initial_state is not None
        order = torch.randperm(num_envs, generator=self._rng).to(self.device)
        for index in order.tensor_split(min(count, num_envs)):
            yield Batch(
                obs=rollout.obs[:, index],
                action=rollout.action[:, index],
                log_prob=rollout.log_prob[:, index],
                value=rollout.value[:, index],
                advantage=advantage[:, index],
                return_=return_[:, index],
                valid=rollout.valid[:, index],
                episode_start=rollout.episode_start[:, index],
                initial_state=rollout.initial_state[index],
            )

    def frozen_policy(self) -> FrozenPolicy:
        """A copy that later training does not change."""
        return FrozenPolicy(self.policy)

    def weights(self) -> dict[str, Tensor]:
        """Copies of the policy's parameters, contiguous, on the CPU."""
        return policy_weights(self.policy)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Overwrite the policy's parameters; optimiser, reward scale and carry stay."""
        self.policy.load_state_dict(weights)

    def restart(self) -> None:
        """Forget the running episodes: the next iteration resets the envs. For a change of tasks."""
        self._carry = None
        if self.reward_scale is not None:
            self.reward_scale.restart(keep_variance=self.config.keep_reward_scale)

    def state_dict(self) -> State:
        """Everything but the envs, as tensors and JSON values."""
        return {
            "config": asdict(self.config),
            "weights": self.weights(),
            "optimiser": optimiser_state(self.optimiser, self.policy),
            "reward_scale": None if self.reward_scale is None else self.reward_scale.state_dict(),
            "rng": self._rng.get_state(),
            "carry": None if self._carry is None else self._carry.state_dict(),
            "env_step": self.env_step,
            "updates": self.updates,
        }

    def load_state_dict(self, state: State) -> None:
        """Go on as the learner that gave `state`; the caller restores the envs."""
        self.load_weights(state["weights"])
        load_optimiser_state(self.optimiser, self.policy, state["optimiser"])
        if self.reward_scale is not None:
            self.reward_scale.load_state_dict(state["reward_scale"])
        self._rng.set_state(state["rng"])
        self._carry = None if state["carry"] is None else Carry.from_state_dict(state["carry"], self.device)
        self.env_step, self.updates = state["env_step"], state["updates"]
