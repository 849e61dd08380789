"""Environments that cannot save their state begin afresh every so many env steps, where a run can be resumed.

Such a run is interrupted, and goes on, only where all slots have just been reset with a seed that follows
from the first one and the number of restarts. The uninterrupted run restarts as well, so both are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorWrapper
from numpy.typing import NDArray

from fvm_envs.episode_info import obs_of_slot
from fvm_envs.slot_env import Seed, SlotEnv, State
from fvm_envs.slot_inputs import read_count, read_seed


class Restarts(VectorWrapper[Any, NDArray[Any], NDArray[Any]]):
    """Truncates all episodes at every multiple of `every` env steps, and resets all slots with a new seed.

    Args:
        envs: Whose seeded reset of all slots determines what follows.
        seed: Of the restarts, until `reset` is given another.
        every: Env steps, of all slots together, from one restart to the next.

    Raises:
        ValueError: If `every` is no whole number of steps of all slots, or the envs' autoreset is another
            than "same_step".
    """

    def __init__(self, envs: SlotEnv, seed: int, every: int) -> None:
        every = read_count("every", every, 1, 2**62)
        if every < envs.num_envs or every % envs.num_envs:
            low = max(every // envs.num_envs, 1) * envs.num_envs
            raise ValueError(
                f"restarts every {every} env steps do not fall on steps of {envs.num_envs} slots: give {low}"
            )
        if envs.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP:
            raise ValueError("restarts reset in the same step: make envs with autoreset='same_step'")
        super().__init__(envs)
        self._slots = envs
        self.every = every
        self._seed, self._env_step, self._count = read_seed(seed), 0, 0
        # Whether the last reset is one that `load_state_dict` can do again.
        self._known = True

    @property
    def can_save(self) -> bool:
        """Whether nothing has happened since the last restart: then `state_dict` says it all.

        A reset without a seed, of some slots or with tasks is something that happened.
        """
        return self._known and self._env_step % self.every == 0

    def reset(
        self, *, seed: Seed = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """As that of the environments; an int seeds the restarts as well and counts from 0 again."""
        given = options or {}
        mask = given.get("reset_mask")
        touched = mask is None or bool(np.any(mask))
        if isinstance(seed, (int, np.integer)):
            self._seed, self._env_step, self._count = int(seed), 0, 0
            self._known = (mask is None or bool(np.all(mask))) and not set(given) - {"reset_mask"}
        elif touched:
            self._known = False
        return self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """As that of the environments; where they restart, whoever has not ended is truncated."""
        obs, reward, terminated, truncated, info = self.env.step(actions)
        self._env_step += self.num_envs
        if self._env_step % self.every:
            return obs, reward, terminated, truncated, info
        cut = ~(terminated | truncated)
        final_obs = info.get("final_obs", np.full(self.num_envs, None, dtype=object))
        for slot in np.flatnonzero(cut).tolist():
            final_obs[slot] = obs_of_slot(obs, slot)
        shown = info.get("_final_obs", np.zeros(self.num_envs, dtype=bool)) | cut
        if "episode" in info:
            own = {"r": self._slots.returns, "l": self._slots.lengths}
            info["episode"] = {key: np.where(cut, own[key], sums) for key, sums in info["episode"].items()}
            info["_episode"] = info["_episode"] | cut
        self._count += 1
        self._known = True
        obs, fresh = self.env.reset(seed=self._restart_seed())
        info |= {**fresh, "final_obs": final_obs, "_final_obs": shown}
        return obs, reward, terminated, truncated | cut, info

    def _restart_seed(self) -> int:
        return int(np.random.SeedSequence([self._seed, self._count]).generate_state(1)[0])

    def state_dict(self) -> State:
        """The seed, the number of restarts, and what the slots play.

        Raises:
            ValueError: Something has happened since the last restart.
        """
        if not self._known:
            raise ValueError(
                "slots were reset or moved without the restart's seed: "
                f"these envs can be saved at the next restart, {self.every} env steps after the last"
            )
        if not self.can_save:
            raise ValueError(
                f"{self._env_step % self.every} env steps after a restart these envs cannot be saved; "
                f"they can every {self.every}"
            )
        index = self._slots.task_index
        return {
            "seed": self._seed,
            "env_step": self._env_step,
            "count": self._count,
            "task_index": index.copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after the restart where `state_dict` was taken."""
        self._seed, self._env_step, self._count = state["seed"], state["env_step"], state["count"]
        seed, index = self._restart_seed() if self._count else self._seed, state.get("task_index")
        tasks = None
        if self._slots.on_episode_end == "stay" and index is not None and min(index) >= 0:
            tasks = [self._slots.tasks[int(position)] for position in index]
        self.env.reset(seed=seed, options={"tasks": tasks})
        self._known = True
