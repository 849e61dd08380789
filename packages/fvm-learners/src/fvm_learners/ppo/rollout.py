"""Acting in a vector env and what is kept of it: `num_steps` rows of `num_envs` slots.

Observations stay in the type the env gives them (images: uint8), on the learner's device. No observation is
stored twice; what differs at an episode's end is kept as `next_value`.
"""

from copy import copy
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fvm_learners.autoreset import Envs, autoreset_mode, step
from fvm_learners.episodes import Episode
from fvm_learners.memory import Memory
from fvm_learners.observations import Obs, check_finite, check_shape, map_parts, to_tensor
from fvm_learners.ppo.actor_critic import ActorCritic
from fvm_learners.ppo.reward_scale import RewardScale
from fvm_learners.running import DTYPES, Running, begun


@dataclass(frozen=True)
class Rollout:
    """T steps of B slots.

    Attributes:
        obs: [T, B, ...] the action was taken on (`observations.py`).
        action: [T, B, ...].
        log_prob: [T, B] of the action when it was taken.
        value: [T, B] of `obs`.
        reward: [T, B], scaled if the learner scales it.
        next_value: [T, B] of the observation the action led to: the episode's own last one if it was
            truncated.
        terminated: [T, B] bool, do not bootstrap: game over, life lost, or truncated and the last frame not
            shown.
        cut: [T, B] bool, the next row does not continue this one.
        episode_start: [T, B] bool, `obs` is an episode's first.
        valid: [T, B] bool, False on NEXT_STEP's reset rows, where the action was not played.
        initial_state: [B, 2, lstm_size] recurrent state before the first row; None without memory.
    """

    obs: Obs
    action: Tensor
    log_prob: Tensor
    value: Tensor
    reward: Tensor
    next_value: Tensor
    terminated: Tensor
    cut: Tensor
    episode_start: Tensor
    valid: Tensor
    initial_state: Tensor | None

    @classmethod
    def allocate(cls, policy: ActorCritic, num_steps: int, num_envs: int, device: torch.device) -> "Rollout":
        """Uninitialised storage."""

        def empty(dtype: torch.dtype, shape: tuple[int, ...] = ()) -> Tensor:
            return torch.empty(num_steps, num_envs, *shape, dtype=dtype, device=device)

        return cls(
            obs=map_parts(lambda spec: empty(*spec), policy.obs_spec),
            action=empty(policy.head.action_dtype, policy.head.action_shape),
            log_prob=empty(torch.float32),
            value=empty(torch.float32),
            reward=empty(torch.float32),
            next_value=empty(torch.float32),
            terminated=empty(torch.bool),
            cut=empty(torch.bool),
            episode_start=empty(torch.bool),
            valid=empty(torch.bool),
            initial_state=policy.initial_state(num_envs),
        )

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        arrays = [getattr(self, field.name) for field in fields(self) if field.name != "obs"]
        arrays += self.obs.values() if isinstance(self.obs, dict) else [self.obs]
        return sum(array.nbytes for array in arrays if array is not None)


@dataclass(kw_only=True)
class Carry(Running):
    """Where a rollout stopped and the next one goes on.

    Attributes:
        obs: [B, ...] not yet acted on.
        state: [B, 2, lstm_size] recurrent state before `obs`; None without memory.
        memory: [B] as it was when a slot last began another trial of an episode; None without memory or
            without feedback.
    """

    obs: Obs
    state: Tensor | None
    memory: Memory | None

    def state_dict(self) -> dict[str, Any]:
        """Copies, as tensors and JSON values."""
        return {
            "obs": map_parts(lambda part: part.cpu().clone(), self.obs),
            "state": None if self.state is None else self.state.cpu().clone(),
            "memory": None if self.memory is None else self.memory.state_dict(),
            **{name: getattr(self, name).tolist() for name in DTYPES},
        }

    @classmethod
    def from_state_dict(cls, state: dict[str, Any], device: torch.device) -> "Carry":
        """What `state_dict` gave."""
        memory = state.get("memory")
        return cls(
            obs=map_parts(lambda part: part.to(device, copy=True), state["obs"]),
            state=None if state["state"] is None else state["state"].to(device, copy=True),
            memory=None if memory is None else Memory.from_state_dict(memory, device),
            **{name: np.array(state[name], dtype=dtype) for name, dtype in DTYPES.items()},
        )


def begin(envs: Envs, policy: ActorCritic, seed: int, device: torch.device) -> Carry:
    """Reset all slots."""
    first_obs, info = envs.reset(seed=seed)
    check_finite(first_obs)
    check_shape(first_obs, policy.obs_shape)
    slots = envs.num_envs
    obs, state = to_tensor(first_obs, policy.obs_dtype, device), policy.initial_state(slots)
    return Carry(obs=obs, state=state, memory=Memory.blank(state, obs), **begun(info, slots))


@torch.no_grad()
def collect(
    envs: Envs,
    policy: ActorCritic,
    carry: Carry,
    rollout: Rollout,
    rng: torch.Generator,
    reward_scale: RewardScale | None,
    env_step: int,
) -> tuple[Carry, tuple[Episode, ...]]:
    """Fill `rollout` from where `carry` stands; the new carry, and the episodes that ended.

    Args:
        envs: Stepped `len(rollout.value)` times.
        policy: Acts.
        carry: Of the rollout before, or `begin`.
        rollout: Overwritten.
        rng: Draws the actions.
        reward_scale: Updated and applied; None leaves rewards as they are.
        env_step: The learner's, before this rollout.
    """
    mode, device, carry = autoreset_mode(envs), rollout.value.device, copy(carry)
    episodes: list[Episode] = []
    if rollout.initial_state is not None and carry.state is not None:
        rollout.initial_state.copy_(carry.state)
    rollout.next_value.zero_()
    for t in range(len(rollout.value)):
        starts = torch.from_numpy(carry.episode_start).to(device)
        dist, value, state = policy(carry.obs, carry.state, starts)
        action = dist.sample(policy.head.draw(envs.num_envs, rng).to(device))
        map_parts(lambda kept, part, t=t: kept[t].copy_(part), rollout.obs, carry.obs)
        rollout.action[t] = action
        rollout.value[t], rollout.log_prob[t] = value, dist.log_prob(action)
        rollout.episode_start[t] = starts

        outcome = step(envs, policy.head.to_env(action), mode)
        env_step += envs.num_envs
        valid = ~carry.reset_row
        reward = (
            outcome.reward if reward_scale is None else reward_scale(outcome.reward, outcome.ended, valid)
        )
        rollout.reward[t] = torch.from_numpy(reward)
        rollout.valid[t] = torch.from_numpy(valid)
        rollout.cut[t] = torch.from_numpy(outcome.ended | outcome.life_lost)
        rollout.terminated[t] = torch.from_numpy((outcome.ended & ~outcome.shown) | outcome.life_lost)
        if len(outcome.final_slots):
            slots = torch.from_numpy(outcome.final_slots).to(device)
            final_obs = to_tensor(outcome.final_obs, policy.obs_dtype, device)
            final_state = None if state is None else state[slots]
            rollout.next_value[t, slots] = policy(
                final_obs, final_state, torch.zeros_like(slots, dtype=torch.bool)
            )[1]

        carry.state, carry.obs = state, to_tensor(outcome.obs, policy.obs_dtype, device)
        carry.memory = carry.memory and carry.memory.at_new_trials(outcome, carry.state, carry.obs)
        episodes += carry.advance(outcome, mode, env_step)
    last_value = policy(carry.obs, carry.state, torch.from_numpy(carry.episode_start).to(device))[1]
    following = torch.cat((rollout.value[1:], last_value.unsqueeze(0)))
    rollout.next_value.copy_(torch.where(rollout.cut, rollout.next_value, following))
    return carry, tuple(episodes)
