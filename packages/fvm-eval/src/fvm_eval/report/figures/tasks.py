"""Adaptation curves task by task."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

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
    drawn = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    means = analysis.runs.group_by("method", "task", "env_step").agg(pl.col("value").mean())
    means = means.sort("method", "task", "env_step")
    for axes in drawn.flat[len(tasks) :]:
        axes.set_axis_off()
    styles = method_styles(analysis.study)
    for task, axes in zip(tasks, drawn.flat, strict=False):
        for method in methods:
            style, mine = styles[method], (pl.col("method") == method, pl.col("task") == task)
            runs = analysis.runs.filter(*mine) if few else analysis.runs.clear()
            for _, run in runs.group_by("fold", "checkpoint", "seed", maintain_order=True):
                values = [analysis.scale.value(v) for v in run["value"]]
                axes.plot(run["env_step"], values, color=style.colour, linewidth=0.7, alpha=0.45)
            mean = means.filter(*mine)
            values = [analysis.scale.value(v) for v in mean["value"]]
            axes.plot(mean["env_step"], values, color=style.colour, linestyle=style.linestyle, linewidth=1.6)
        if task in analysis.best:
            labels.Reference(analysis.scale.value(analysis.best[task]), "", best=True).draw(axes)
        axes.set_title(labels.short(task, tasks), fontsize=9)
        axes.tick_params(labelsize=8)
        axes.set_xticks([analysis.steps[0], analysis.steps[-1]])
        axes.xaxis.set_major_formatter(FuncFormatter(labels.steps_text))
        axes.yaxis.set_major_locator(MaxNLocator(3))
    labels.legend(figure, analysis, methods, narrow, markers=False)
    figure.supxlabel(
        "Env steps of adaptation" if analysis.study.adaptation else "Env steps", fontsize=9, color=paper.MUTED
    )
    figure.supylabel(analysis.scale.label, fontsize=9, color=paper.MUTED)
    return figure
