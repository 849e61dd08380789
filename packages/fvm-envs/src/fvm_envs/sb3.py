"""Our vector environments as Stable-Baselines3's `VecEnv`: `PPO("CnnPolicy", Sb3Vec(make_vec(...)))`.

Needs the extra `sb3`. Stable-Baselines3 wants the last observation of an episode in its `infos`; where the
benchmark cannot show it (Procgen) a truncated episode is told as one that is over, since SB3 would otherwise
ask for the value of an observation that nobody has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from fvm_envs.episode_info import OF_THE_EPISODE, obs_of_slot
from fvm_envs.slot_env import SlotEnv

try:
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise ImportError("Sb3Vec needs Stable-Baselines3: run `pip install 'fvm-envs[sb3]'`") from error


class Sb3Vec(VecEnv):  # type: ignore[misc]
    """A view of a vector environment in the manner of Stable-Baselines3.

    `infos` has for each slot what `info` says of it, and for an episode that ended `episode` (`r`, `l`),
    which SB3 logs, `terminal_observation` and `TimeLimit.truncated`.

    Args:
        envs: With autoreset "same_step"; owned from now on.

    Raises:
        ValueError: If its autoreset is another.
    """

    def __init__(self, envs: SlotEnv) -> None:
        if envs.autoreset_mode is not AutoresetMode.SAME_STEP:
            raise ValueError(
                "Stable-Baselines3 resets in the same step: make envs with autoreset='same_step'"
            )
        self.envs = envs
        self._actions: Any = None
        self.render_mode = "rgb_array"
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": envs.metadata.get("render_fps", 15)}

    def reset(self) -> Any:
        """The first observations; `seed` and `set_options` before it say which."""
        seed = self._seeds[0] if self._seeds and self._seeds[0] is not None else None
        options = self._options[0] if self._options and self._options[0] else None
        obs, info = self.envs.reset(seed=seed, options=options)
        self.reset_infos = [_told(info, slot) for slot in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return obs

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Observations, rewards, ends of episodes, and a dictionary for each slot."""
        obs, reward, terminated, truncated, info = self.envs.step(self._actions)
        ended = terminated | truncated
        infos = [_told(info, slot) for slot in range(self.num_envs)]
        for slot in np.flatnonzero(ended).tolist():
            last = info["final_obs"][slot] if "final_obs" in info else None
            infos[slot]["TimeLimit.truncated"] = bool(truncated[slot]) and last is not None
            infos[slot]["terminal_observation"] = obs_of_slot(obs, slot) if last is None else last
            if "episode" in info:
                sums = info["episode"]
                infos[slot]["episode"] = {"r": float(sums["r"][slot]), "l": int(sums["l"][slot]), "t": 0.0}
        return obs, reward.astype(np.float32), ended, infos

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """The frame of each slot."""
        return self.envs.render()

    def has_attr(self, attr_name: str) -> bool:
        """Whether the environments have it."""
        return hasattr(self.envs, attr_name)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute, which the slots share, once for each of them."""
        return [getattr(self.envs, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuses: the slots share their attributes."""
        raise NotImplementedError(f"the slots share {attr_name!r}: set it on `envs` before it is wrapped")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Refuses: slots are no environments of their own; `envs` has the methods."""
        raise NotImplementedError(f"slots have no method {method_name!r}: call it on `envs`")

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: Any = None
    ) -> list[bool]:
        """Whether slots are wrapped: never; but episodes are counted as SB3's `Monitor` would."""
        counted = wrapper_class.__name__ == "Monitor" and self.envs.episode_stats
        return [counted for _ in self._get_indices(indices)]

    def _get_indices(self, indices: Any) -> Iterable[int]:
        if indices is None:
            return range(self.num_envs)
        return [indices] if isinstance(indices, int) else indices


def _told(info: dict[str, Any], slot: int) -> dict[str, Any]:
    """What `info` says of one slot."""
    return {
        key: value[slot]
        for key, value in info.items()
        if key not in OF_THE_EPISODE and not key.startswith("_") and isinstance(value, np.ndarray)
    }
