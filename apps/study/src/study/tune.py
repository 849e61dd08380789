"""`study tune`: the course of tuning by a grid, and what a study takes over from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from study import plugins
from study.arguments import Arguments
from study.config import Settings, StudyConfig
from study.engines.schedule import RunOptions
from study.errors import StudyError
from study.evidence import SHIPPED
from study.files import canonical_json, read_json, write_bytes
from study.plan import Plan
from study.plan_file import PlanFile, write_plan
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
from study.store import Store, write_table

TUNED = "tuned.json"
TABLES = ("responses.parquet", "curves.parquet", "spent.parquet")
MOST_WIDENINGS = 2


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What a study takes over from its tuning.

    Attributes:
        grid: Its axes, as far as they were widened.
        settings: Of pretrainings whose own settings were chosen.
        chosen: By method, its best point.
    """

    grid: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    settings: Mapping[str, Settings] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)


def tune(
    console: Console, arguments: Arguments, config: StudyConfig, root: Path, env_steps: int, device: str
) -> Tuned:
    """Runs the grid of every method on the validation tasks; returns the best points, and files them.

    Raises:
        StudyError: There is nothing to tune, or the folder holds something else.
    """
    if not tuned_arms(config):
        raise StudyError(f"preset {config.preset} of {config.benchmark} has no grid to tune on")
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


def run_tuning(arguments: Arguments, env_steps: int) -> int:
    """Tunes what the arguments ask for, each study by itself; returns the exit status."""
    from study.resolve import resolve_all
    from study.run import folder_of, made_ready, make_console

    arguments, device = made_ready(arguments)
    configs = resolve_all(arguments, default_preset="quick" if device == "cpu" else "small")
    for config in configs:
        root = folder_of(arguments, config, configs)
        if arguments.output is None:
            root = root.with_name(f"{root.name}-tuning")
        tune(make_console(arguments), arguments, config, root, env_steps, device)
    return 0


def run_plan(
    console: Console, arguments: Arguments, plan: Plan, store: Store, options: RunOptions, device: str
) -> None:
    """Runs what is missing of a plan of trials."""
    from study.run_jobs import run_jobs

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


def read_tuned(folder: Path) -> Tuned:
    """Returns what a tuning chose.

    Raises:
        StudyError: There is none in the folder.
    """
    try:
        value: Any = read_json(folder / TUNED)
        settings = {name: Settings(**own) for name, own in value["settings"].items()}
        grid = {axis: tuple(values) for axis, values in value["grid"].items()}
        return Tuned(grid=grid, settings=settings, chosen=dict(value["chosen"]))
    except FileNotFoundError:
        raise StudyError(f"{folder} holds no finished tuning; run `study tune` first") from None
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise StudyError(f"{folder / TUNED} is damaged ({error}); run `study tune` again") from None


def with_tuned(config: StudyConfig, folder: Path) -> StudyConfig:
    """Returns a study with the grid, settings and choices of its tuning.

    Axes of a pretraining are settled by the tuning; those of adaptation stay rows of the study.
    """
    tuned = read_tuned(folder)
    grid = {axis: values for axis, values in tuned.grid.items() if axis.startswith("adapt.")}
    return replace(config, grid=grid, settings=tuned.settings, chosen=tuned.chosen)


def tuning_folder(folder: Path, family: str) -> Path:
    """Returns where the tuning of a family lies in a folder of several, or the folder itself."""
    within = folder / family.rsplit("/", 1)[-1]
    return within if (within / TUNED).is_file() else folder


def ship(folder: Path, root: Path) -> None:
    """Copies the tables of a tuning into a study's folder, where its report reads them."""
    (root / SHIPPED).mkdir(parents=True, exist_ok=True)
    for name in (TUNED, *TABLES):
        shutil.copyfile(folder / name, root / SHIPPED / name)
