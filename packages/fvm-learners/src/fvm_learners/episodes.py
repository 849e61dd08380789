"""Finished episodes, as they count for the online return."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
    ended: NDArray[np.bool_],
    return_: NDArray[np.float64],
    length: NDArray[np.int64],
    task: NDArray[np.int64],
    env_step: int,
) -> list[Episode]:
    """The episodes that ended with this step, as the learner itself has counted them.

    `info["episode"]` is not asked: what others count is wrong where a wrapper does not see every reset, as
    Gymnasium's `RecordEpisodeStatistics` with DISABLED autoreset.
    """
    return [
        Episode(env_step, int(task[slot]), float(return_[slot]), int(length[slot]))
        for slot in np.flatnonzero(ended)
    ]
