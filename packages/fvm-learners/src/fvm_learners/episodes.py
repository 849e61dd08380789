"""Finished episodes, as they count for the online return."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Episode:
    """One finished episode.

    Attributes:
        env_step: Of the learner when it ended (all slots counted).
        task_index: The task it was played on; 0 where the env knows no tasks.
        return_: Undiscounted, unscaled sum of rewards.
        length: Steps.
    """

    env_step: int
    task_index: int
    return_: float
    length: int
