"""What an episode can score: where it comes from, what it bounds, and what is said of a score beyond it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
import tyro
from study.claims.arms import TRIALS
from study.command_line.arguments import Arguments
from study.config import StudyConfig
from study.errors import StudyError
from study.folder.store import Store
from study.jobs import environments
from study.plan import Plan
from study.resolve import resolve_all
from study.results.collect import cell_bounds_of, collect
from study.results.score_bounds import bounds_on, check_scores, score_bounds_of


def config_of(*line: str) -> StudyConfig:
    arguments = tyro.cli(Arguments, args=list(line), config=(tyro.conf.OmitArgPrefixes,))
    (config,) = resolve_all(arguments, default_preset="quick")
    return config


def test_summaries_of_scores_have_the_range_of_scores(small: StudyConfig) -> None:
    own = replace(small, score_bounds=None)
    assert set(cell_bounds_of(own, {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}).values()) == {(0.0, 1.0)}
    wider = replace(small, score_bounds=(-2.0, 2.0))
    assert cell_bounds_of(wider, {"a": (0.0, 2.0)})[TRIALS] == (-1.0, 1.0)
    assert cell_bounds_of(wider, {"a": (0.0, 2.0), "b": (0.0, 1.0)}) == {}


@pytest.mark.parametrize(
    ("line", "task", "possible", "share"),
    [
        ("--benchmark rlbench", "rlbench/push_button", None, (0.0, 1.0)),  # a rate, by its suite
        ("--benchmark procgen", "procgen/coinrun-easy/0", (0.0, 10.0), (-1.0, 1.0)),  # 5 counts as 0
        ("--benchmark procgen --game maze", "procgen/maze-easy/0", (0.0, 10.0), (-1.0, 1.0)),
        ("--benchmark procgen --game bigfish", "procgen/bigfish-easy/0", "none", None),  # 1 counts as 0
        ("--benchmark atari", "atari/pong", "none", None),
    ],
)
def test_each_benchmark_knows_what_an_episode_can_score(
    line: str, task: str, possible: Any, share: tuple[float, float] | None
) -> None:
    config = config_of(*line.split())
    found = score_bounds_of(config, [task])
    assert found == ({} if possible == "none" else possible and {task: possible})
    assert bounds_on(config, [task]) == share
    low, high = environments.score_range_of(config.benchmark, task)
    for score in (low - 1, high + 1) if possible == "none" else (low, high):
        check_scores(config, {task: (low, high)}, pl.DataFrame({"task": [task], "score": [score]}))


def test_a_score_that_a_preset_excludes_is_told_and_nothing_is_lost(
    small: StudyConfig, small_done: tuple[Plan, Store]
) -> None:
    told = "the preset .* 0 to 0.01: correct its score_bounds .* all jobs are kept"
    with pytest.raises(StudyError, match=told):
        collect(replace(small, score_bounds=(0.0, 0.01)), *small_done, rerun="")


def test_a_score_that_a_suite_excludes_is_told(small: StudyConfig) -> None:
    episodes = pl.DataFrame({"task": ["toy/room/3"] * 2, "score": [5.5, 0.0]})
    told = "toy/room/3 scored 0, and the suite toy says .* 5 to 6: say bounded=False in its Suite"
    with pytest.raises(StudyError, match=told):
        check_scores(replace(small, score_bounds=None), {"toy/room/3": (5.0, 6.0)}, episodes)
