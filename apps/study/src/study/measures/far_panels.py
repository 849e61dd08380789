"""Figures of what agents keep and lose: FAR beside the new task, and what adapting costs each method."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import polars as pl
from fvm_eval.analysis.panel import Panel
from fvm_eval.curves import area_under_curve, pooled_curves, run_curves
from fvm_eval.report.figures.forgetting import beside, prices
from fvm_eval.statistics import mean_interval
from fvm_eval.statistics.intervals import Interval

from study.claims.arms import FAR_DROP
from study.measures.columns import RUN
from study.registry import Findings, Finished
from study.results.score_bounds import bounds_on

if TYPE_CHECKING:
    from study.config import StudyConfig

DRIFT = "drift/kl"  # metric of an adaptation: KL(new, pretrained) on the new task


def panels_of(
    finished: Finished, table: pl.DataFrame, found: Findings, window: tuple[int, int]
) -> list[Panel]:
    """Returns the figures of a study whose agents were asked about FAR.

    Args:
        finished: The study.
        table: As `far.table_of` gives it.
        found: What it comes to, FAR_DROP among its cells.
        window: Of env steps.
    """
    agents, config = table.filter(policy="agent"), finished.config
    bounds = bounds_on(config, table["begun"].unique())
    runs = run_curves(agents.select(*RUN, "env_step", "episode", "score"))
    old = pooled_curves(runs, score_bounds=bounds)
    teacher = float(table.filter(policy="teacher")["score"].to_numpy().mean())
    same = pl.col("task").is_in(agents["task"].unique().to_list())  # without the control's
    areas = area_under_curve(run_curves(finished.episodes.filter(same)), config.adapt.env_steps)
    gone = drifts(finished)
    paid = [
        ("Score lost on FAR", intervals(found.cells[FAR_DROP])),
        ("KL to the pretrained policy (nats)", intervals(gone.filter(same) if len(gone) else gone)),
        ("Env steps, looking back included", intervals(costs(finished))),
    ]
    low, high = window
    orders = tasks_by_order(config)
    several = (
        f"The new task has a panel for each order: {' and '.join(orders)}; old states are asked of agents "
        "that meet CLOSE first. "
        if len(orders) > 1
        else ""
    )
    return [
        Panel(
            name="far",
            heading="What agents still know while they adapt",
            caption="The new task: what they adapt to. Old states (FAR): what the pretrained agent knows and "
            f"fine-tuning does not visit at first. {several}Lines: means over seeds. Dashed: the pretrained "
            f"agents, not adapted. Shaded: env steps {low:,} to {high:,}, over which what is lost is "
            "averaged.",
            draw=partial(
                beside,
                old=old,
                window=window,
                teacher=teacher,
                new=orders if len(orders) > 1 else None,
            ),
        ),
        Panel(
            name="prices",
            heading="What adapting gains, and what it costs",
            caption="A point a method: the area under its adaptation curve against the score lost on FAR, "
            "the mean KL from the policy in training to the pretrained one on the new task, and the env "
            "steps of one adaptation. Bars: 95 % t intervals over checkpoints. Up and to the left is better.",
            draw=partial(prices, gained=intervals(areas), paid=[one for one in paid if one[1]]),
        ),
    ]


def tasks_by_order(config: StudyConfig) -> dict[str, list[str]]:
    """Returns the held-out tasks by what their episodes meet first, such as "CLOSE first"."""
    order = {} if config.far is None else config.far.order
    found: dict[str, list[str]] = {}
    for task in config.held_out:
        found.setdefault(f"{order.get(str(task), 'CLOSE')} first", []).append(config.task_id(task))
    return dict(sorted(found.items()))


def intervals(cells: pl.DataFrame) -> dict[str, Interval]:
    """Returns each method's mean with its interval, by method."""
    methods: list[str] = sorted(cells["method"].unique()) if len(cells) else []
    return {method: mean_interval(cells.filter(method=method)) for method in methods}


def drifts(finished: Finished) -> pl.DataFrame:
    """Returns cells of each adaptation's mean KL from the policy in training to the pretrained one."""
    metrics = finished.store.table(finished.adaptations, "metrics")
    told = metrics.filter(metric=DRIFT) if len(metrics) else metrics
    tasks = {(job.method, job.seed, job.checkpoint): job.spec["task"] for job in finished.adaptations}
    if told.is_empty():
        return told
    means = told.group_by("method", "fold", "seed", "checkpoint").agg(pl.col("value").mean())
    task = [tasks[key] for key in means.select("method", "seed", "checkpoint").iter_rows()]
    return means.with_columns(task=pl.Series(task)).select(*RUN, "value").sort(RUN)


def costs(finished: Finished) -> pl.DataFrame:
    """Returns cells of the env steps that each adaptation took, those on the pretraining's tasks included."""
    rows = []
    for job in finished.adaptations:
        spent = finished.store.note(job, "costs")
        steps = float(spent["env_steps"] + spent.get("retention_env_steps", 0))
        rows.append((job.method, job.fold, job.seed, job.checkpoint, job.spec["task"], steps))
    return pl.DataFrame(rows, schema=[*RUN, "value"], orient="row").sort(RUN)
