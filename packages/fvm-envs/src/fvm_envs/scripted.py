"""Players that follow a script: the baselines that a trained agent must beat.

They have the two methods of any policy here: `initial_state(num_envs)` and `act(obs, state, episode_start,
rngs)`, where a slot's action depends on its own generator only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from fvm_envs.procgen.games import ACTION_SETS


class UniformPolicy:
    """Actions drawn uniformly from some of an environment's actions, one draw a slot and step.

    Args:
        actions: The environment's actions to choose from.
    """

    def __init__(self, actions: Sequence[int]) -> None:
        if not actions:
            raise ValueError("a player needs at least one action to choose from")
        self.actions = tuple(actions)
        self._actions = np.array(self.actions, dtype=np.int64)

    def initial_state(self, num_envs: int) -> None:
        """None: the script remembers nothing."""

    def act(
        self,
        obs: NDArray[np.uint8],
        state: Any,
        episode_start: NDArray[np.bool_],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[NDArray[np.int64], Any]:
        """An action for each slot, int64 [len(rngs)], and the state."""
        return self._actions[[rng.integers(len(self.actions)) for rng in rngs]], state


class RandomPolicy(UniformPolicy):
    """All actions of an environment, uniformly.

    Args:
        num_actions: `envs.single_action_space.n`.
    """

    def __init__(self, num_actions: int) -> None:
        super().__init__(range(num_actions))


class UniformBoxPolicy:
    """Actions drawn uniformly from a box, one draw a slot and step; for manipulation, random poses.

    Args:
        space: `envs.single_action_space`.

    Raises:
        ValueError: If the box has no bounds to draw between.
    """

    def __init__(self, space: Box) -> None:
        if not space.is_bounded():
            raise ValueError(f"{space} is not bounded: give its low and high, between which to draw")
        self._space = space

    def initial_state(self, num_envs: int) -> None:
        """None: the script remembers nothing."""

    def act(
        self,
        obs: Any,
        state: Any,
        episode_start: NDArray[np.bool_],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[NDArray[Any], Any]:
        """An action for each slot, [len(rngs), *shape] of the box's dtype, and the state."""
        return np.stack([self._draw(rng) for rng in rngs]).astype(self._space.dtype), state

    def _draw(self, rng: np.random.Generator) -> NDArray[Any]:
        dtype: Any = self._space.dtype
        low: Any = self._space.low
        high: Any = self._space.high
        if np.issubdtype(dtype, np.floating):
            return np.asarray(rng.uniform(low, high))
        return np.asarray(rng.integers(low, high, endpoint=True, dtype=dtype))  # a cut float is never `high`


class WaypointPolicy:
    """Manipulation's scripted planner: the waypoints of each task's demonstration, in order, each once.

    They are read off the objects' true poses, which no observation holds.

    Args:
        envs: The `ManipulationVec` that it plays in.
    """

    def __init__(self, envs: Any) -> None:
        self._envs = envs

    def initial_state(self, num_envs: int) -> list[list[NDArray[np.float64]]]:
        """The actions that are left in each slot: none yet."""
        return [[] for _ in range(num_envs)]

    def act(
        self,
        obs: Any,
        state: list[list[NDArray[np.float64]]],
        episode_start: NDArray[np.bool_],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[NDArray[np.float64], list[list[NDArray[np.float64]]]]:
        """The next waypoint of each slot, [len(rngs), 8], the last one again after the last; what is left."""
        left = [
            list(self._envs.waypoints(slot)) if start else state[slot]
            for slot, start in enumerate(episode_start)
        ]
        return np.stack([actions[0] for actions in left]), [actions[1:] or actions for actions in left]


def always_right(actions: str = "full") -> UniformPolicy:
    """Coinrun's obvious script: RIGHT or RIGHT + UP (a jump), each with probability one half.

    Args:
        actions: The environment's action set, a name in `ACTION_SETS`.

    Raises:
        ValueError: If there is no such set, or it lacks one of the two actions.
    """
    if actions not in ACTION_SETS:
        raise ValueError(f"there is no action set {actions!r}: the sets are {', '.join(ACTION_SETS)}")
    native, right = ACTION_SETS[actions], ACTION_SETS["right"]
    if not set(right) <= set(native):
        raise ValueError(f"action set {actions!r} lacks RIGHT or RIGHT + UP: use one that has both")
    return UniformPolicy([native.index(action) for action in right])
