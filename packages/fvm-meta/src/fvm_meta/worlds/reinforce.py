"""REINFORCE (Williams 1992) with a logistic policy: the learner of AppleRetrieval, in the learners' contract.

    pi(right | o) = sigmoid(theta . o);  theta <- theta - lr d/dtheta [ loss + sum over hooks of their terms ]
    loss = - mean over slots of  sum_t G_t log pi(a_t | o_t),   G_t: rewards to go, without discount
    d loss / d theta = - mean over slots of  sum_t G_t (a_t - pi(right | o_t)) o_t

One episode of every slot an update, no baseline, plain gradient steps, theta = 0 at first: what the appendix
of Wolczyk et al. 2024 leaves open is chosen as in `apple.py`. Envs that can play a whole episode at once,
knowing the chances at each kind of observation, do so by `walk`; others are stepped. Double precision.

With `agents` = N there are N agents that share nothing but the time of an update: theta is [N, d], slot n is
agent n's, and each takes the step that it would take alone, N times the slope of the mean loss. The terms of
hooks are means over agents, which suits that; EWC's Fisher has a mean of 1 over the weights of all agents. As
published it squares a mean over agents, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from fvm_learners import Episode, Hook, Iteration
from fvm_learners.config_checks import check_above_zero, check_counts, check_optional_count
from fvm_learners.hooks import HookList
from fvm_learners.iteration import means
from fvm_learners.networks.heads import Categorical
from numpy.typing import NDArray
from torch import Tensor, nn

from fvm_meta.stream import Envs, State


@dataclass(frozen=True, kw_only=True)
class ReinforceConfig:
    """Settings of `Reinforce`.

    Attributes:
        num_steps: Of an iteration, whole episodes with an update after each.
        learning_rate: Of a sum over an episode's steps, so it is small.
        episode_steps: Of an episode, every one the same; None for `num_steps`.
        agents: That learn side by side, a slot each; 1 is one agent that learns from all slots.
    """

    num_steps: int = 100
    learning_rate: float = 1e-3
    episode_steps: int | None = field(default=None, metadata={"since": 2})
    agents: int = field(default=1, metadata={"since": 3})

    def __post_init__(self) -> None:
        check_counts(self, ["num_steps", "agents"])
        check_optional_count(self, "episode_steps", "num_steps")
        if self.num_steps % self.episode:
            raise ValueError(
                f"num_steps={self.num_steps} are no whole episodes of episode_steps={self.episode_steps}: "
                "give a multiple"
            )
        check_above_zero(self, ["learning_rate"])

    @property
    def episode(self) -> int:
        """Steps of an episode."""
        return self.num_steps if self.episode_steps is None else self.episode_steps


class LogisticPolicy(nn.Module):
    """Two actions; the second with probability sigmoid(theta . o).

    Attributes:
        theta: [d], or [N, d] of N agents.
    """

    obs_dtype = torch.float64

    def __init__(self, num_features: int, agents: int = 1) -> None:
        super().__init__()
        shape = (num_features,) if agents == 1 else (agents, num_features)
        self.theta = nn.Parameter(torch.zeros(shape, dtype=torch.float64))

    def forward(self, obs: Tensor) -> Tensor:
        """Returns log-probabilities [..., 2] at observations [..., d].

        Of N agents: [T, N, 2] of each agent at its own observations [T, N, d]; [B, N, 2] of all agents at the
        same observations [B, d].
        """
        if self.theta.ndim == 1:
            logit = obs @ self.theta
        else:
            logit = obs @ self.theta.T if obs.ndim == 2 else (obs * self.theta).sum(-1)
        return nn.functional.logsigmoid(torch.stack((-logit, logit), dim=-1))


class FrozenLogistic:
    """A policy as it was at one moment."""

    def __init__(self, policy: LogisticPolicy) -> None:
        self._theta = policy.theta.detach().clone()

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Copies of its parameters."""
        return {"theta": self._theta.clone()}

    def initial_state(self, num_envs: int) -> None:
        """Returns None: it remembers nothing."""

    def act(
        self,
        obs: NDArray[Any],
        state: None,
        episode_start: NDArray[np.bool_],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[NDArray[np.int64], None]:
        """Returns an action for each slot, drawn by its own generator; of N agents, slot i is i mod N's."""
        drawn = np.array([rng.random() for rng in rngs])
        theta = self._theta
        if theta.ndim == 2:
            theta = theta[torch.arange(len(rngs)) % len(theta)]
        return (drawn < chances(theta, obs)).astype(np.int64), None


def chances(theta: Tensor, obs: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the probability [...] of the second action at observations [..., d], of theta [d] or [N, d].

    Observations of N agents are [..., N, d], each agent's own.
    """
    weights, seen = theta.detach().numpy(), np.asarray(obs, dtype=np.float64)
    logit = seen @ weights if weights.ndim == 1 else (seen * weights).sum(axis=-1)
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logit)))


@dataclass(frozen=True)
class Batch:
    """Episodes [T, N] that an update learns from.

    Attributes:
        obs: [T, N, d].
        action: [T, N].
        to_go: [T, N] rewards from each step to the end.
        extra: Empty: hooks are asked for terms, not for what lies beside a rollout.
    """

    obs: Tensor
    action: Tensor
    to_go: Tensor
    extra: dict[str, Tensor] = field(default_factory=dict)


class Reinforce:
    """Learns on vector envs with two actions whose episodes all have the same number of steps.

    Args:
        observation_space: A vector.
        action_space: Discrete(2).
        config: Hyperparameters.
        seed: Of the actions, and of the envs' first reset.
        device: Only "cpu": a device would spend its time waiting.
        hooks: Terms that are added to the loss.

    Raises:
        ValueError: Spaces of another kind.
    """

    name: ClassVar[str] = "reinforce"
    version: ClassVar[int] = 2

    def __init__(
        self,
        observation_space: Any,
        action_space: Any,
        config: ReinforceConfig,
        *,
        seed: int,
        device: str = "cpu",
        hooks: Sequence[Hook] = (),
    ) -> None:
        if len(observation_space.shape or ()) != 1 or getattr(action_space, "n", 0) != 2:
            raise ValueError(
                f"spaces {observation_space} and {action_space}: Reinforce takes vectors and two actions"
            )
        self.config, self.env_step = config, 0
        self.policy = LogisticPolicy(observation_space.shape[0], config.agents)
        self.hooks = HookList(hooks, torch.device("cpu"), seed)
        self._rng = np.random.default_rng(seed)
        self._began = False

    def iteration_env_steps(self, num_envs: int) -> int:
        """Env steps of an iteration."""
        return self.config.num_steps * num_envs

    def iteration(self, envs: Envs, max_env_steps: int | None = None) -> Iteration:
        """Episodes of every slot, each with the update on it; fewer if there are fewer env steps left.

        Raises:
            ValueError: There are fewer env steps left than an episode has, or not as many envs as agents.
        """
        if self.config.agents not in (1, envs.num_envs):
            raise ValueError(
                f"agents={self.config.agents} learn on {envs.num_envs} envs: give each agent one, or agents=1"
            )
        size = self.config.episode * envs.num_envs
        due = self.iteration_env_steps(envs.num_envs)
        updates = (due if max_env_steps is None else min(due, max_env_steps)) // size
        if not updates:
            raise ValueError(
                f"max_env_steps={max_env_steps} is less than an episode of {envs.num_envs} envs: give "
                f"budgets in multiples of {size}"
            )
        if not self._began:
            envs.reset(seed=int(self._rng.integers(2**31)))
            self._began = True
        episodes: list[Episode] = []
        told: list[dict[str, Tensor]] = []
        for _ in range(updates):
            obs, action, reward, task_index = self._episodes(envs)
            self.env_step += size
            to_go = np.ascontiguousarray(reward[::-1].cumsum(axis=0)[::-1])
            told.append(self._update(obs, action, to_go))
            played = zip(task_index.tolist(), to_go[0].tolist(), strict=True)
            episodes += [
                Episode(self.env_step, task, return_, self.config.episode) for task, return_ in played
            ]
        return Iteration(updates * size, updates, means(told), tuple(episodes))

    def _episodes(
        self, envs: Envs
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Returns observations [T, N, d], actions and rewards [T, N], and the tasks [N] played."""
        uniform = self._rng.random((self.config.episode, envs.num_envs))
        if hasattr(envs.unwrapped, "walk"):
            kinds = np.asarray(envs.unwrapped.kinds, dtype=np.float64)  # type: ignore[attr-defined]
            shown = kinds if self.config.agents == 1 else kinds[:, None]  # [kinds, 1, d] to each agent
            walked = envs.walk(chances(self.policy.theta, shown), uniform)  # type: ignore[attr-defined]
            return kinds[walked.kind], walked.action, walked.reward, walked.task_index
        rows = []
        obs, info = envs.reset(options={"reset_mask": np.zeros(envs.num_envs, dtype=np.bool_)})
        task_index = info["task_index"]
        for t in range(self.config.episode):
            seen_now = np.array(obs, dtype=np.float64)  # a copy: the envs may fill their arrays anew
            action = (uniform[t] < chances(self.policy.theta, seen_now)).astype(np.int64)
            obs, reward, terminated, truncated, _ = envs.step(action)
            ended = np.asarray(terminated | truncated)
            if ended.any() != (t + 1 == self.config.episode) or ended.any() != ended.all():
                raise ValueError(
                    f"an episode ended after {t + 1} steps: Reinforce takes envs whose episodes all have "
                    f"episode_steps={self.config.episode}"
                )
            rows.append((seen_now, action, np.array(reward)))
        seen, actions, rewards = (np.stack(column) for column in zip(*rows, strict=True))
        return seen, actions, rewards, task_index

    def _update(
        self, obs: NDArray[np.float64], action: NDArray[np.int64], to_go: NDArray[np.float64]
    ) -> dict[str, Tensor]:
        """One gradient step; its metrics. The learner's own gradient needs no tape, the hooks' terms do."""
        theta, agents = self.policy.theta, self.config.agents
        surprise = to_go * (action - chances(theta, obs))
        each = "tn,tnd->d" if agents == 1 else "tn,tnd->nd"
        own = -np.einsum(each, surprise, obs) / obs.shape[1]
        batch = Batch(torch.from_numpy(obs), torch.from_numpy(action), torch.from_numpy(to_go))
        # Linear in theta: not the loss's value, but its slope. No tape is needed if nobody adds to it.
        slope = torch.from_numpy(own)
        linear = theta.flatten() @ slope.flatten()
        loss, metrics = self.hooks.added(linear, self.policy, batch, torch.mean)
        if loss is not linear:
            (slope,) = torch.autograd.grad(loss, (theta,))
        with torch.no_grad():
            theta.sub_(slope, alpha=self.config.learning_rate * agents)
        self.hooks.after_step()
        return metrics

    def distribution(self, policy: LogisticPolicy, states: Any) -> tuple[Categorical, None]:
        """Returns what a policy of this kind would do in these states."""
        return Categorical(policy(states.obs)), None

    def distribution_from(self, params: Tensor) -> Categorical:
        """Returns the distribution whose `params` [..., 2] these were."""
        return Categorical.from_params(params)

    def frozen_policy(self) -> FrozenLogistic:
        """Returns a copy that later training does not change."""
        return FrozenLogistic(self.policy)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Overwrites the parameters."""
        self.policy.load_state_dict(dict(weights))

    def restart(self) -> None:
        """Lets the next iteration reset the envs."""
        self._began = False

    def reset_optimiser(self) -> None:
        """Does nothing: plain gradient steps remember nothing."""

    def state_dict(self) -> State:
        """Returns everything but the envs."""
        return {
            "weights": deepcopy(dict(self.frozen_policy().weights)),
            "hooks": self.hooks.state_dict(),
            "rng": self._rng.bit_generator.state,
            "env_step": self.env_step,
            "began": self._began,
        }

    def load_state_dict(self, state: State) -> None:
        """Goes on as the learner that gave `state`; the caller restores the envs."""
        self.load_weights(state["weights"])
        self.hooks.load_state_dict(state["hooks"])
        self._rng.bit_generator.state = state["rng"]
        self.env_step, self._began = state["env_step"], state["began"]
