"""What demonstrations of the test task do: the score at the budget by their number, and the paper's figure.

The figure has a row for each number of demonstrations and a column for each held-out task, as figure 6 of
Mandi, Abbeel, James 2022. Its bands are over pretrainings by Korn and Graubard's limits for success rates
(runs, where nothing was pretrained).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import polars as pl
from fvm_eval.analysis.panel import Panel
from fvm_eval.claims import Precondition
from fvm_eval.curves import normalise, run_curves, value_at
from fvm_eval.report.figures import labels, panels, paper
from fvm_eval.report.method_styles import method_styles
from fvm_eval.statistics.bounded import korn_graubard_limits
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from study.claims.arms import BY_DEMOS, FLOOR_MARGIN, above_floor
from study.measures.columns import RUN
from study.methods import Row, counted
from study.registry import Findings, Finished, Measure

if TYPE_CHECKING:
    from fvm_eval.analysis import Analysis

CAPTION = (
    "Share of fresh episodes that frozen snapshots solve while they adapt, a row for each number of "
    "demonstrations of the test task. Bands: 95 % over pretrainings, for success rates."
)


def findings(finished: Finished) -> Findings:
    """Returns cells, whether anything is learned with each number of demonstrations, and the figure."""
    config = finished.config
    if not config.demos:
        return Findings()
    cells = value_at(run_curves(finished.episodes), config.adapt.env_steps).select(*RUN, "value").sort(RUN)
    rates = success(finished.episodes)
    drawn = []
    if rates is not None:
        draw = partial(by_demos, rates=rates)
        drawn = [Panel(name="by_demos", heading="By demonstrations and task", caption=CAPTION, draw=draw)]
    return Findings(
        cells={BY_DEMOS: cells},
        preconditions=[floor(cells, random_play(finished), demos) for demos in config.demos],
        panels=drawn,
    )


def random_play(finished: Finished) -> float:
    """Returns the normalised mean score of random play over the held-out tasks."""
    jobs = [job for job in finished.plan.jobs if job.kind == "baseline" and job.method == "random"]
    played = finished.store.table(jobs, "episodes").filter(pl.col("task").is_in(list(finished.ranges)))
    by_task = normalise(played, finished.ranges).group_by("task").agg(pl.col("score").mean())
    return float(by_task["score"].to_numpy().mean())


def floor(cells: pl.DataFrame, random: float, demos: int) -> Precondition:
    """Returns whether the best mean of any method with so many demonstrations is far enough from chance."""
    means = {
        str(method): float(mine.group_by("task").agg(pl.col("value").mean())["value"].to_numpy().mean())
        for (method,), mine in cells.group_by("method", maintain_order=True)
        if Row.parse(str(method)).demos == demos
    }
    if not means:
        return Precondition(above_floor(demos), None, "no such row")
    best = max(means, key=lambda method: means[method])
    reason = f"best {means[best]:.2f} of {Row.parse(best).method}, random play {random:.2f}"
    return Precondition(above_floor(demos), means[best] - random >= FLOOR_MARGIN, reason)


def success(episodes: pl.DataFrame) -> pl.DataFrame | None:
    """Returns method, task, env_step, value, low, high of success rates; None for scores of another kind.

    The limits are over checkpoints, each with as many episodes.
    """
    if not episodes["score"].is_in([0.0, 1.0]).all():
        return None
    place = ["method", "task", "env_step"]
    shares = episodes.group_by(*place, "fold", "seed", "checkpoint").agg(
        share=pl.col("score").mean(), episodes=pl.len()
    )
    rows = []
    for (method, task, step), mine in shares.sort([*RUN, "env_step"]).group_by(place, maintain_order=True):
        each = mine["share"].to_numpy()
        low = high = None  # one pretraining says nothing of others
        if len(each) > 1:
            low, high = korn_graubard_limits(
                float(each.mean()),
                float(each.var(ddof=1) / len(each)),
                episodes=int(mine["episodes"].sum()),
                clusters=len(each),
            )
        rows.append((method, task, step, float(each.mean()), low, high))
    schema: dict[str, type[pl.DataType]] = {"method": pl.String, "task": pl.String, "env_step": pl.Int64}
    schema |= dict.fromkeys(("value", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def by_demos(analysis: Analysis, narrow: bool, *, rates: pl.DataFrame) -> Figure:
    """Returns success while adapting: a row for each number of demonstrations, a column for each task."""
    study, styles = analysis.study, method_styles(analysis.study)
    tasks = study.tasks
    demos = sorted({row.demos for row in map(Row.parse, study.methods) if row.demos is not None})
    families = list(dict.fromkeys(study.family(method) for method in study.methods))
    if narrow and len(tasks) > 2:  # a phone shows one task below the other, demonstrations side by side
        places = [(number, task) for task in tasks for number in demos]
        columns = len(demos)
    else:
        places = [(number, task) for number in demos for task in tasks]
        columns = len(tasks)
    lines = len(places) // columns
    width = paper.NARROW if narrow else paper.WIDE
    height = 1.75 * lines + 0.5 + labels.legend_height(len(families), narrow)
    figure = Figure(figsize=(width, height), layout="constrained")
    drawn = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for index, ((number, task), axes) in enumerate(zip(places, drawn.flat, strict=True)):
        for method in (name for name in study.methods if Row.parse(name).demos == number):
            mine, style = rates.filter(method=method, task=task), styles[method]
            x = mine["env_step"].to_list()
            axes.plot(
                x, mine["value"], color=style.colour, linestyle=style.linestyle, marker=style.marker, ms=4
            )
            panels.band(axes, x, mine, style, float)
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.set_xticks([analysis.steps[0], analysis.steps[-1]])
        name = labels.short(task, tasks) if len(tasks) > 1 else task.rsplit("/", 1)[-1]
        first, left = index < columns, index % columns == 0
        by_task = columns == len(tasks) and not (narrow and len(tasks) > 2)
        if by_task:
            axes.set_title(labels.wrapped(name, 20) if first else "", fontsize=9)
            axes.set_ylabel(counted(number, "demo") if left else "", color=paper.INK)
        else:
            axes.set_title(counted(number, "demo") if first else "", fontsize=9)
            axes.set_ylabel(labels.wrapped(name, 14) if left else "", color=paper.INK, fontsize=9)
    labels.legend(figure, analysis, study.methods, narrow)
    figure.supxlabel("Env steps of adaptation", fontsize=9, color=paper.MUTED)
    return figure


DEMONSTRATED = Measure(name="demonstrated", findings=findings)
