"""Acting in a vector env and what is kept of it: `num_steps` rows of `num_envs` slots.

Observations stay in the type the env gives them (images: uint8), on the learner's device. No observation is
stored twice; what differs at an episode's end is kept as `next_value`.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.autoreset import Envs, autoreset_mode, step, task_index
from fvm_learners.episodes import Episode, finished_episodes
from fvm_learners.observations import Obs, map_parts, to_tensor
from fvm_learners.ppo.actor_critic import ActorCritic
from fvm_learners.ppo.frozen_policy import Memory
from fvm_learners.ppo.reward_scale import RewardScale


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


@dataclass(frozen=True)
class Carry:
    """Where a rollout stopped and the next one goes on.

    Attributes:
        obs: [B, ...] not yet acted on.
        state: [B, 2, lstm_size] recurrent state before `obs`; None without memory.
        episode_start: [B] bool, `obs` is an episode's first.
        reset_row: [B] bool, the next action will be ignored (NEXT_STEP).
        return_: [B] float64 of the running episodes.
        length: [B] int64 of the running episodes.
        task_index: [B] int64 of the running episodes.
        memory: [B] as it was when a slot last began another trial of an episode (`info["trial_end"]`); None
            without memory or without feedback.
    """

    obs: Obs
    state: Tensor | None
    episode_start: NDArray[np.bool_]
    reset_row: NDArray[np.bool_]
    return_: NDArray[np.float64]
    length: NDArray[np.int64]
    task_index: NDArray[np.int64]
    memory: Memory | None

    def state_dict(self) -> dict[str, Any]:
        """Copies, as tensors and JSON values."""
        return {
            "obs": map_parts(lambda part: part.cpu().clone(), self.obs),
            "state": None if self.state is None else self.state.cpu().clone(),
            "memory": None if self.memory is None else self.memory.state_dict(),
            **{name: getattr(self, name).tolist() for name in _CARRY_DTYPES},
        }

    @classmethod
    def from_state_dict(cls, state: dict[str, Any], device: torch.device) -> "Carry":
        """What `state_dict` gave."""
        memory = state.get("memory")
        return cls(
            obs=map_parts(lambda part: part.to(device, copy=True), state["obs"]),
            state=None if state["state"] is None else state["state"].to(device, copy=True),
            memory=None if memory is None else Memory.from_state_dict(memory, device),
            **{name: np.array(state[name], dtype=dtype) for name, dtype in _CARRY_DTYPES.items()},
        )


_CARRY_DTYPES: dict[str, Any] = {
    "episode_start": np.bool_,
    "reset_row": np.bool_,
    "return_": np.float64,
    "length": np.int64,
    "task_index": np.int64,
}


def begin(envs: Envs, policy: ActorCritic, seed: int, device: torch.device) -> Carry:
    """Reset all slots."""
    first_obs, info = envs.reset(seed=seed)
    slots = envs.num_envs
    obs, state = to_tensor(first_obs, policy.obs_dtype, device), policy.initial_state(slots)
    return Carry(
        obs=obs,
        state=state,
        episode_start=np.ones(slots, dtype=np.bool_),
        reset_row=np.zeros(slots, dtype=np.bool_),
        return_=np.zeros(slots),
        length=np.zeros(slots, dtype=np.int64),
        task_index=task_index(info, slots),
        memory=None
        if state is None or not isinstance(obs, dict)
        else Memory(torch.zeros_like(state), torch.zeros_like(obs["feedback"])),
    )


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
        envs: stepped `len(rollout.value)` times.
        policy: acts.
        carry: of the rollout before, or `begin`.
        rollout: overwritten.
        rng: draws the actions.
        reward_scale: updated and applied; None leaves rewards as they are.
        env_step: the learner's, before this rollout.
    """
    mode, device = autoreset_mode(envs), rollout.value.device
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
        ended, valid = outcome.terminated | outcome.truncated, ~carry.reset_row
        life_lost = np.asarray(outcome.info.get("life_lost", np.zeros_like(ended)), dtype=np.bool_)
        reward = outcome.reward if reward_scale is None else reward_scale(outcome.reward, ended, valid)
        shown = np.zeros_like(ended)
        shown[outcome.final_slots] = True
        rollout.reward[t] = torch.from_numpy(reward)
        rollout.valid[t] = torch.from_numpy(valid)
        rollout.cut[t] = torch.from_numpy(ended | life_lost)
        rollout.terminated[t] = torch.from_numpy((ended & ~shown) | life_lost)
        if len(outcome.final_slots):
            slots = torch.from_numpy(outcome.final_slots).to(device)
            final_obs = to_tensor(outcome.final_obs, policy.obs_dtype, device)
            final_state = None if state is None else state[slots]
            rollout.next_value[t, slots] = policy(
                final_obs, final_state, torch.zeros_like(slots, dtype=torch.bool)
            )[1]

        return_ = carry.return_ + np.where(valid, outcome.reward, 0.0)
        length = carry.length + valid
        episodes += finished_episodes(ended, return_, length, carry.task_index, env_step)
        obs, memory = to_tensor(outcome.obs, policy.obs_dtype, device), carry.memory
        new_trial = np.asarray(outcome.info.get("trial_end", np.zeros_like(ended)), dtype=np.bool_) & ~ended
        if memory is not None and state is not None and isinstance(obs, dict) and new_trial.any():
            memory = memory.replaced(torch.from_numpy(new_trial).to(device), Memory(state, obs["feedback"]))
        carry = Carry(
            obs=obs,
            state=state,
            episode_start=carry.reset_row if mode is AutoresetMode.NEXT_STEP else ended,
            reset_row=ended if mode is AutoresetMode.NEXT_STEP else np.zeros_like(ended),
            return_=np.where(ended, 0.0, return_),
            length=np.where(ended, 0, length),
            task_index=outcome.task_index,
            memory=memory,
        )
    last_value = policy(carry.obs, carry.state, torch.from_numpy(carry.episode_start).to(device))[1]
    following = torch.cat((rollout.value[1:], last_value.unsqueeze(0)))
    rollout.next_value.copy_(torch.where(rollout.cut, rollout.next_value, following))
    return carry, tuple(episodes)
