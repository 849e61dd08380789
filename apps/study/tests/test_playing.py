"""What is seen of an evaluation in its first seconds: whole, and stopped at its first step."""

from __future__ import annotations

import math

from study.config import StudyConfig
from study.estimates.playing import Playing, watched
from study.jobs.job import context_of
from study.plan import make_plan


def seen(config: StudyConfig, for_s: float) -> Playing:
    job = next(job for job in make_plan(config).jobs if job.kind == "baseline")
    return watched(context_of(job), job.spec["policy"], job.spec["task"], for_s)


def test_every_episode_of_catch_has_as_many_steps(small: StudyConfig) -> None:
    playing = seen(small, for_s=math.inf)
    assert (playing.shortest, playing.longest) == (13.0, 13)
    assert playing.ended
    assert playing.fixed
    assert playing.row_s > 0.0
    assert playing.more_s >= 0.0
    assert playing.begin_s > 0.0


def test_of_an_evaluation_that_was_stopped_the_running_episodes_say_how_long_they_are_at_least(
    small: StudyConfig,
) -> None:
    playing = seen(small, for_s=0.0)
    assert (playing.shortest, playing.longest) == (1, 1)
    assert not playing.ended
    assert not playing.fixed
