"""`study tune`: the course of tuning by a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
from rich.console import Console

from study import plugins
from study.arguments import Arguments
from study.config import StudyConfig
from study.engines.schedule import RunOptions
from study.errors import StudyError
from study.files import canonical_json, write_bytes
from study.grid import read_grid
from study.plan import Plan
from study.plan_file import PlanFile, write_plan
from study.resolve import resolve_all
from study.resources import options_of, workers_of
from study.responses import (
    best_points,
    curves,
    merged,
    responses,
    seeds_of,
    settings_of,
    spent,
    trials_of,
    tuned_arms,
    widened,
)
from study.run import folder_of, made_ready, make_console
from study.run_jobs import run_jobs
from study.store import Store, write_table
from study.tuned import TABLES, TUNED, Tuned

MOST_WIDENINGS = 2


def tune(
    console: Console, arguments: Arguments, config: StudyConfig, root: Path, env_steps: int, device: str
) -> Tuned:
    """Runs the grid of every method on the validation tasks; returns the best points, and files them.

    Raises:
        StudyError: There is nothing to tune, or the folder holds something else.
    """
    if not tuned_arms(config):
        raise StudyError(
            f"preset {config.preset} of {config.benchmark} has no grid to tune on; give one, as in "
            "--grid adapt.learning_rate=1e-3,5e-3"
        )
    options = options_of(arguments, device)
    store = Store(root)
    store.claim(config.identity, config.spec, {}, plugins.loaded())
    config = replace(config, on_validation=True)
    try:
        plans: dict[str, Plan] = {}
        seeds = {method.name: seeds_of(config, method, env_steps) for method in tuned_arms(config)}
        for learns in (False, True):  # first what others start from
            mine = [m for m in tuned_arms(config) if (m.way.does == "learns") == learns]
            for more in reversed(range(1 + MOST_WIDENINGS) if mine else ()):
                plans |= {method.name: trials_of(config, method, seeds[method.name]) for method in mine}
                run_plan(console, arguments, merged(list(plans.values())), store, options, device)
                own = {method.name: plans[method.name] for method in mine}
                found = curves(config, responses(config, own, store))
                grid = widened(config, found)
                if grid == dict(config.grid) or not more:
                    config = replace(config, settings=settings_of(config, best_points(found)))
                    break
                console.print(f"  a best point lies at the edge: {said(grid)}")
                config = replace(config, grid=grid)
        return filed(console, config, plans, store)
    finally:
        store.close()


def run_tuning(arguments: Arguments, env_steps: int, axes: Sequence[str] = ()) -> int:
    """Tunes what the arguments ask for, each study by itself; returns the exit status.

    Raises:
        StudyError: There is no grid, or `axes` are none.
    """
    arguments, device = made_ready(arguments)
    configs = resolve_all(arguments, default_preset="quick" if device == "cpu" else "small")
    for config in configs:
        if axes:
            config = replace(config, grid=read_grid(config, axes))
        root = folder_of(arguments, config, configs)
        if arguments.output is None:
            root = root.with_name(f"{root.name}-tuning")
        tune(make_console(arguments), arguments, config, root, env_steps, device)
    return 0


def run_plan(
    console: Console, arguments: Arguments, plan: Plan, store: Store, options: RunOptions, device: str
) -> None:
    """Runs what is missing of a plan of trials."""
    workers = workers_of(arguments, device, plan)
    console.print(f"tuning: {len(plan.jobs)} jobs, {plan.env_steps:,} env steps, results in {store.root}")
    write_plan(store.root, PlanFile(jobs=plan.jobs, checkpoint_every_s=options.checkpoint_every_s))
    run_jobs(console, plan, store, None, options, workers)


def filed(console: Console, config: StudyConfig, plans: Mapping[str, Plan], store: Store) -> Tuned:
    """Writes the tables of the trials and what was chosen; returns the latter."""
    table = responses(config, plans, store)
    found = curves(config, table)
    for name, one in zip(TABLES, (table, found, spent(plans, store)), strict=True):
        write_table(store.root / name, one)
    tuned = Tuned(grid=config.grid, settings=config.settings, chosen=best_points(found))
    write_bytes(store.root / TUNED, canonical_json(asdict(tuned)).encode())
    for method, point in tuned.chosen.items():
        mine = found.filter(pl.col("method") == method)
        listed = ", ".join(f"{p or 'as it is'}: {m:.2f}" for p, m in mine.select("point", "mean").iter_rows())
        console.print(f"  {method}: {listed}; best {point}")
    return tuned


def said(grid: Mapping[str, tuple[float, ...]]) -> str:
    """Returns a grid in words."""
    return "; ".join(f"{axis} {', '.join(f'{v:g}' for v in values)}" for axis, values in grid.items())
