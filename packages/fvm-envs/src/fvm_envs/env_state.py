"""Three ways in which a single Gymnasium environment goes on where it was, in a fresh instance, bit for bit.

* "own": the environment has `state_dict` and `load_state_dict`; what Gymnasium's `TimeLimit` and
  `OrderEnforcing` around it remember is kept too. Any other wrapper outside of the one that has the methods
  may remember something that nobody saves, so these environments are replayed.
* "replay": the episode's seed and its actions so far are kept, and replayed; the observation and the return
  to which they lead are held against the ones that were saved. It costs what the episode has cost so far.
* "none": neither works, since a seed does not determine an episode, or not beside another environment.
  `fvm_envs.restarts.Restarts` then makes a run resumable, by beginning all episodes afresh at every
  checkpoint.

No pickle and no deep copy: a checkpoint holds arrays and JSON values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, Literal, cast

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from fvm_envs.env_contract import reset, step

Saves = Literal["own", "replay", "none"]
State = dict[str, Any]

PROBE_STEPS = 30
"""Steps of two episodes that are played twice to see whether a seed determines them."""
_TRANSPARENT = (OrderEnforcing, PassiveEnvChecker, TimeLimit)


def digest_of(obs: Any, *more: Any) -> str:
    """A hash of an observation, be it an array, a number, text, or a dict or tuple of them."""
    digest = hashlib.blake2b(digest_size=16)
    for part in leaves((obs, *more)):
        array = np.asarray(part)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes() if array.dtype != object else repr(part).encode())
    return digest.hexdigest()


def copied(obs: Any) -> Any:
    """An observation as arrays of its own, into which its environment does not write again."""
    if isinstance(obs, Mapping):
        return {key: copied(part) for key, part in obs.items()}
    return tuple(map(copied, obs)) if isinstance(obs, tuple) else np.array(obs)


def packed(obs: Any) -> Any:
    """An observation as nested dicts of arrays."""
    if isinstance(obs, tuple):
        return {str(index): packed(part) for index, part in enumerate(obs)}
    return {key: packed(part) for key, part in obs.items()} if isinstance(obs, Mapping) else np.array(obs)


def unpacked(obs: Any, space: gym.Space[Any]) -> Any:
    """The observation of a space that `packed` was given."""
    if isinstance(space, gym.spaces.Tuple):
        return tuple(unpacked(obs[str(index)], part) for index, part in enumerate(space.spaces))
    if isinstance(space, gym.spaces.Dict):
        return {key: unpacked(obs[key], part) for key, part in space.spaces.items()}
    return np.array(obs)


def leaves(value: Any) -> Iterator[Any]:
    """The arrays and values that a nested observation consists of, in a fixed order."""
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield str(key)
            yield from leaves(value[key])
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from leaves(part)
    else:
        yield value


def owner_of_state(env: gym.Env[Any, Any]) -> Any | None:
    """The outermost layer that saves its own state, if no other wrapper around it may remember something."""
    layer: Any = env
    while True:
        if callable(getattr(type(layer), "state_dict", None)) and callable(
            getattr(type(layer), "load_state_dict", None)
        ):
            return layer
        if type(layer) not in _TRANSPARENT:
            return None
        layer = layer.env


def way_of(make: Callable[[], gym.Env[Any, Any]]) -> Saves:
    """The way in which environments that `make` gives can be saved, found out by playing two of them."""
    env, other = make(), make()
    try:
        if owner_of_state(env) is not None:
            return "own"
        rng = np.random.default_rng(0)
        env.action_space.seed(0)
        actions = [env.action_space.sample() for _ in range(PROBE_STEPS)]
        seeds = rng.integers(2**31, size=2).tolist()
        # Each seed is played by an instance that has played before and by one that has not.
        played = {(seed, who): _play(who, seed, actions) for who in (env, other) for seed in seeds}
        again = {(seed, who): _play(who, seed, actions) for who in (env, other) for seed in seeds[:1]}
        same = all(played[seed, env] == played[seed, other] for seed in seeds)
        same = same and all(played[key] == again[key] for key in again)
        # Slots take turns: instances that draw from one generator, as NumPy's global one, disturb each other.
        both = [_playing(who, seed, actions) for seed, who in zip(seeds, (env, other), strict=True)]
        shown = zip(*zip_longest(*both), strict=True)
        together = [[seen for seen in one if seen is not None] for one in shown]
        same = same and together == [played[seed, env] for seed in seeds]
        return "replay" if same else "none"
    finally:
        env.close()
        other.close()


def _play(env: gym.Env[Any, Any], seed: int, actions: list[Any]) -> list[str]:
    return list(_playing(env, seed, actions))


def _playing(env: gym.Env[Any, Any], seed: int, actions: list[Any]) -> Iterator[str]:
    """What an episode shows, a hash a step."""
    yield digest_of(reset(env, seed))
    for action in actions:
        obs, reward, terminated, truncated, _ = step(env, action)
        yield digest_of(obs, reward, terminated, truncated)
        if terminated or truncated:
            return


def own_state(env: gym.Env[Any, Any]) -> State:
    """What an environment and the time limits around it say of themselves.

    Raises:
        ValueError: If that is not arrays and JSON values.
    """
    owner, layer = owner_of_state(env), cast("Any", env)
    assert owner is not None
    elapsed = []
    while layer is not owner:
        if isinstance(layer, TimeLimit):
            elapsed.append(int(layer._elapsed_steps or 0))
        layer = layer.env
    return {"elapsed": elapsed, "own": _plain(owner.state_dict(), str(owner))}


def _plain(value: Any, owner: str) -> Any:
    """A state with numbers of Python's in place of numpy's."""
    if isinstance(value, Mapping):
        named = [key for key in value if not isinstance(key, str)]
        if named:
            raise ValueError(
                f"state_dict of {owner} has a key {named[0]!r}: give text, since a file keeps no other keys"
            )
        return {key: _plain(part, owner) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part, owner) for part in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return value.copy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (str, int, float, type(None))):
        return value
    kind = f"{value.dtype} array" if isinstance(value, np.ndarray) else type(value).__name__
    raise ValueError(f"state_dict of {owner} holds a {kind}: give arrays of numbers and JSON values only")


def load_own_state(env: gym.Env[Any, Any], state: Mapping[str, Any]) -> None:
    """Put an environment where `own_state` was taken."""
    env.reset(seed=0)  # OrderEnforcing wants one, and time limits begin to count.
    owner, layer = owner_of_state(env), cast("Any", env)
    assert owner is not None
    elapsed = list(state["elapsed"])
    while layer is not owner:
        if isinstance(layer, TimeLimit):
            layer._elapsed_steps = elapsed.pop(0)
        layer = layer.env
    owner.load_state_dict(state["own"])
