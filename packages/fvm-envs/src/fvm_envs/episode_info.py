"""What a step's `info` says of the episodes that it ended, as Gymnasium's vector environments write it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

OF_THE_EPISODE = ("episode", "_episode", "final_obs", "_final_obs", "final_info", "_final_info")
"""Entries of a step's `info` that tell of the episodes that it ended."""


def final_entries(
    ended: NDArray[np.bool_], told: Mapping[str, Any], final_obs: Iterable[Any] | None
) -> dict[str, Any]:
    """`final_info` and, where it can be shown, `final_obs`, each with its mask `_<name>`.

    Args:
        ended: Slots whose episode has just ended.
        told: What `info` says of the last transitions, arrays [num_envs]; copied where they can be.
        final_obs: The last observation of each ended slot, in order, or None.
    """
    finals: dict[str, Any] = {"final_info": {}, "_final_info": ended.copy()}
    for key, value in told.items():
        if key not in OF_THE_EPISODE:
            finals["final_info"] |= {key: _copied(value), f"_{key}": ended.copy()}
    if final_obs is not None:
        finals |= {"final_obs": np.full(len(ended), None, dtype=object), "_final_obs": ended.copy()}
        for slot, obs in zip(np.flatnonzero(ended), final_obs, strict=True):
            finals["final_obs"][slot] = obs
    return finals


def _copied(value: Any) -> Any:
    """A copy, or the value itself if it holds what cannot be copied: a lock, a simulator, a generator."""
    try:
        return deepcopy(value)
    except Exception:  # whatever it is that it raises
        return value


def obs_of_slot(obs: Any, slot: int) -> Any:
    """The observation of one slot out of that of all: an array, or a dict of arrays."""
    return {key: obs_of_slot(part, slot) for key, part in obs.items()} if isinstance(obs, dict) else obs[slot]
