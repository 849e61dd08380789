"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347), feed-forward and recurrent.

    ratio = pi(a|s) / pi_old(a|s)
    policy loss = -mean min(ratio * A, clip(ratio, 1 - c, 1 + c) * A)                              (eq. 7)
    value loss  = 1/2 mean max((V - R)^2, (V_old + clip(V - V_old, -v, v) - R)^2)         (baselines' ppo2)
    loss        = policy loss + value_coef * value loss - entropy_coef * entropy                   (eq. 9)

with A from `gae`, normalised in each minibatch, and R = A + V_old. Rewards are scaled by `RewardScale`.
Not in: KL penalty, early stopping, shared statistics between processes.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from fvm_learners.autoreset import Envs, num_envs_of
from fvm_learners.hooks import Hook, HookList
from fvm_learners.iteration import IteratedLearner, Iteration, State, means
from fvm_learners.memory import Memory
from fvm_learners.networks.heads import Distribution
from fvm_learners.parts import PartedLearner, Parts
from fvm_learners.ppo.actor_critic import ActorCritic
from fvm_learners.ppo.config import PPOConfig
from fvm_learners.ppo.frozen_policy import FrozenPolicy
from fvm_learners.ppo.gae import gae
from fvm_learners.ppo.minibatches import Batch, masked_mean, minibatches
from fvm_learners.ppo.reward_scale import RewardScale
from fvm_learners.ppo.rollout import Carry, Rollout, begin, collect
from fvm_learners.precision import bfloat16_devices, check_bfloat16
from fvm_learners.weights import (
    load_optimiser_state,
    optimiser_state,
)


def ppo_loss(batch: Batch, policy: ActorCritic, config: PPOConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss to minimise, and its parts; means over the batch's valid samples."""
    dist, value, _ = policy(batch.obs, batch.initial_state, batch.episode_start)
    log_ratio = dist.log_prob(batch.action) - batch.log_prob
    ratio = log_ratio.exp()
    clipped_ratio = ratio.clamp(1 - config.clip_ratio, 1 + config.clip_ratio)
    policy_loss = -masked_mean(
        torch.min(ratio * batch.advantage, clipped_ratio * batch.advantage), batch.valid
    )

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


def chunk_size_of(config: PPOConfig, encoder: Any, device: torch.device) -> int | None:
    """How many samples' gradients are computed at once; None for whole minibatches."""
    own: int | None = getattr(encoder, "cpu_chunk_size", None) if device.type == "cpu" else None
    return own if config.chunk_size is None else config.chunk_size


def _mean_of_term(valid: Tensor, term: Tensor) -> Tensor:
    """Mean over the samples that count of a hook's term, be it one a sample or a scalar."""
    return masked_mean(term, valid) if term.shape == valid.shape else term.mean()


class PPO(IteratedLearner, PartedLearner):
    """Learns on any `gymnasium.vector.VectorEnv`, one `iteration` (rollout and update) at a time.

    `version` rises whenever the same config and seed give other weights than before.

    Args:
        observation_space: Of one slot.
        action_space: Of one slot.
        config: Hyperparameters.
        seed: Of the weights, the actions, the minibatches, and the envs' first reset.
        device: Of network and rollout.
        hooks: Terms that are added to the loss, in this order (`hooks.py`).
    """

    name: ClassVar[str] = "ppo"
    version: ClassVar[int] = 1
    config: PPOConfig

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        config: PPOConfig,
        *,
        seed: int,
        device: str = "cpu",
        hooks: Sequence[Hook] = (),
    ) -> None:
        self.observation_space, self.action_space = observation_space, action_space
        self.config, self.device = config, torch.device(device)
        check_bfloat16(config, self.device)
        self.hooks = HookList(hooks, self.device, seed)
        init_seed, run_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(2, np.uint64) >> 1)
        # Before any weights are loaded: `copy_` into these parameters then keeps the format.
        self.policy = self._network(init_seed).to(self.device).to(memory_format=torch.channels_last)
        self._parts = Parts(self.policy)
        self.optimiser = torch.optim.Adam(
            self.policy.parameters(), lr=config.learning_rate, eps=config.adam_eps
        )
        self.reward_scale = RewardScale(config.discount) if config.normalise_reward else None
        self.env_step = 0
        self.updates = 0
        self._chunk_size = chunk_size_of(config, self.policy.encoder, self.device)
        self._rng = torch.Generator().manual_seed(run_seed)
        self._carry: Carry | None = None
        self._rollout: Rollout | None = None

    def _network(self, seed: int) -> ActorCritic:
        """A fresh network, its weights drawn from `seed`."""
        return ActorCritic(
            self.observation_space,
            self.action_space,
            network=self.config.network,
            mlp_sizes=self.config.mlp_sizes,
            lstm_size=self.config.lstm_size if self.config.recurrent else None,
            rng=torch.Generator().manual_seed(seed),
            bfloat16_on=bfloat16_devices(self.config),
        )

    def iteration(self, envs: Envs, max_env_steps: int | None = None) -> Iteration:
        """One rollout, shortened to at most `max_env_steps`, and the updates on it.

        Raises:
            ValueError: `max_env_steps` is less than one step of all envs, or the number of envs does not fit.
        """
        num_envs = num_envs_of(envs)
        num_steps = self._num_steps(num_envs, max_env_steps)
        # Where a rollout fails or is interrupted the envs stand elsewhere: the next one then resets them.
        carry, self._carry = self._carry, None
        if carry is None:
            seed = int(torch.randint(2**31 - 1, (), generator=self._rng))
            carry = begin(envs, self.policy, seed, self.device)
            if self.reward_scale is not None:
                self.reward_scale.restart(keep_variance=True)
        if self._rollout is None or self._rollout.value.shape != (num_steps, num_envs):
            self._rollout = Rollout.allocate(self.policy, num_steps, num_envs, self.device)
        self._carry, episodes = collect(
            envs, self.policy, carry, self._rollout, self._rng, self.reward_scale, self.env_step
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
        if self.config.recurrent and self.config.num_minibatches > num_envs:
            raise ValueError(
                f"num_minibatches={self.config.num_minibatches} of whole sequences need as many envs, "
                f"there are {num_envs}: use fewer minibatches or more envs"
            )
        return self._num_rows(num_envs, max_env_steps)

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
        extra = self.hooks.on_rollout(rollout)
        history: list[dict[str, Tensor]] = []
        for _ in range(config.num_epochs):
            for minibatch in minibatches(rollout, advantage, config, self._rng, self._chunk_size, extra):
                history.append(self._optimiser_step(minibatch))
        return len(history), means(history) | {"learning_rate": learning_rate}

    def _optimiser_step(self, minibatch: Iterator[Batch]) -> dict[str, Tensor]:
        """Adds up the chunks' gradients and steps; the minibatch's metrics."""
        self.optimiser.zero_grad()
        totals: dict[str, Tensor] = {}
        for batch in minibatch:
            loss, metrics = ppo_loss(batch, self.policy, self.config)
            loss, added = self.hooks.added(loss, self.policy, batch, partial(_mean_of_term, batch.valid))
            metrics |= added
            (loss * batch.weight).backward()  # type: ignore[no-untyped-call]
            totals |= {name: totals.get(name, 0.0) + m * batch.weight for name, m in metrics.items()}
        norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.max_grad_norm)
        self.optimiser.step()
        self.hooks.after_step()
        return totals | {"grad_norm": norm}

    def frozen_policy(self) -> FrozenPolicy:
        """A copy that later training does not change."""
        return FrozenPolicy(self.policy)

    def reset_parts(self, *parts: str) -> None:
        """Draw the weights of these parts anew, and forget their moments."""
        seed = int(torch.randint(2**31 - 1, (), generator=self._rng))
        self._parts.reset(parts, self._network(seed).state_dict(), self.optimiser)

    def distribution(self, policy: ActorCritic, states: Any) -> tuple[Distribution, Tensor | None]:
        """What `policy` would do in these states, and its memory after them.

        Args:
            policy: This learner's network or a copy of it.
            states: Its batch, its rollout, or anything with `obs` and, for a policy with memory,
                `initial_state` and `episode_start`.
        """
        memory = getattr(states, "initial_state", None), getattr(states, "episode_start", None)
        dist, _, state = policy(states.obs, *memory)
        return dist, state

    def distribution_from(self, params: Tensor) -> Distribution:
        """The distribution whose `params` [..., P] these were."""
        return self.policy.head.distribution.from_params(params)

    def memory(self) -> Memory | None:
        """What each slot remembered when it last began another trial of an episode; None before any episode.

        A trial ends where `info["trial_end"]` says so. None as well without memory or without feedback.
        """
        return None if self._carry is None else self._carry.memory

    def restart(self) -> None:
        """Forget the running episodes: the next iteration resets the envs. For a change of tasks."""
        self._carry = None
        if self.reward_scale is not None:
            self.reward_scale.restart(keep_variance=self.config.keep_reward_scale)

    def state_dict(self) -> State:
        """Everything but the envs, as tensors and JSON values."""
        return {
            "weights": self.weights(),
            "optimiser": optimiser_state(self.optimiser, self.policy),
            "reward_scale": None if self.reward_scale is None else self.reward_scale.state_dict(),
            "rng": self._rng.get_state(),
            "carry": None if self._carry is None else self._carry.state_dict(),
            "hooks": self.hooks.state_dict(),
            "frozen": sorted(self._parts.frozen),
            "env_step": self.env_step,
            "updates": self.updates,
        }

    def load_state_dict(self, state: State) -> None:
        """Go on as the learner that gave `state`; the caller restores the envs.

        Raises:
            ValueError: `state` is of another network or other hooks, or only one of the two scales rewards.
        """
        if (state["reward_scale"] is None) != (self.reward_scale is None):
            raise ValueError(
                f"this learner has normalise_reward={self.config.normalise_reward}, the state's had "
                f"{not self.config.normalise_reward}: use the config it was saved with"
            )
        self.load_weights(state["weights"])
        self._parts.unfreeze()
        if state["frozen"]:
            self._parts.freeze(state["frozen"])
        load_optimiser_state(self.optimiser, self.policy, state["optimiser"])
        if self.reward_scale is not None:
            self.reward_scale.load_state_dict(state["reward_scale"])
        self.hooks.load_state_dict(state["hooks"])
        self._rng.set_state(state["rng"])
        self._carry = None if state["carry"] is None else Carry.from_state_dict(state["carry"], self.device)
        self.env_step, self.updates = state["env_step"], state["updates"]
