"""Slots that act greedily on a noisy network and fill the replay of the task each plays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.autoreset import Envs, autoreset_mode, step
from fvm_learners.episodes import Episode
from fvm_learners.observations import check_finite, check_shape, to_tensor
from fvm_learners.rainbow.config import RainbowConfig
from fvm_learners.rainbow.q_network import QNetwork
from fvm_learners.replay import Replay
from fvm_learners.replay.samplers import Sampler
from fvm_learners.running import DTYPES, Running, begun, check_tasks


@dataclass(kw_only=True)
class Slots(Running):
    """Where B slots stand, between two steps.

    Attributes:
        obs: [B, *obs_shape] not yet acted on.
        latent: [B, latent_size] acted with; None without.
        last_action: [B] int64 that led to `obs`; 0 before any. This and the next two serve
            `shifted_transitions`.
        last_reward: [B] float64 that came with `obs`.
        last_done: [B] bool, `obs` follows the end of an episode or life.
    """

    obs: NDArray[Any]
    latent: Tensor | None
    last_action: NDArray[np.int64]
    last_reward: NDArray[np.float64]
    last_done: NDArray[np.bool_]

    @classmethod
    def begin(cls, obs: NDArray[Any], info: dict[str, Any], num_tasks: int | None = None) -> Slots:
        """After a reset of the envs that gave `obs` and `info`; the envs may reuse the memory of `obs`.

        Raises:
            ValueError: A slot plays a task beyond the first `num_tasks`.
        """
        obs = np.array(obs)
        check_finite(obs)
        count = len(obs)
        return cls(
            obs=obs,
            latent=None,
            last_action=np.zeros(count, dtype=np.int64),
            last_reward=np.zeros(count),
            last_done=np.zeros(count, dtype=np.bool_),
            **begun(info, count, num_tasks),
        )

    def replace(self, mask: NDArray[np.bool_], by: Slots) -> None:
        """Take the slots of the mask [B] from others; they keep their latent until it is drawn anew."""
        self.obs = np.where(mask.reshape(-1, *(1,) * (self.obs.ndim - 1)), by.obs, self.obs)
        for name in _DTYPES:
            setattr(self, name, np.where(mask, getattr(by, name), getattr(self, name)))

    def state_dict(self) -> dict[str, Any]:
        """Copies, as tensors and JSON values."""
        return {
            "obs": torch.from_numpy(np.array(self.obs)),
            "latent": None if self.latent is None else self.latent.cpu().clone(),
            **{name: getattr(self, name).tolist() for name in _DTYPES},
        }

    @classmethod
    def from_state_dict(cls, state: dict[str, Any], device: torch.device) -> Slots:
        """What `state_dict` gave."""
        latent = state["latent"]
        return cls(
            obs=state["obs"].numpy().copy(),
            latent=None if latent is None else latent.to(device, copy=True),
            **{name: np.array(state[name], dtype=dtype) for name, dtype in _DTYPES.items()},
        )


_DTYPES: dict[str, Any] = {
    **DTYPES,
    "last_action": np.int64,
    "last_reward": np.float64,
    "last_done": np.bool_,
}


@torch.no_grad()
def act(
    slots: Slots,
    policy: QNetwork,
    replays: Sequence[Replay],
    sampler: Sampler,
    config: RainbowConfig,
    noise_rng: torch.Generator,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Actions [B] of a network in training, counted from 0: greedy under noise, or with eps uniform."""
    check_shape(slots.obs, policy.obs_shape)
    _draw_latents(slots, policy, replays, sampler, config, rng)
    seen: Any = to_tensor(slots.obs, policy.obs_dtype, policy.atoms.device)
    noise = policy.draw_noise(len(slots.obs), noise_rng)
    action: NDArray[np.int64] = policy.q_values(seen, noise, slots.latent).argmax(dim=1).cpu().numpy()
    if config.acting_eps:
        explores = rng.random(len(action)) < config.acting_eps
        action = np.where(explores, rng.integers(policy.num_actions, size=len(action)), action)
    return action


def take_row(
    envs: Envs,
    slots: Slots,
    choose: Callable[[Slots], NDArray[np.int64]],
    replays: Sequence[Replay],
    config: RainbowConfig,
    env_step: int,
    to_env: Callable[[NDArray[np.int64]], NDArray[Any]],
) -> list[Episode]:
    """One step of all slots, which `slots` and `replays` afterwards contain; the episodes that ended.

    Args:
        envs: Stepped.
        slots: Where they stand.
        choose: Gives their actions [B], counted from 0.
        replays: One for each task that may be played.
        config: What is stored of a step.
        env_step: Env steps so far, these included.
        to_env: Gives what the envs call those actions.

    Raises:
        ValueError: A slot was moved to another task without the learner's knowing, or plays one that has no
            replay.
    """
    mode = autoreset_mode(envs)
    action = choose(slots)

    outcome = step(envs, to_env(action), mode)
    check_tasks(outcome.task_index, len(replays))
    slots.check_moves(outcome)
    reward = outcome.reward
    if config.reward_clip is not None:
        reward = reward.clip(-config.reward_clip, config.reward_clip)
    if config.shifted_transitions:
        _store_shifted(slots, replays)
        for name, value in (
            ("action", action),
            ("reward", reward),
            ("done", outcome.ended | outcome.life_lost),
        ):
            last = f"last_{name}"  # a reset row has no outcome: the one before it stands
            setattr(slots, last, np.where(slots.reset_row, getattr(slots, last), value))
    else:
        _store(slots, replays, action, reward, outcome.terminated | outcome.life_lost)
        final = dict(zip(outcome.final_slots.tolist(), range(len(outcome.final_slots)), strict=True))
        for slot in np.flatnonzero(outcome.truncated & ~outcome.terminated):
            last_obs = outcome.final_obs[final[slot]] if slot in final else None
            replays[slots.task_index[slot]].cut(int(slot), last_obs)

    for slot in np.flatnonzero(outcome.task_index != slots.task_index):
        replays[slots.task_index[slot]].cut(int(slot), None)

    slots.obs = outcome.obs
    return slots.advance(outcome, mode, env_step)


def _draw_latents(
    slots: Slots,
    policy: QNetwork,
    replays: Sequence[Replay],
    sampler: Sampler,
    config: RainbowConfig,
    rng: np.random.Generator,
) -> None:
    """Give those slots a latent that begin an episode."""
    starting = slots.episode_start if not config.latent_every_step else np.ones_like(slots.episode_start)
    if not policy.latent_size or not starting.any():
        return
    drawn = sampler.latent(policy, replays, slots.task_index[starting], rng)
    if drawn is None:
        return
    if slots.latent is None:
        slots.latent = drawn.new_zeros(len(starting), policy.latent_size)
    slots.latent[torch.from_numpy(starting).to(drawn.device)] = drawn


def _store(
    slots: Slots,
    replays: Sequence[Replay],
    action: NDArray[np.int64],
    reward: NDArray[np.float64],
    done: NDArray[np.bool_],
) -> None:
    """Append what just happened, each slot's to the replay of its task; NEXT_STEP's reset rows to none."""
    playing = np.flatnonzero(~slots.reset_row)
    tasks = slots.task_index[playing]
    for task in np.unique(tasks):
        chosen = playing[tasks == task]
        replays[task].append(
            chosen,
            slots.obs[chosen],
            action[chosen],
            reward[chosen],
            done[chosen],
            slots.episode_start[chosen],
        )


def _store_shifted(slots: Slots, replays: Sequence[Replay]) -> None:
    """As the paper's authors' Atari code: beside each observation the action that led to it and its outcome.

    What ended an episode thus stands beside the next one's first observation, in the replay of its task.
    """
    _store(slots, replays, slots.last_action, slots.last_reward, slots.last_done)


def drop(slots: Slots, replays: Sequence[Replay]) -> None:
    """End the streams of all slots before their last steps, of which nobody knows what they led to."""
    for slot, task in enumerate(slots.task_index):
        replays[task].cut(slot, None)


def leave(slots: Slots, replays: Sequence[Replay], left: NDArray[np.bool_]) -> None:
    """End the streams of the slots of the mask [B], which were or will be reset from outside."""
    for slot in np.flatnonzero(left):
        replays[slots.task_index[slot]].cut(int(slot), slots.obs[slot])
