"""Adaptation curves task by task."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.report.families import methods_of
from fvm_eval.report.figures import labels, paper
from fvm_eval.report.method_styles import method_styles

MAX_TASKS, MAX_RUNS = 24, 12


def by_task(
    analysis: Analysis, narrow: bool, *, size: int | None = None, methods: Sequence[str] = ()
) -> Figure:
    """Returns small multiples: each held-out task's curves of some methods, best scores dotted.

    Thin lines are checkpoints, where there are few.

    Args:
        analysis: Of the study.
        narrow: For a phone.
        size: Of the training set, whose methods are drawn unless some are named.
        methods: To draw.
    """
    tasks, methods = analysis.study.tasks[:MAX_TASKS], methods or methods_of(analysis.study, size)
    few = len(methods) * analysis.study.episodes["seed"].n_unique() <= MAX_RUNS
    columns = min(2 if narrow else 5, len(tasks))
    if not narrow and 5 < len(tasks) < 9:  # two even rows
        columns = math.ceil(len(tasks) / 2)
    rows = math.ceil(len(tasks) / columns)
    height = (1.5 if narrow else 1.6) * rows + 0.5 + labels.legend_height(len(methods), narrow)
    figure = Figure(figsize=(paper.NARROW if narrow else paper.WIDE, height), layout="constrained")
    drawn = figure.subplots(rows, columns, squeeze=False)
    points = analysis.runs.group_by("method", "task", "env_step").agg(pl.col("value").mean())
    means = points.sort("method", "task", "env_step").partition_by("method", "task", as_dict=True)
    single: dict[tuple[str, str], list[pl.DataFrame]] = defaultdict(list)
    if few:
        for run in analysis.runs.partition_by("method", "task", "fold", "checkpoint", "seed"):
            single[run["method"][0], run["task"][0]].append(run)
    for axes in drawn.flat[len(tasks) :]:
        axes.set_axis_off()
    styles = method_styles(analysis.study)
    for task, axes in zip(tasks, drawn.flat, strict=False):
        for method in methods:
            style = styles[method]
            for run in single.get((method, task), ()):
                values = [analysis.scale.value(v) for v in run["value"]]
                axes.plot(run["env_step"], values, color=style.colour, linewidth=0.7, alpha=0.45)
            mean = means.get((method, task), points.clear())
            values = [analysis.scale.value(v) for v in mean["value"]]
            axes.plot(mean["env_step"], values, color=style.colour, linestyle=style.linestyle, linewidth=1.6)
        if task in analysis.best:
            labels.Reference(analysis.scale.value(analysis.best[task]), "", best=True).draw(axes)
        axes.set_title(labels.short(task, tasks), fontsize=9)
    _share(list(drawn.flat[: len(tasks)]), columns, [analysis.steps[0], analysis.steps[-1]])
    labels.legend(figure, analysis, methods, narrow, markers=False)
    figure.supxlabel(
        "Env steps of adaptation" if analysis.study.adaptation else "Env steps", fontsize=9, color=paper.MUTED
    )
    figure.supylabel(analysis.scale.label, fontsize=9, color=paper.MUTED)
    return figure


def _share(panels: Sequence[Axes], columns: int, steps: Sequence[int]) -> None:
    """Gives panels the same limits and ticks, written at the left and at the bottom of each column.

    Matplotlib's own sharing asks all panels about each of them, which takes as long as drawing them.
    """
    low = min(axes.get_ylim()[0] for axes in panels)
    high = max(axes.get_ylim()[1] for axes in panels)
    ticks = [tick for tick in MaxNLocator(3).tick_values(low, high) if low <= tick <= high]
    span = min(axes.get_xlim()[0] for axes in panels), max(axes.get_xlim()[1] for axes in panels)
    for place, axes in enumerate(panels):
        axes.set_xlim(*span)
        axes.set_ylim(low, high)
        axes.set_xticks(steps, [labels.steps_text(step) for step in steps])
        axes.set_yticks(ticks, [labels.plain(tick) for tick in ticks])
        bottom = place + columns >= len(panels)
        axes.tick_params(labelsize=8, labelleft=place % columns == 0, labelbottom=bottom)
