"""Finished episodes, as they count for the online return."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fvm_learners.autoreset import Step


@dataclass(frozen=True)
class Episode:
    """One finished episode.

    Attributes:
        env_step: of the learner when it ended (all slots counted).
        task_index: the task it was played on; 0 where the env knows no tasks.
        return_: undiscounted, unscaled sum of rewards.
        length: steps.
    """

    env_step: int
    task_index: int
    return_: float
    length: int


def finished_episodes(
    outcome: Step,
    ended: NDArray[np.bool_],
    return_: NDArray[np.float64],
    length: NDArray[np.int64],
    task: NDArray[np.int64],
    env_step: int,
) -> list[Episode]:
    """The episodes that ended with this step, by the env's own statistics where it keeps them."""
    if not ended.any():
        return []
    info: dict[str, Any] = outcome.info if "episode" in outcome.info else outcome.info.get("final_info", {})
    known = np.asarray(info.get("_episode", np.zeros_like(ended)), dtype=np.bool_)
    episodes = []
    for slot in np.flatnonzero(ended):
        r, n = (info["episode"]["r"], info["episode"]["l"]) if known[slot] else (return_, length)
        episodes.append(Episode(env_step, int(task[slot]), float(r[slot]), int(n[slot])))
    return episodes
