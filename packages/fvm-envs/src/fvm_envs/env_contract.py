"""What an environment of a user's own gives, held against Gymnasium's contract."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np


def checked(env: Any, task: object) -> gym.Env[Any, Any]:
    """The environment that was made for a task.

    Raises:
        TypeError: It is none, lacks a space, or cannot be reset with a seed.
    """
    if not isinstance(env, gym.Env):
        raise TypeError(f"for {task} `make` gave {_shown(env)}: let it return a gymnasium.Env")
    for name in ("observation_space", "action_space"):
        if not isinstance(space := getattr(env, name, None), gym.Space):
            raise TypeError(f"{_name(env)}.{name} is {space!r}: set it to a gymnasium.Space in __init__")
    try:
        inspect.signature(env.unwrapped.reset).bind(seed=0)
    except TypeError:
        raise TypeError(
            f"{_name(env)}.reset takes no seed: define reset(self, *, seed=None, options=None)"
        ) from None
    return env


def reset(env: gym.Env[Any, Any], seed: int) -> Any:
    """The observation with which an environment begins an episode.

    Raises:
        TypeError: It gives something else.
    """
    came: Any = env.reset(seed=seed)
    if not isinstance(came, tuple) or len(came) != 2:
        raise TypeError(f"{_name(env)}.reset gave {_shown(came)}: let it return (observation, info)")
    return came[0]


def step(env: gym.Env[Any, Any], action: Any) -> tuple[Any, float, bool, bool, Mapping[str, Any]]:
    """What an environment says to an action: observation, reward, terminated, truncated, info.

    Raises:
        TypeError: It says something else.
    """
    came: Any = env.step(action)
    if not isinstance(came, tuple) or len(came) != 5:
        raise TypeError(
            f"{_name(env)}.step gave {_shown(came)}: let it return (observation, reward, terminated, "
            "truncated, info)"
        )
    obs, reward, terminated, truncated, info = came
    # What nearly all give is told by its type: this runs at each step, and `np.ndim` of a number is slow.
    if not isinstance(reward, (int, float)):
        try:
            if np.ndim(reward) or isinstance(reward, str):
                raise TypeError
            reward = float(reward)
        except (TypeError, ValueError):
            raise TypeError(f"{_name(env)}.step gave the reward {reward!r}: let it be a number") from None
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        if isinstance(flag, (bool, np.bool_)):
            continue
        if flag is None or isinstance(flag, str) or np.ndim(flag):
            raise TypeError(f"{_name(env)}.step gave {name} {flag!r}: let it be True or False")
    if not isinstance(info, (dict, Mapping)):
        raise TypeError(f"{_name(env)}.step gave the info {info!r}: let it be a dict")
    return obs, float(reward), bool(terminated), bool(truncated), info


def misfit(env: gym.Env[Any, Any], obs: Any) -> TypeError:
    """The error for an observation that cannot be joined with others of its space."""
    return TypeError(
        f"{_name(env)} gave an observation that is {_shown(obs)}, and its observation_space is "
        f"{env.observation_space}: make the two alike"
    )


def _name(env: gym.Env[Any, Any]) -> str:
    return type(env.unwrapped).__name__


def _shown(value: Any) -> str:
    """A value in a few words: its type, and how large it is."""
    kind = "None" if value is None else f"the class {value.__name__}" if isinstance(value, type) else ""
    if kind:
        return kind
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, dict):
        return f"a dict of {', '.join(map(repr, value)) or 'nothing'}"
    return f"{value!r}"[:60] if isinstance(value, (bool, int, float, str)) else f"a {type(value).__name__}"
