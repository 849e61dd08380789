"""One step of a vector env, the same for all three of Gymnasium's autoreset modes.

At an episode's end the modes differ in what `step` returns (https://farama.org/Vector-Autoreset-Mode):

    NEXT_STEP  the last observation; the next call resets the slot and ignores its action ("reset row")
    SAME_STEP  the next episode's first observation; the last one, if at all, is info["final_obs"]
    DISABLED   the last observation; the caller resets the slot by a mask
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from fvm_learners.observations import check_finite, map_parts

Envs = VectorEnv[Any, Any, Any]


@dataclass(frozen=True)
class Step:
    """What one step of B slots led to.

    Attributes:
        obs: [B, ...] to act on next, an array or a dict of parts (`observations.py`).
        reward: [B] float64.
        terminated: [B] bool.
        truncated: [B] bool.
        final_slots: [K] slots truncated (and not terminated) whose last observation is known.
        final_obs: [K, ...] those observations, of the kind of `obs`; of no use if K is 0.
        info: The env's.
        task_index: [B] int64, the task `obs` belongs to; zeros where the env knows no tasks.
    """

    obs: Any
    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    final_slots: NDArray[np.int64]
    final_obs: Any
    info: dict[str, Any]
    task_index: NDArray[np.int64]

    @property
    def ended(self) -> NDArray[np.bool_]:
        """Whether each episode [B] is over: terminated or truncated."""
        return self.terminated | self.truncated

    @property
    def life_lost(self) -> NDArray[np.bool_]:
        """Whether a life was lost [B]: no value beyond this step, though the episode may go on."""
        return self.mask("life_lost")

    @property
    def shown(self) -> NDArray[np.bool_]:
        """Whether an episode [B] was truncated with its last observation known."""
        mask = np.zeros_like(self.truncated)
        mask[self.final_slots] = True
        return mask

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Returns a bool array [B] of the info, all False where the env knows no such thing."""
        return np.asarray(self.info.get(name, np.zeros_like(self.truncated)), dtype=np.bool_)


def autoreset_mode(envs: Envs) -> AutoresetMode:
    """The mode the envs declare.

    Raises:
        ValueError: They declare none.
    """
    mode = envs.metadata.get("autoreset_mode")
    if mode is None:
        raise ValueError(
            f"{envs} does not say when it resets: set envs.metadata['autoreset_mode'] to one of "
            f"{[str(mode) for mode in AutoresetMode]}"
        )
    return AutoresetMode(mode)


def num_envs_of(envs: Any) -> int:
    """Returns the number of slots.

    Raises:
        TypeError: It is a single env.
    """
    if not hasattr(envs, "num_envs"):
        raise TypeError(
            f"{envs} is a single env, and learners step several at once: make them by "
            "gymnasium.make_vec(id, num_envs=8), or gymnasium.vector.SyncVectorEnv([make_env] * 8) with a "
            "function that makes one"
        )
    return int(envs.num_envs)


def step(envs: Envs, action: NDArray[Any], mode: AutoresetMode) -> Step:
    """Steps all slots, and resets by mask those that ended if the envs do not do so themselves.

    Nothing of it is the envs' own memory: they may write the next step there (`copy=False`).

    Raises:
        ValueError: An observation is not finite.
    """
    obs, reward, terminated, truncated, info = envs.step(action)
    obs = map_parts(np.array, obs)
    reward = np.array(reward, dtype=np.float64)
    terminated, truncated = np.array(terminated, dtype=np.bool_), np.array(truncated, dtype=np.bool_)
    final_slots = np.flatnonzero(truncated & ~terminated)
    if mode is AutoresetMode.SAME_STEP:
        shown = info.get("_final_obs", np.zeros(envs.num_envs, dtype=np.bool_))
        final_slots = final_slots[shown[final_slots]]
        final = [info["final_obs"][slot] for slot in final_slots]
        final_obs = map_parts(lambda *parts: np.stack(parts), *final) if final else None
    else:
        final_obs = map_parts(lambda part: part[final_slots], obs)
    next_task = task_index(info, envs.num_envs)
    ended = terminated | truncated
    if mode is AutoresetMode.DISABLED and ended.any():
        first_obs, reset_info = envs.reset(options={"reset_mask": ended.copy()})
        obs = map_parts(partial(_where, ended), first_obs, obs)
        next_task = np.where(ended, task_index(reset_info, envs.num_envs), next_task)
    for shown in (obs, final_obs) if len(final_slots) else (obs,):
        check_finite(shown)
    return Step(
        obs=obs,
        reward=reward,
        terminated=terminated,
        truncated=truncated,
        final_slots=final_slots,
        final_obs=final_obs,
        info=info,
        task_index=next_task,
    )


def _where(mask: NDArray[np.bool_], chosen: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """`chosen` in the slots of the mask [B], `other` elsewhere."""
    return np.where(mask.reshape(-1, *(1,) * (other.ndim - 1)), chosen, other)


def task_index(info: dict[str, Any], num_envs: int) -> NDArray[np.int64]:
    """Returns the task of each slot [B]; zeros where the env knows no tasks."""
    return np.array(info.get("task_index", np.zeros(num_envs)), dtype=np.int64)
