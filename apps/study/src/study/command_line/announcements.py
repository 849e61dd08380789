"""What a study says before it runs, and what it says of its results."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from study import players
from study.config import Settings, StudyConfig
from study.jobs.environments import suite_of
from study.learners import kind_of
from study.methods import Method, pretraining_of
from study.plan import Plan, players_of
from study.results.collect import Results
from study.tracking import sink as tracking
from study.tracking.mlflow_sink import Status
from study.words import plural


def announce(
    console: Console, config: StudyConfig, plan: Plan, output: Path, device: str, where: str
) -> None:
    """Says what is about to run, on which device, and by whom: "2 workers"."""
    if not config.methods:
        suite, episodes = suite_of(config.benchmark), config.evaluation.episodes
        names = " and ".join(suite.label(name).lower() for name in players_of(config))
        console.print(f"{config.benchmark} {config.preset}: {names} on {config.title}")
        console.print(
            f"  {plural(len(config.held_out), 'task')}, {plural(episodes, 'episode')} of each player on each"
        )
        console.print(Padding(config.note, (0, 2)), style="yellow")
        console.print(f"  results in {output}\n", soft_wrap=True)
        return
    sizes = " / ".join(f"{size:,}" for size in config.train_sizes)
    console.print(
        Text.assemble(
            (f"{config.benchmark} {config.preset}", "bold"),
            f": {' vs '.join(config.methods)} on {config.family}",
        )
    )
    console.print(
        f"  {plural(config.seeds, 'seed')}, {sizes} training {config.unit}s, "
        f"{len(config.held_out)} held-out; {plural(len(plan.jobs), 'job')}, "
        f"{plan.env_steps:,} env steps on {device} with {where}"
    )
    for method in dict.fromkeys(method.kind.name for method in map(Method.parse, config.methods)):
        kind = pretraining_of(method)
        if kind.lifetimes and not kind.variant_of:
            given = {**config.settings.get(method, Settings()).config, **kind.config}
            paradigm = kind.made_by(kind_of(config.adapt.learner))
            made = (paradigm.Config or SimpleNamespace)(**given)
            console.print(f"  {kind.label}: {plural(made.trials, 'trial')} a lifetime")
    if config.note:
        console.print(Padding(config.note, (0, 2)), style="yellow")
    console.print(f"  results in {output}\n", soft_wrap=True)


def conclude(
    console: Console,
    root: Path,
    results: Results | players.PlayResults,
    report: Path,
    videos: list[Path],
    status: Status | None,
) -> None:
    """Says what came out and where it lies."""
    console.print()
    console.print(results.table())
    for line in results.verdicts:
        console.print(line, markup=False)
    console.print()
    console.print(f"report    {report}", soft_wrap=True)
    for video in videos:
        console.print(f"video     {video}", soft_wrap=True)
    if status is not None:
        console.print(f"mlflow    {status.uri}", soft_wrap=True)
        if status.error:
            left = plural(status.unsent, "run") + ("" if status.report else " and the report")
            console.print(
                f"          not sent: {left} ({status.error}); the same command sends them later",
                style="yellow",
                markup=False,
                soft_wrap=True,
            )
        elif status.uri.startswith("sqlite"):
            console.print(f"          see it: {tracking.look_at(root, status.uri)}", soft_wrap=True)
