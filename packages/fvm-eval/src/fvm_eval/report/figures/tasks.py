"""Adaptation curves task by task."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import polars as pl
from matplotlib.figure import Figure

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.report.families import methods_of
from fvm_eval.report.figures import labels, paper
from fvm_eval.report.figures.multiples import Line, Panel, multiples
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
    study = analysis.study
    tasks, methods = study.tasks[:MAX_TASKS], methods or methods_of(study, size)
    columns = min(2 if narrow else 5, len(tasks))
    if not narrow and 5 < len(tasks) < 9:  # two even rows
        columns = math.ceil(len(tasks) / 2)
    lines = _lines(analysis, methods)
    figure = multiples(
        [
            Panel(
                labels.short(task, tasks),
                [line for method in methods for line in lines[method, task]],
                analysis.scale.value(analysis.best[task]) if task in analysis.best else None,
            )
            for task in tasks
        ],
        columns=columns,
        width=paper.NARROW if narrow else paper.WIDE,
        row=1.5 if narrow else 1.6,
        above=labels.legend_room(analysis, methods, narrow),
        steps={step: labels.steps_text(step) for step in (analysis.steps[0], analysis.steps[-1])},
        names=("Env steps of adaptation" if study.adaptation else "Env steps", analysis.scale.label),
    )
    labels.legend(figure, analysis, methods, narrow, markers=False)
    return figure


def _lines(analysis: Analysis, methods: Sequence[str]) -> dict[tuple[str, str], list[Line]]:
    """Returns the lines of each method and task: single runs where they are few, over them their mean."""
    few = len(methods) * analysis.study.episodes["seed"].n_unique() <= MAX_RUNS
    styles, shown = method_styles(analysis.study), analysis.scale.value
    mine = analysis.runs.filter(pl.col("method").is_in(list(methods)))
    lines: dict[tuple[str, str], list[Line]] = defaultdict(list)
    key = ["method", "task"]
    if few:
        for run in mine.partition_by(*key, "fold", "checkpoint", "seed"):
            method, task = run.row(0, named=True)["method"], run.row(0, named=True)["task"]
            values = [shown(v) for v in run["value"]]
            thin = Line(run["env_step"].to_list(), values, styles[method].colour, width=0.7, alpha=0.45)
            lines[method, task].append(thin)
    means = mine.group_by(*key, "env_step").agg(pl.col("value").mean()).sort(*key, "env_step")
    for (method, task), mean in means.group_by(key, maintain_order=True):
        style, values = styles[str(method)], [shown(v) for v in mean["value"]]
        line = Line(mean["env_step"].to_list(), values, style.colour, style.linestyle)
        lines[str(method), str(task)].append(line)
    return lines
