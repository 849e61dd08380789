"""`study tune`: the course of tuning by a grid."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import polars as pl
from rich.console import Console

from study import plugins
from study.command_line.arguments import Arguments
from study.config import StudyConfig
from study.engines.schedule import RunOptions
from study.errors import StudyError
from study.estimates import estimate
from study.folder.cache import check_cache, found_in
from study.folder.files import canonical_json, write_bytes
from study.folder.plan_file import PlanFile, write_plan
from study.folder.store import Store, write_table
from study.machine.resources import options_of, workers_of
from study.phases import check_count
from study.plan import Plan
from study.resolve import resolve_all
from study.run import MAX_JOBS, folder_of, made_ready, make_console, take_over, try_plugins
from study.run_jobs import run_jobs
from study.tuning.grid import read_grid
from study.tuning.ledger import read_ledger, write_ledger
from study.tuning.responses import (
    best_points,
    curves,
    merged,
    responses,
    seeds_of,
    settings_of,
    spent,
    trials_of,
    tuned_arms,
    unsure,
    widened,
)
from study.tuning.tuned import TABLES, TUNED, Tuned
from study.words import plural

MOST_TIMES = 4  # the env steps given at first
MOST_ENV_STEPS = 10**15
MOST_WIDENINGS = 100
OF_NO_TUNING = ("tune", "tuned", "fresh")  # what `study tune` has no use for


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much a tuning takes, the same for every method.

    Attributes:
        env_steps: Of each method at first, its pretrainings included: as many seeds as fit, one at least.
        most_env_steps: Up to which they are doubled while neighbouring points cannot be told apart; None for
            four times as many.
        error: The largest standard error of a difference between neighbours that may remain, as a part of
            the score range.
        widenings: How often an axis of the grid may grow: noise might widen it for ever.

    Raises:
        ValueError: A number that is none of these.
    """

    env_steps: int = 420_000
    most_env_steps: int | None = None
    error: float = 0.03
    widenings: int = 6

    def __post_init__(self) -> None:
        check_count("--env-steps", self.env_steps, most=MOST_ENV_STEPS)
        check_count("--most-env-steps", self.most, self.env_steps, MOST_TIMES * MOST_ENV_STEPS)
        if not (math.isfinite(self.error) and self.error > 0):
            raise ValueError(f"--error {self.error}: give a number above 0, a part of the score range")
        check_count("--widenings", self.widenings, 0, MOST_WIDENINGS)

    @property
    def most(self) -> int:
        """Returns how many tuning env steps a method may take at last."""
        return MOST_TIMES * self.env_steps if self.most_env_steps is None else self.most_env_steps


@dataclass
class Course:
    """How far a tuning has come.

    Attributes:
        config: With the grid as it was widened and the settings chosen so far.
        plans: By method, the trials that its choice rests on.
        ran: By method, all trials that were ever asked for in this folder: those from settings chosen
            earlier, or of a grid that was given up, count too.
        widenings: How often each axis of the grid has grown.
    """

    config: StudyConfig
    plans: dict[str, Plan] = field(default_factory=dict)
    ran: dict[str, Plan] = field(default_factory=dict)
    widenings: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What the trials run with."""

    console: Console
    arguments: Arguments
    store: Store
    options: RunOptions
    device: str

    def run(self, own: Mapping[str, Plan], course: Course) -> None:
        """Runs what is missing of each method's trials; that they were asked for is filed first."""
        plan = merged(list(own.values()))
        try_plugins(self.console, self.arguments, plan, self.store.root, self.device)
        workers = workers_of(self.arguments, self.device, plan)
        steps = f"{plural(len(plan.jobs), 'job')}, {plan.env_steps:,} env steps"
        self.console.print(f"tuning: {steps}, results in {self.store.root}")
        every_s = self.options.checkpoint_every_s
        take_over(self.console, self.arguments, plan, self.store)
        course.ran |= {name: merged([one, course.ran.get(name, one)]) for name, one in own.items()}
        write_ledger(self.store.root, course.ran)
        write_plan(self.store.root, PlanFile(jobs=plan.jobs, checkpoint_every_s=every_s))
        run_jobs(self.console, plan, self.store, None, self.options, workers)


def tune(
    console: Console, arguments: Arguments, config: StudyConfig, root: Path, effort: Effort, device: str
) -> Tuned:
    """Runs the grid of every method on the validation tasks; returns the best points, and files them.

    While some method's neighbouring points cannot be told apart, every method gets twice the env steps, up to
    what `effort` allows: more seeds of the same grid, none of what has run again.

    Raises:
        StudyError: There is nothing to tune, or the folder holds something else.
    """
    check_grid(config)
    store = Store(root)
    store.claim(config.identity, config.spec, {}, plugins.loaded())
    options = options_of(arguments, device)
    shop = Workshop(console=console, arguments=arguments, store=store, options=options, device=device)
    try:
        course = Course(replace(config, on_validation=True), ran=read_ledger(root))
        env_steps = effort.env_steps
        while True:
            seeds = seeds_by_method(config, env_steps)
            go_round(shop, course, seeds, effort.widenings)
            table = responses(course.config, course.plans, store)
            left = unsure(course.config, curves(course.config, table), effort.error)
            if not left or env_steps >= effort.most:
                return filed(console, course, store, env_steps, left)
            env_steps = min(2 * env_steps, effort.most)
            console.print(
                f"  neighbouring points cannot be told apart by {effort.error:g} yet: {', '.join(left)}; "
                f"{env_steps:,} env steps for every method",
                soft_wrap=True,
            )
    finally:
        store.close()


def go_round(shop: Workshop, course: Course, seeds: Mapping[str, int], widenings: int) -> None:
    """Runs every method's grid with so many seeds; an optimum at an edge widens an axis, so often at most."""
    for learns in (False, True):  # first what others start from
        mine = [m for m in tuned_arms(course.config) if (m.way.does == "learns") == learns]
        while mine:
            config = course.config
            own = {method.name: trials_of(config, method, seeds[method.name]) for method in mine}
            shop.run(own, course)
            course.plans |= own
            found = curves(config, responses(config, own, shop.store))
            wider = {axis: v for axis, v in widened(config, found).items() if v != config.grid[axis]}
            grown = {axis: v for axis, v in wider.items() if course.widenings[axis] < widenings}
            if not grown:
                course.config = replace(config, settings=settings_of(config, best_points(found)))
                break
            course.config = replace(config, grid={**config.grid, **grown})
            course.widenings.update(grown.keys())
            shop.console.print(f"  a best point lies at the edge: {said(course.config.grid)}")


def seeds_by_method(config: StudyConfig, env_steps: int) -> dict[str, int]:
    """Returns how many seeds of each method's grid fit into so many env steps.

    Raises:
        StudyError: They make more jobs than anybody could run.
    """
    arms = tuned_arms(config)
    found = {method.name: seeds_of(config, method, env_steps) for method in arms}
    size = sum(found[method.name] * len(trials_of(config, method, 1).jobs) for method in arms)
    if size > MAX_JOBS:
        raise StudyError(
            f"--env-steps {env_steps:,} make a grid of some {size:,} jobs, more than {MAX_JOBS:,}; give fewer"
        )
    return found


def check_grid(config: StudyConfig) -> None:
    """Raises StudyError where a study has no grid."""
    if not tuned_arms(config):
        raise StudyError(
            f"preset {config.preset} of {config.benchmark} has no grid to tune on; give one, as in "
            "--grid adapt.learning_rate=1e-3,5e-3"
        )


def run_tuning(arguments: Arguments, effort: Effort, axes: Sequence[str] = ()) -> int:
    """Tunes what the arguments ask for, each study by itself; returns the exit status.

    Raises:
        StudyError: There is no grid, or `axes` are none.
    """
    for name in OF_NO_TUNING:
        if getattr(arguments, name) not in (None, False):
            raise StudyError(
                f"`study tune` is the tuning itself and keeps what has run: --{name} means nothing to it; "
                "leave it out, or name another --output"
            )
    arguments, device = made_ready(arguments)
    for cache in arguments.cache or ():
        check_cache(cache)
    configs = resolve_all(arguments, default_preset="quick" if device == "cpu" else "small")
    for config in configs:
        if axes:
            config = replace(config, grid=read_grid(config, axes))
        root = folder_of(arguments, config, configs)
        if arguments.output is None:
            root = root.with_name(f"{root.name}-tuning")
        console = make_console(arguments)
        if arguments.dry_run:
            show(console, arguments, config, root, effort, device)
        else:
            tune(console, arguments, config, root, effort, device)
    return 0


def show(
    console: Console, arguments: Arguments, config: StudyConfig, root: Path, effort: Effort, device: str
) -> None:
    """Prints what the first grid takes, by a short measurement, and up to how much it may grow.

    Raises:
        StudyError: There is no grid.
    """
    check_grid(config)
    config = replace(config, on_validation=True)
    seeds = seeds_by_method(config, effort.env_steps)
    plan = merged([trials_of(config, method, seeds[method.name]) for method in tuned_arms(config)])
    finished = found_in([root, *(arguments.cache or ())], plan.jobs)
    estimate.show(console, config, plan, None, root, device, workers_of(arguments, device, plan), finished)
    console.print(
        f"          up to {effort.most / effort.env_steps:g} times as much until neighbouring points' "
        f"standard error is {effort.error:g}; more where an optimum lies at the edge, by at most "
        f"{plural(2 * effort.widenings, 'value')} an axis",
        soft_wrap=True,
    )


def filed(console: Console, course: Course, store: Store, env_steps: int, left: Sequence[str]) -> Tuned:
    """Writes the tables of the trials and what was chosen; returns the latter."""
    config = course.config
    table = responses(config, course.plans, store)
    found = curves(config, table)
    for name, one in zip(TABLES, (table, found, spent(course.ran, store)), strict=True):
        write_table(store.root / name, one)
    tuned = Tuned(
        grid=config.grid,
        settings=config.settings,
        chosen=best_points(found),
        env_steps=env_steps,
        unsure=tuple(left),
        edges=tuple(axis for axis, v in widened(config, found).items() if v != config.grid[axis]),
    )
    write_bytes(store.root / TUNED, canonical_json(asdict(tuned)).encode())
    for method, point in tuned.chosen.items():
        mine = found.filter(pl.col("method") == method)
        listed = ", ".join(f"{p or 'as it is'}: {m:.2f}" for p, m in mine.select("point", "mean").iter_rows())
        console.print(f"  {method}: {listed}; best {point}")
    if left:
        text = f"  at {env_steps:,} env steps a method still not told apart: {', '.join(left)}"
        console.print(text, soft_wrap=True)
    if tuned.edges:
        text = f"a best point still lies at the edge of {', '.join(tuned.edges)}"
        console.print(f"  {text}: tune again with a wider --grid", soft_wrap=True)
    return tuned


def said(grid: Mapping[str, tuple[float, ...]]) -> str:
    """Returns a grid in words."""
    return "; ".join(f"{axis} {', '.join(f'{v:g}' for v in values)}" for axis, values in grid.items())
