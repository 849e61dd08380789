"""Sensitivity to a step size schedule."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.analysis.study_results import AREA, ZERO_SHOT
from fvm_eval.analysis.summaries import Summary
from fvm_eval.naming import plural
from fvm_eval.report.families import family_label, methods_of, sizes
from fvm_eval.report.figures import labels, panels, paper
from fvm_eval.report.figures.paper import MUTED
from fvm_eval.report.method_styles import method_styles


def schedules(analysis: Analysis, narrow: bool) -> Figure:
    """Returns value at budget and area by schedule with 95 % intervals; references as lines.

    Hollow marks are zero-shot scores.
    """
    study = analysis.study
    groups = [
        (size, [m for m in methods_of(study, size) if m in study.eps_schedules]) for size in sizes(study)
    ]
    groups = [(size, arms) for size, arms in groups if arms]
    by_name = {summary.name: summary for summary in analysis.summaries}
    columns = [analysis.summaries[0], *(by_name[name] for name in (AREA,) if name in by_name)]
    cells = [(size, arms, summary) for size, arms in groups for summary in columns]
    shape = (len(cells), 1) if narrow else (len(groups), len(columns))
    most = max(len(arms) for _, arms in groups)
    height = shape[0] * ((0.75 + 0.6 * most) if narrow else (0.55 + 0.45 * most)) + 0.6
    figure = Figure(figsize=(paper.NARROW if narrow else paper.WIDE, height), layout="constrained")
    drawn = list(figure.subplots(*shape, sharex=True, squeeze=False).flat)
    for axes, (size, arms, summary) in zip(drawn, cells, strict=True):
        _schedules(axes, analysis, arms, summary)
        for method in methods_of(study, size):
            if study.family(method) in study.references:
                _reference(axes, analysis, method, summary)
        names = [
            f"{labels.wrapped(family_label(study, arm), 18 if narrow else 30)}\n"
            f"{schedule_name(*study.eps_schedules[arm])}"
            for arm in arms
        ]
        panels.rows_of_names(axes, names if axes in panels.left(drawn, narrow) else [""] * len(names))
        axes.xaxis.set_major_formatter(labels.plain)
        at = f", {plural(size, 'task')}" if size and len(groups) > 1 else ""
        axes.set_title(labels.wrapped(f"{summary.name}{at}", 28 if narrow else 60))
    figure.supxlabel(analysis.scale.label, fontsize=10, color=MUTED)
    references = [m for m in study.methods if study.family(m) in study.references]
    if references:
        labels.legend(figure, analysis, references, narrow, markers=False)
    return figure


def _schedules(axes: Axes, analysis: Analysis, arms: Sequence[str], summary: Summary) -> None:
    """Draws the arms' means and intervals, beside the value at budget their zero-shot scores."""
    starts = {s.name: s.fixed for s in analysis.summaries if s.name == ZERO_SHOT}.get(ZERO_SHOT, {})
    for place, arm in enumerate(arms):
        style = method_styles(analysis.study)[arm]
        panels.dot(axes, place, style, summary.fixed[arm], analysis.scale.value)
        if arm in starts and summary is analysis.summaries[0]:
            start = analysis.scale.value(starts[arm].mean)
            axes.plot([start], [place], style.marker, ms=5, mec=style.colour, mfc="none", alpha=0.8)


def _reference(axes: Axes, analysis: Analysis, method: str, summary: Summary) -> None:
    """Draws a method without a schedule as a vertical line with its interval."""
    style, interval = method_styles(analysis.study)[method], summary.fixed[method]
    shown = analysis.scale.value
    axes.axvline(shown(interval.mean), color=style.colour, linewidth=1.4, zorder=1)
    if interval.low is not None and interval.high is not None:
        axes.axvspan(shown(interval.low), shown(interval.high), color=style.colour, alpha=0.13, linewidth=0)


def schedule_name(start: float, end: float) -> str:
    """Returns a schedule as in "ε 0.9 → 1"."""
    return f"ε {start:g} → {end:g}" if start != end else f"ε {start:g}"
