"""A study in which nothing learns: players on a benchmark's tasks.

config -> plan -> jobs -> page, with the plan, jobs, store, engines and MLflow of every other study.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from fvm_eval.report.players import Played, interval, percent, render_players
from fvm_eval.statistics.rates import Rate, success_rates
from rich.table import Table

from study.config import StudyConfig
from study.folder.store import Store, write_table
from study.jobs.environments import suite_of
from study.jobs.job import context_of
from study.plan import Plan, players_of
from study.results.collect import environments_of, write_pages

MEASURED_EPISODES = 2  # of each job, for a dry run


@dataclass(frozen=True, kw_only=True)
class PlayResults:
    """What came of it."""

    played: Played
    rates: tuple[Rate, ...]

    verdicts: tuple[str, ...] = ()

    @property
    def numbers(self) -> dict[str, float]:
        """Each player's success rate on each task and on all, by "player/task"."""
        return {f"{rate.player}/{rate.task or 'all tasks'}": rate.part for rate in self.rates}

    def table(self) -> Table:
        """Returns the rates for a terminal."""
        table = Table(title="Episodes solved [95 %]", title_justify="left")
        table.add_column("")
        for label in self.played.labels.values():
            table.add_column(label, justify="right")
        found = {(rate.task, rate.player): rate for rate in self.rates}
        tasks = list(dict.fromkeys(rate.task for rate in self.rates if rate.task))
        for task in [*tasks, ""]:
            cells = [found[task, player] for player in self.played.labels]
            shown = [f"{percent(rate.part)} {interval(rate)}" for rate in cells]
            table.add_row(task.partition("/")[2] or "all tasks", *shown, end_section=task == tasks[-1])
        return table


def estimate_s(plan: Plan, workers: int) -> float:
    """Returns about how long the jobs would take here, by two episodes of each."""
    started = time.perf_counter()
    for job in plan.jobs:
        context_of(job).score(job.spec["policy"], [job.spec["task"]], MEASURED_EPISODES, env_step=0)
    measured = (time.perf_counter() - started) / MEASURED_EPISODES
    return measured * int(plan.jobs[0].spec["evaluation"]["episodes"]) / workers


def collect_players(config: StudyConfig, plan: Plan, store: Store, rerun: str) -> PlayResults:
    """Gathers all jobs' episodes into the store's table, and computes the rates."""
    suite = suite_of(config.benchmark)
    episodes = store.table(plan.jobs, "episodes").rename({"method": "player"})
    episodes = episodes.select("player", "task", "episode", "score")
    write_table(store.root / "results.parquet", episodes)
    played = Played(
        title=config.title or config.family,
        estimand=f"The part of fresh episodes of at most {config.evaluation.max_steps} actions that a player "
        "solves, on each of these tasks and on all of them with equal weight; episodes are its only sample.",
        episodes=episodes,
        labels={player: suite.label(player) for player in players_of(config)},
        notes=(config.note,),
        config=config.spec,
        environment=environments_of(plan.jobs, store),
        rerun=rerun,
    )
    return PlayResults(played=played, rates=tuple(success_rates(episodes)))


def write_page(store: Store, results: PlayResults) -> Path:
    """Writes the page and its figure; returns the page to open."""
    return write_pages(store, render_players(results.played))
