"""What an episode can score at all: it bounds the intervals of few checkpoints.

A preset says it (`StudyConfig.score_bounds`); else it is the task's score range, unless its suite says that
episodes score outside that (`Suite.bounded`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl
from fvm_eval.analysis.study_results import first_outside

from study.config import StudyConfig
from study.errors import StudyError
from study.jobs.environments import score_range_of, suite_of

Ends = tuple[float, float]


def score_bounds_of(config: StudyConfig, tasks: Sequence[str]) -> dict[str, Ends] | None:
    """Returns the lowest and highest return of each task, empty if there are none, None if its range's."""
    if config.score_bounds is not None:
        return dict.fromkeys(tasks, config.score_bounds)
    return None if suite_of(config.benchmark).bounded else {}


def normalised_bounds(config: StudyConfig, ranges: Mapping[str, Ends]) -> Ends | None:
    """Returns the lowest and highest possible score as shares of tasks' ranges; None where they differ."""
    possible = score_bounds_of(config, list(ranges))
    if possible is None:
        possible = dict(ranges)
    ends = {
        tuple((end - low) / (high - low) for end in possible[task])
        for task, (low, high) in ranges.items()
        if task in possible
    }
    lowest, highest = ends.pop() if len(ends) == 1 else (0.0, 0.0)
    return (lowest, highest) if lowest < highest else None


def bounds_on(config: StudyConfig, tasks: Iterable[str]) -> Ends | None:
    """Returns `normalised_bounds` of tasks by their ids."""
    return normalised_bounds(config, {task: score_range_of(config.benchmark, task) for task in tasks})


def check_scores(config: StudyConfig, ranges: Mapping[str, Ends], episodes: pl.DataFrame) -> None:
    """Refuses scores that should not have been possible, in which no interval would mean anything.

    Args:
        config: Of the study.
        ranges: Returns that count as 0 and as 1, by task.
        episodes: Task, score (a return).

    Raises:
        StudyError: An episode scored outside what the preset or its suite says.
    """
    possible = score_bounds_of(config, list(ranges))
    found = first_outside(episodes, ranges if possible is None else possible)
    if found is None:
        return
    task, score, (low, high) = found
    who, what = (
        (f"the suite {suite_of(config.benchmark).name}", "say bounded=False in its Suite")
        if config.score_bounds is None
        else (f"the preset {config.preset}", "correct its score_bounds")
    )
    raise StudyError(
        f"an episode of {task} scored {score:g}, and {who} says that none scores outside {low:g} to "
        f"{high:g}: {what} and run the same command again, all jobs are kept"
    )
