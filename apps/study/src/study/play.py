"""A study in which nothing learns: players on fixed tasks, where a benchmark has no learner yet.

config -> plan -> jobs -> page, with the jobs, store, engines and MLflow of every other study.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fvm_eval.report.players import Played, interval, percent, render_players
from fvm_eval.statistics.rates import Rate, success_rates
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from study.config import RESULT_VERSIONS
from study.methods import SCRIPTS
from study.plan import Job, Plan
from study.results import environments_of, write_pages
from study.scoring import score
from study.store import Store, write_table

MEASURED_EPISODES = 2  # of each job, for a dry run


@dataclass(frozen=True, kw_only=True)
class PlayConfig:
    """A grid of players x tasks.

    Attributes:
        title: What is played.
        tasks: Their ids.
        players: Names in `SCRIPTS`, the one to look at first.
        episodes: Of each player on each task.
        max_steps: Env steps after which an episode is cut.
        folder: Of the results, under the preset's.
        notes: What a reader must know, one sentence or two each.
    """

    benchmark: str
    preset: str
    title: str
    tasks: tuple[str, ...]
    players: tuple[str, ...]
    episodes: int
    max_steps: int
    env_options: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""
    notes: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """What two runs must share to be the same study: all but the grid's axes and words."""
        axes = {"players", "tasks", "title", "notes"}
        return {key: value for key, value in asdict(self).items() if key not in axes}


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


def announce(console: Console, config: PlayConfig, output: Path) -> None:
    """Says what is about to run."""
    names = " and ".join(SCRIPTS[name].lower() for name in config.players)
    console.print(f"{config.benchmark} {config.preset}: {names} on {config.title}")
    console.print(f"  {len(config.tasks)} tasks, {config.episodes} episodes of each player on each")
    for note in config.notes:
        console.print(Padding(note, (0, 2)), style="yellow")
    console.print(f"  results in {output}\n", soft_wrap=True)


def plan_of(config: PlayConfig) -> Plan:
    """Returns a job for each player and task."""
    jobs = []
    versions = {name: RESULT_VERSIONS[name] for name in (config.benchmark, "evaluation")}
    evaluation = {"episodes": config.episodes, "max_steps": config.max_steps, "num_envs": 1}
    for player in config.players:
        for task in config.tasks:
            spec = {
                "kind": "baseline",
                "policy": player,
                "tasks": [task],
                "benchmark": config.benchmark,
                "env_options": dict(config.env_options),
                "evaluation": evaluation,
                "versions": versions,
            }
            jobs.append(Job(kind="baseline", spec=spec, method=player, fold=0, seed=0))
    return Plan(jobs=tuple(jobs), folds={})


def estimate_s(plan: Plan, workers: int) -> float:
    """Returns about how long the jobs would take here, by two episodes of each."""
    started = time.perf_counter()
    for job in plan.jobs:
        score(job, job.spec["policy"], job.spec["tasks"], MEASURED_EPISODES, env_step=0)
    measured = (time.perf_counter() - started) / MEASURED_EPISODES
    return measured * int(plan.jobs[0].spec["evaluation"]["episodes"]) / workers


def collect(config: PlayConfig, plan: Plan, store: Store, rerun: str) -> PlayResults:
    """Gathers all jobs' episodes into the store's table, and computes the rates."""
    episodes = store.table(plan.jobs, "episodes").rename({"method": "player"})
    episodes = episodes.select("player", "task", "episode", "score")
    write_table(store.root / "results.parquet", episodes)
    played = Played(
        title=config.title,
        estimand=f"The part of fresh episodes of at most {config.max_steps} actions that a player solves, on "
        "each of these tasks and on all of them with equal weight; episodes are its only sample.",
        episodes=episodes,
        labels={player: SCRIPTS[player] for player in config.players},
        notes=config.notes,
        config=asdict(config),
        environment=environments_of(plan.jobs, store),
        rerun=rerun,
    )
    return PlayResults(played=played, rates=tuple(success_rates(episodes)))


def write_page(store: Store, results: PlayResults) -> Path:
    """Writes the page and its figure; returns the page to open."""
    return write_pages(store, render_players(results.played))
