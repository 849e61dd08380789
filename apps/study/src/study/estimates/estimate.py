"""What a study would take here: time from a short measurement, disk and memory from its parts."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from study.config import StudyConfig
from study.errors import StudyError
from study.estimates.expected import Expected, expected, makespan_s
from study.estimates.measuring import Measured, asked_alone, measure, players, trainings
from study.estimates.pace import group_of, report_s
from study.jobs.environments import env_options, make_envs
from study.learners import read_spec
from study.machine.limits import memory_bytes
from study.machine.needs import Needs, size_words, with_measured
from study.methods import Row
from study.plan import Job, Plan
from study.words import count, duration, plural

WIDE = 1.1  # two estimates that differ by less are one
WHY = (
    "from episodes as short as the shortest that random play, a script or a beginner had here, to all as "
    "long as they may be: how long a trained agent's are, nobody knows yet"
)


def show(
    console: Console,
    config: StudyConfig,
    plan: Plan,
    tuning: Plan | None,
    output: Path,
    device: str,
    workers: int,
    finished: Collection[str] = (),
) -> None:
    """Prints the grid and what it would take; runs a few seconds of each kind of job, and keeps nothing.

    `tuning` holds the trials that come before, if any; jobs whose keys are `finished` take nothing.
    """
    left = [job for job in plan.jobs if job.key not in finished]
    if done := len(plan.jobs) - len(left):
        are = "is" if done == 1 else "are"
        console.print(f"{done:,} of {plural(len(plan.jobs), 'job')} {are} finished in {output} or --cache")
    trials = tuning.jobs if tuning else ()
    everything = (*trials, *left)
    if not everything:
        console.print(f"nothing is left to run; tables and report {duration(report_s(len(plan.jobs)))}")
        return
    kinds = {
        kind: [job for job in left if job.kind == kind]
        for kind in ("baseline", "pretrain", "adapt", "measure")
    }
    grid = Table(
        title=f"{config.benchmark} {config.preset}: {plural(len(everything), 'job')}", title_justify="left"
    )
    for column in ("jobs", "of", "env steps each", "env steps"):
        grid.add_column(column, justify="left" if column == "of" else "right")
    if tuning:
        grid.add_row(str(len(trials)), "tuning (all methods)", "", f"{tuning.env_steps:,}")
    for kind, jobs in kinds.items():
        methods = ", ".join(dict.fromkeys(_without_point(job.method) for job in jobs))
        if jobs:
            budgets = " / ".join(f"{steps:,}" for steps in sorted({job.budget_env_steps for job in jobs}))
            steps = sum(job.budget_env_steps for job in jobs)
            grid.add_row(str(len(jobs)), f"{kind} ({methods})", budgets, f"{steps:,}")
    env_steps = sum(job.budget_env_steps for job in everything)
    grid.add_row(str(len(everything)), "in all", "", f"{env_steps:,}")
    console.print(grid)
    console.print(f"measuring on {device} with {max(workers, 1)} at a time ...", style="dim")

    groups, played = trainings(everything), players(everything)
    agents = {**groups, **asked_alone(plan.jobs, everything)}
    examples = [jobs[-1] for jobs in (*agents.values(), *played.values())]
    measured, start_s = measure(examples, device, max(workers, 1))
    found = dict(zip((*agents, *played), measured, strict=True))
    takes = expected(everything, found)
    console.print(by_method(everything, takes))
    rest_s = report_s(len(everything) + done)
    console.print(f"starting  {duration(start_s)}, tables and report {duration(rest_s)}")
    least_s, most_s = (
        start_s + rest_s + makespan_s(everything, seconds, max(workers, 1)) for seconds in both(takes)
    )
    disk = sum(len(jobs) * (found[work].weights_bytes + 50_000) for work, jobs in groups.items())
    checkpoints = max((found[work].checkpoint_bytes for work in groups), default=0) * max(workers, 1) * 2
    memory = max((found[work].memory_bytes for work in agents), default=0) * max(workers, 1)
    free = shutil.disk_usage(_existing(output)).free
    available = psutil.virtual_memory().available
    console.print(f"time      {between(least_s, most_s)}, give or take a third")
    if device == "cpu":
        busy = {key: one.busy_frac for key, one in takes.items()}
        at_work = [sum(busy[key] * s for key, s in seconds.items()) for seconds in both(takes)]
        console.print(f"          of it cores at work {between(*at_work)}, all workers together")
    if most_s > WIDE * least_s:
        console.print(f"          {WHY}", soft_wrap=True)
    console.print(
        f"disk      about {(disk + checkpoints) / 1e6:,.0f} MB in {output} ({free / 1e9:,.0f} GB free)",
        soft_wrap=True,
    )
    if not agents:  # scripted players take next to nothing
        return
    console.print(f"memory    about {memory / 1e9:.1f} GB ({available / 1e9:.1f} GB available)")
    asked = with_measured(
        {kind: Needs() for kind in kinds if kinds[kind]},
        by_kind([kind for kind, _, _ in agents], [found[work] for work in agents]),
    )
    words = " ".join(f"{kind}={size_words(needs.memory)}" for kind, needs in asked.items())
    console.print(f"          to say so to workers and batch systems: --memory {words}", soft_wrap=True)
    if memory > available:
        console.print("          more than is available: use fewer --workers", style="yellow")


def both(takes: Mapping[str, Expected]) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the least and the most seconds of each job."""
    return {k: one.seconds for k, one in takes.items()}, {k: one.most_s for k, one in takes.items()}


def between(least_s: float, most_s: float) -> str:
    """Returns two durations in words, or one where they hardly differ."""
    shown = [f"{s:.1f} s" if s < 10 else duration(s) for s in (least_s, most_s)]
    if most_s <= WIDE * least_s or shown[0] == shown[1]:
        return f"about {shown[1]}"
    return f"{shown[0]} to {shown[1]}"


def span(least_s: float, most_s: float) -> str:
    """Returns two durations in one unit, short enough for a table: "24-35 s", or one: "1.7 min"."""
    longer = (("h", 3600.0), ("min", 60.0))
    unit, size = next((pair for pair in longer if most_s >= 1.5 * pair[1]), ("s", 1.0))
    shown = [f"{s / size:.{0 if s >= 10 * size else 1}f}" for s in (least_s, most_s)]
    one = most_s <= WIDE * least_s or shown[0] == shown[1]
    return f"{shown[1] if one else '-'.join(shown)} {unit}"


def by_method(jobs: Sequence[Job], takes: Mapping[str, Expected]) -> Table:
    """Returns what the jobs of each kind and method would take, all points of its grid together."""
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        kind, name = group_of(job)
        groups.setdefault((kind, _without_point(name)), []).append(job)
    table = Table(title="What they would take of a worker", title_justify="left")
    for column in ("jobs", "of", "steps/s", "a job", "playing", "in all"):
        table.add_column(column, justify="left" if column == "of" else "right")
    for (kind, method), mine in groups.items():
        trained_s = sum(takes[job.key].train_s for job in mine)
        speed = count(sum(job.budget_env_steps for job in mine) / trained_s) if trained_s else ""
        all_s = [sum(seconds[job.key] for job in mine) for seconds in both(takes)]
        played_s = [
            sum(takes[job.key].play_s for job in mine) / len(mine),
            sum(takes[job.key].most_play_s for job in mine) / len(mine),
        ]
        table.add_row(
            str(len(mine)),
            f"{kind} {method}",
            speed,
            span(*(s / len(mine) for s in all_s)),
            span(*played_s) if any(played_s) else "",
            span(*all_s),
        )
    return table


def _without_point(name: str) -> str:
    """Returns a row's name without its point of the grid: the points of a method take about the same."""
    return replace(Row.parse(name), point="").name


def check_memory(jobs: Sequence[Job], device: str, workers: int) -> None:
    """Say now, not when they have filled up after hours, that the replays do not fit.

    Raises:
        StudyError: Those of all workers together are larger than this machine's memory.
    """
    phases = {}
    for job in jobs:
        if job.kind in ("pretrain", "adapt"):
            tasks = job.spec["tasks"] if job.kind == "pretrain" else [job.spec["task"]]
            phases[job.kind, len(tasks)] = *read_spec(job.spec["phase"]), tasks, job
    needed = 0
    for kind, config, tasks, job in phases.values():
        if "replay" in kind.capabilities and device == "cpu":
            options = env_options(job.spec)
            with closing(make_envs(job.spec["benchmark"], tasks[:1], 1, 0, **options)) as envs:
                nbytes = kind.memory_nbytes(config, envs.single_observation_space, len(tasks))
            needed = max(needed, nbytes * max(workers, 1))
    memory = memory_bytes()
    if needed > memory:
        raise StudyError(
            f"the replays of {max(workers, 1)} jobs at a time take {needed / 1e9:.1f} GB and this machine "
            f"has {memory / 1e9:.1f} GB of memory; use fewer --workers or a smaller preset"
        )


def memory_of(jobs: Sequence[Job], device: str) -> dict[str, int]:
    """Returns the memory that a job of each kind takes, by the first iterations of each kind of training."""
    groups = trainings(jobs)
    if not groups:
        return {}
    found, _ = measure([group[-1] for group in groups.values()], device, 1)
    return by_kind([kind for kind, _, _ in groups], found)


def by_kind(kinds: Sequence[str], found: Sequence[Measured]) -> dict[str, int]:
    """Returns the most memory that was measured, by kind of job."""
    most: dict[str, int] = {}
    for kind, measured in zip(kinds, found, strict=True):
        most[kind] = max(most.get(kind, 0), measured.memory_bytes)
    return most


def gpu_bytes(jobs: Sequence[Job], device: str) -> int:
    """Returns what one worker takes of a GPU at most, by the first iterations of each kind of training."""
    examples = [group[-1] for group in trainings(jobs).values()]
    return max(measured.gpu_bytes for measured in measure(examples, device, 1)[0]) if examples else 0


def _existing(path: Path) -> Path:
    path = path.resolve()
    while not path.exists():
        path = path.parent
    return path
