"""Where slots stand between two steps of a vector env, the same for every learner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from fvm_learners.autoreset import Step, task_index
from fvm_learners.episodes import Episode

DTYPES: dict[str, Any] = {
    "episode_start": np.bool_,
    "reset_row": np.bool_,
    "task_index": np.int64,
    "return_": np.float64,
    "length": np.int64,
}
"""The arrays of `Running`, by name."""


@dataclass(kw_only=True)
class Running:
    """The episodes that B slots play. Learners add what they act on.

    Attributes:
        episode_start: [B] bool, the observation to act on is an episode's first.
        reset_row: [B] bool, the next action will be ignored (NEXT_STEP).
        task_index: [B] int64 of the running episodes.
        return_: [B] float64 of the running episodes.
        length: [B] int64 of the running episodes.
    """

    episode_start: NDArray[np.bool_]
    reset_row: NDArray[np.bool_]
    task_index: NDArray[np.int64]
    return_: NDArray[np.float64]
    length: NDArray[np.int64]

    def advance(self, outcome: Step, mode: AutoresetMode, env_step: int) -> list[Episode]:
        """Moves on by one step of all slots, and returns the episodes that ended with it.

        They are counted here: `info["episode"]` is not asked, since it is wrong where a wrapper does not see
        every reset, as Gymnasium's `RecordEpisodeStatistics` with DISABLED autoreset.

        Args:
            outcome: Of the step.
            mode: Of the envs.
            env_step: Of the learner, this step included.
        """
        ended, valid = outcome.ended, ~self.reset_row
        return_ = self.return_ + np.where(valid, outcome.reward, 0.0)
        length = self.length + valid
        episodes = [
            Episode(env_step, int(self.task_index[slot]), float(return_[slot]), int(length[slot]))
            for slot in np.flatnonzero(ended)
        ]
        next_step = mode is AutoresetMode.NEXT_STEP
        self.episode_start = self.reset_row if next_step else ended
        self.reset_row = ended if next_step else np.zeros_like(ended)
        self.return_, self.length = np.where(ended, 0.0, return_), np.where(ended, 0, length)
        self.task_index = outcome.task_index
        return episodes

    def check_moves(self, outcome: Step) -> None:
        """Raises ValueError if a slot was moved to another task without the learner's knowing."""
        moved = (outcome.task_index != self.task_index) & ~outcome.ended & ~self.reset_row
        if moved.any():
            raise ValueError(
                f"slots {np.flatnonzero(moved).tolist()} changed their task in mid-episode: after resetting "
                "the envs yourself call the learner's restart(), or let its move() reset them"
            )


def begun(info: dict[str, Any], num_envs: int, num_tasks: int | None = None) -> dict[str, NDArray[Any]]:
    """Returns the arrays of `Running` after a reset of all slots that gave `info`.

    Raises:
        ValueError: A slot plays a task beyond the first `num_tasks`, those that have a replay.
    """
    playing = task_index(info, num_envs)
    if num_tasks is not None:
        check_tasks(playing, num_tasks)
    return {
        "episode_start": np.ones(num_envs, dtype=np.bool_),
        "reset_row": np.zeros(num_envs, dtype=np.bool_),
        "task_index": playing,
        "return_": np.zeros(num_envs),
        "length": np.zeros(num_envs, dtype=np.int64),
    }


def check_tasks(task_index: NDArray[np.int64], num_tasks: int) -> None:
    """Raises ValueError if a slot plays a task that has no replay."""
    without = task_index[(task_index < 0) | (task_index >= num_tasks)]
    if len(without):
        raise ValueError(
            f"the envs play task {without[0]} (info['task_index']) and this learner has replays for "
            f"{num_tasks}, counted from 0: make it with num_tasks= the number of tasks"
        )
