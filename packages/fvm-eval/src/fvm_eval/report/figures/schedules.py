"""Reptile's sensitivity to its step size schedule."""

from __future__ import annotations

from matplotlib.figure import Figure

from fvm_eval.report.analysis import Analysis
from fvm_eval.report.figures import panels
from fvm_eval.report.figures.panels import MUTED
from fvm_eval.report.looks import family_label, methods_of, sizes
from fvm_eval.results import AREA, MULTITASK, SCRATCH, ZERO_SHOT


def schedules(analysis: Analysis, narrow: bool) -> Figure:
    """Returns value at budget and area by schedule with 95 % intervals; multi-task and scratch as lines.

    Hollow marks are zero-shot scores.
    """
    study, shown = analysis.study, analysis.scale.value
    groups = [
        (size, [m for m in methods_of(study, size) if m in study.eps_schedules]) for size in sizes(study)
    ]
    groups = [(size, arms) for size, arms in groups if arms]
    by_name = {summary.name: summary for summary in analysis.summaries}
    columns = [analysis.summaries[0], *(by_name[name] for name in (AREA,) if name in by_name)]
    most = max(len(arms) for _, arms in groups)
    height = len(groups) * (0.55 + 0.42 * most) + 0.6
    figure = Figure(figsize=(panels.NARROW if narrow else panels.WIDE, height), layout="constrained")
    grid = figure.subplots(len(groups), len(columns), sharex=True, squeeze=False)
    for row, (size, arms) in zip(grid, groups, strict=True):
        for axes, summary in zip(row, columns, strict=True):
            for place, arm in enumerate(arms):
                look = analysis.looks[arm]
                panels.dot(axes, place, look, summary.fixed[arm], shown)
                if ZERO_SHOT in by_name and summary is columns[0]:
                    start = shown(by_name[ZERO_SHOT].fixed[arm].mean)
                    axes.plot(
                        [start],
                        [place],
                        look.marker,
                        markersize=5,
                        markeredgecolor=look.colour,
                        markerfacecolor="none",
                        alpha=0.8,
                    )
            for method in methods_of(study, size):
                if study.family(method) in (SCRATCH, MULTITASK):
                    look, interval = analysis.looks[method], summary.fixed[method]
                    axes.axvline(shown(interval.mean), color=look.colour, linewidth=1.4, zorder=1)
                    if interval.low is not None and interval.high is not None:
                        axes.axvspan(
                            shown(interval.low),
                            shown(interval.high),
                            color=look.colour,
                            alpha=0.13,
                            linewidth=0,
                        )
            names = [
                f"{family_label(study, arm)}\n{schedule_name(*study.eps_schedules[arm])}" for arm in arms
            ]
            panels.rows_of_names(axes, names if axes is row[0] else [""] * len(names))
            title = (
                summary.name
                if size is None
                else f"{summary.name}, {size:,}"
                if narrow
                else f"{summary.name}, {size:,} training tasks"
            )
            axes.set_title(title, fontsize=9 if narrow else 10)
    figure.supxlabel(analysis.scale.label, fontsize=10, color=MUTED)
    references = [m for m in study.methods if study.family(m) in (SCRATCH, MULTITASK)]
    if references:
        panels.legend(figure, analysis, references, narrow, markers=False)
    return figure


def schedule_name(start: float, end: float) -> str:
    """Returns a schedule as in "ε 0.9 → 1"."""
    return f"ε {start:g} → {end:g}" if start != end else f"ε {start:g}"
