"""What callers give to a vector environment of slots, checked before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from fvm_envs.task import Task, TaskSet

MAX_SLOTS = 2**16
"""More slots than any run has; ten times as many would take the memory of the machine."""


def read_count(name: str, value: Any, low: int, high: int) -> int:
    """A whole number from `low` to `high`, as an int.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If it is out of range.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {value!r}: give a whole number from {low} to {high}")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}: give {low} to {high}")
    return int(value)


def read_seed(seed: Any) -> int:
    """A seed, as an int.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If it is below 0.
    """
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed is {seed!r}: give a whole number, from which all that is drawn follows")
    if seed < 0:
        raise ValueError(f"seed is {seed}: give a whole number of 0 or more")
    return int(seed)


def read_flag(name: str, value: Any) -> bool:
    """True or False, as a bool.

    Raises:
        TypeError: If it is neither.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is {value!r}: give True or False")
    return bool(value)


def read_autoreset(value: Any) -> AutoresetMode:
    """Gymnasium's mode of "same_step" or "next_step", or of the mode itself.

    Raises:
        ValueError: If it is another.
    """
    modes = {"same_step": AutoresetMode.SAME_STEP, "next_step": AutoresetMode.NEXT_STEP}
    mode = value if isinstance(value, AutoresetMode) else modes.get(value) if isinstance(value, str) else None
    if mode not in modes.values():
        raise ValueError(f"autoreset is {value!r}: expected 'same_step' or 'next_step'")
    assert mode is not None
    return mode


def read_mask(mask: Any, num_envs: int) -> NDArray[np.bool_]:
    """The slots that a reset is for, bool [num_envs]; all of them where none are named.

    Raises:
        ValueError: If it has another dtype or shape.
    """
    if mask is None:
        return np.ones(num_envs, dtype=bool)
    read = np.asarray(mask)
    if read.dtype != np.bool_ or read.shape != (num_envs,):
        raise ValueError(
            f"reset_mask has dtype {read.dtype}, shape {read.shape}: expected bool, ({num_envs},)"
        )
    return read


def read_tasks(asked: Any, tasks: TaskSet, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The position in `tasks` of what each masked slot is asked to play, int64 [num_envs], else -1.

    Raises:
        ValueError: If there is not one entry for each slot, or a task is not in the set.
    """
    positions = np.full(len(mask), -1, dtype=np.int64)
    if asked is None:
        return positions
    if isinstance(asked, (str, Task)) or len(asked) != len(mask):
        raise ValueError(f"options['tasks'] must have one task (or None) for each of the {len(mask)} slots")
    for slot in np.flatnonzero(mask):
        if asked[slot] is not None:
            positions[slot] = tasks.index(asked[slot])
    return positions


def read_episode_seeds(asked: Any, mask: NDArray[np.bool_]) -> dict[int, list[int]]:
    """The seeds of each masked slot's next episodes, for those that were given any.

    Raises:
        ValueError: If there is not one entry for each slot, or a seed is no whole number of 0 or more.
    """
    if asked is None:
        return {}
    if isinstance(asked, (str, int)) or len(asked) != len(mask):
        raise ValueError(
            f"options['episode_seeds'] must have a seed, seeds or None for each of the {len(mask)} slots"
        )
    read = {}
    for slot in np.flatnonzero(mask).tolist():
        given = asked[slot]
        if given is None:
            continue
        seeds: Sequence[Any] = list(given) if isinstance(given, (Sequence, np.ndarray)) else [given]
        for seed in seeds:
            if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
                raise ValueError(f"episode seed {seed!r} of slot {slot}: give whole numbers below 2**63")
        read[slot] = [int(seed) for seed in seeds]
    return read
