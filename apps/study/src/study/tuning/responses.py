"""Tuning by a grid: each arm's score against its settings, on validation tasks, at equal tuning env steps.

Every arm gets as many seeds as its grid fits into the same number of env steps, its pretraining included; an
arm whose grid takes more than that has one. Arms that take gradients on the test task share their grid, and
an optimum at its edge widens it for all of them. Seeds and validation tasks are no study's. Jobs are a plan
like any other, in a store of their own: what was tried is what ran.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl
from fvm_eval.curves import normalise

from study.config import Settings, StudyConfig
from study.folder.store import Store
from study.jobs.environments import score_range_of
from study.methods import Method, Row
from study.plan import Plan, make_plan
from study.tuning.grid import ADAPT, Point, at_point, axes_of, points_of

FLAT = 0.02  # of the score range
LEAST_SEEDS = 3  # of a point: the standard error of fewer is luck
FIRST_SEED = 2_000_000  # of the tuning's seeds; those of random trials begin at 1,000,000


def tuned_arms(config: StudyConfig) -> list[Method]:
    """Returns the methods that have a grid of their own, those first from whose pretraining others start.

    A control differs from its method in nothing else: it takes over what was chosen for that.
    """
    methods = [method for method in map(Method.parse, config.methods) if axes_of(config, method)]
    own = [method for method in methods if method.way.does == "learns" or not method.kind.variant_of]
    return sorted(own, key=lambda method: method.way.does == "learns")


def seeds_of(config: StudyConfig, method: Method, env_steps: int) -> int:
    """Returns how many seeds of a method's grid fit into so many env steps; one where none does."""
    return max(1, env_steps // trials_of(config, method, 1).env_steps)


def trials_of(config: StudyConfig, method: Method, seeds: int) -> Plan:
    """Returns the trainings of one method's grid on validation tasks."""
    mine = replace(
        config,
        methods=(method.name,),
        on_validation=True,
        first_seed=FIRST_SEED,
        seeds=seeds,
        looks=(),
        chosen={},
    )
    plan = make_plan(mine)
    return Plan(jobs=tuple(job for job in plan.jobs if job.budget_env_steps), folds=plan.folds)


def merged(plans: Sequence[Plan]) -> Plan:
    """Returns the jobs of several plans, each once, parents first."""
    jobs = {job.key: job for plan in plans for job in plan.jobs}
    folds = {name: fold for plan in plans for name, fold in plan.folds.items()}
    ordered = sorted(jobs.values(), key=lambda job: (job.seed, job.kind == ADAPT))
    return Plan(jobs=tuple(ordered), folds=folds)


def responses(config: StudyConfig, plans: Mapping[str, Plan], store: Store) -> pl.DataFrame:
    """Returns method, point, seed, task, value, episodes: normalised values at budget, by point and run."""
    found = []
    for name, plan in plans.items():
        table = store.table([job for job in plan.jobs if job.kind == ADAPT], "episodes")
        last = table.filter(pl.col("env_step") == config.adapt.env_steps)
        ranges = {task: score_range_of(config.benchmark, task) for task in last["task"].unique()}
        points = pl.col("method").map_elements(lambda row: Row.parse(row).point, return_dtype=pl.String)
        runs = normalise(last, ranges).with_columns(point=points, method=pl.lit(name))
        key = ["method", "point", "seed", "task"]
        found.append(runs.group_by(key).agg(value=pl.col("score").mean(), episodes=pl.len()).sort(key))
    return pl.concat(found)


def curves(config: StudyConfig, table: pl.DataFrame) -> pl.DataFrame:
    """Returns a row for each point: method, point, its axes, mean, seeds, env steps; in the grid's order.

    `se_to_next` is the largest standard error of a difference to the next point along an axis, paired by
    seed; null where there is one seed, or no next point.
    """
    rows: list[dict[str, Any]] = []
    played = set(table["method"])
    for method in tuned_arms(config):
        if method.name not in played:
            continue
        mine = table.filter(pl.col("method") == method.name)
        by_seed = mine.group_by("point", "seed", maintain_order=True).agg(pl.col("value").mean())
        points = points_of(config, method)
        after = next_points(points)
        for point in points:
            here = by_seed.filter(pl.col("point") == point.name)
            errors = []
            for other in after[point.name]:
                both = here.join(by_seed.filter(pl.col("point") == other), on="seed")
                gaps = (both["value"] - both["value_right"]).to_numpy()
                errors.append(None if len(gaps) < 2 else float(gaps.std(ddof=1)) / len(gaps) ** 0.5)
            known = [error for error in errors if error is not None]
            se = max(known) if known and len(known) == len(errors) else None
            mean = here["value"].mean()
            rows.append(
                {
                    "method": method.name,
                    "point": point.name,
                    **dict.fromkeys(config.grid),
                    **point.values,
                    "mean": mean,
                    "seeds": len(here),
                    "se_to_next": se,
                }
            )
    schema = {"method": pl.String, "point": pl.String, **dict.fromkeys(config.grid, pl.Float64)}
    return pl.DataFrame(
        rows, schema={**schema, "mean": pl.Float64, "seeds": pl.Int64, "se_to_next": pl.Float64}
    )


def next_points(points: Sequence[Point]) -> dict[str, list[str]]:
    """Returns by point those that have the next larger value of one axis, and are else the same."""
    by_values = {tuple(sorted(point.values.items())): point.name for point in points}
    found: dict[str, list[str]] = {point.name: [] for point in points}
    for point in points:
        for axis, value in point.values.items():
            if larger := [other.values[axis] for other in points if other.values[axis] > value]:
                after = {**point.values, axis: min(larger)}
                found[point.name].append(by_values[tuple(sorted(after.items()))])
    return found


def unsure(config: StudyConfig, found: pl.DataFrame, error: float) -> list[str]:
    """Returns the methods of whose neighbouring points some cannot be told apart.

    A standard error larger than `error` is one reason, fewer than `LEAST_SEEDS` seeds are another.
    """
    left = []
    for method in tuned_arms(config):
        mine = found.filter(pl.col("method") == method.name)
        if len(mine) > 1:
            widest = mine["se_to_next"].max()
            few = int(mine["seeds"].min()) < LEAST_SEEDS  # type: ignore[arg-type]
            if few or widest is None or float(widest) > error:  # type: ignore[arg-type]
                left.append(method.name)
    return left


def best_points(found: pl.DataFrame) -> dict[str, str]:
    """Returns by method the point with the highest mean; the first of several."""
    best: dict[str, tuple[float, str]] = {}
    for method, point, mean in found.select("method", "point", "mean").iter_rows():
        if method not in best or mean > best[method][0]:
            best[method] = mean, point
    return {method: point for method, (_, point) in best.items()}


def widened(config: StudyConfig, found: pl.DataFrame) -> dict[str, tuple[float, ...]]:
    """Returns the grid, one value longer at each end at which some method has its optimum; else the same.

    A plateau that reaches an edge is no optimum there: the edge must beat all that lies within by more than
    `FLAT`. The new value lies as far from the edge as its neighbour, by ratio.
    """
    grid = dict(config.grid)
    for axis, values in config.grid.items():
        if len(values) < 2:
            continue
        along = found.drop_nulls(axis).group_by("method", axis).agg(pl.col("mean").max())
        at = set()
        for edge in (values[0], values[-1]):
            there = along.filter(pl.col(axis) == edge).select("method", there="mean")
            inner = values[1:-1] or tuple(value for value in values if value != edge)
            best = along.filter(pl.col(axis).is_in(inner)).group_by("method").agg(pl.col("mean").max())
            if len(there.join(best, on="method").filter(pl.col("there") > pl.col("mean") + FLAT)):
                at.add(edge)
        low = _beyond(values[0], values[1]) if values[0] in at else ()
        high = _beyond(values[-1], values[-2]) if values[-1] in at else ()
        grid[axis] = (*low, *values, *high)
    return grid


def _beyond(edge: float, neighbour: float) -> tuple[float, ...]:
    """Returns the value as far from an edge as its neighbour, by ratio; none beyond 0."""
    if edge <= 0:
        return ()
    value = type(edge)(float(f"{edge**2 / neighbour if neighbour > 0 else 2 * edge:.2g}"))
    return () if value in (0, edge) else (value,)


def settings_of(config: StudyConfig, chosen: Mapping[str, str]) -> dict[str, Settings]:
    """Returns the settings of those pretrainings whose own were chosen, as RL2's meta-training rate is."""
    settings = dict(config.settings)
    for method in tuned_arms(config):
        if method.way.does == "learns" or method.name not in chosen:
            continue
        point = next(one for one in points_of(config, method) if one.name == chosen[method.name])
        tuned = at_point(config, method, point).settings[method.pretraining]
        settings[method.pretraining] = tuned
        for name, kind in config.settings.items():  # its control differs in nothing else
            if Method.parse(name).kind.variant_of == method.pretraining and Method.parse(name).kind.lifetimes:
                settings[name] = replace(kind, learner=tuned.learner, pretrain=tuned.pretrain)
    return settings


def spent(plans: Mapping[str, Plan], store: Store) -> pl.DataFrame:
    """Returns a row for each finished training of each method's trials, counted by its envs.

    Columns method, point, kind, seed, env_steps, updates, tasks: those on which it was scored. In an order
    that does not depend on when what was asked for.
    """
    rows = []
    for name, plan in sorted(plans.items()):
        for job in sorted(plan.jobs, key=lambda job: (job.seed, job.kind == ADAPT, job.method, job.key)):
            if store.done(job):
                costs = store.note(job, "costs")
                counted = int(costs["env_steps"]), int(costs["updates"])
                scored = [str(job.spec["task"])] if job.kind == ADAPT else []
                rows.append((name, Row.parse(job.method).point, job.kind, job.seed, *counted, scored))
    texts = dict.fromkeys(("method", "point", "kind"), pl.String)
    counts = dict.fromkeys(("seed", "env_steps", "updates"), pl.Int64)
    return pl.DataFrame(rows, schema={**texts, **counts, "tasks": pl.List(pl.String)}, orient="row")
