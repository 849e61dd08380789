"""What agents forget while they adapt: their score on old states beside that on the new task, and its price.

Both figures are handed in as `Panel`s by studies that ask their agents about old states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.curves import pooled_curves
from fvm_eval.report.figures import labels, panels
from fvm_eval.report.figures.labels import legend_height
from fvm_eval.report.figures.paper import MUTED, NARROW, WIDE
from fvm_eval.report.method_styles import MethodStyle, method_styles
from fvm_eval.statistics.intervals import Interval

PANEL = 3.0  # inches of a panel's height


def beside(
    analysis: Analysis,
    narrow: bool,
    *,
    old: pl.DataFrame,
    window: tuple[int, int],
    teacher: float,
    new: Mapping[str, Sequence[str]] | None = None,
) -> Figure:
    """Returns the adaptation curves and, beside them, the scores on old states at the same snapshots.

    Args:
        analysis: Of the study.
        narrow: For a phone.
        old: Columns method, env_step, value, low, high: normalised scores on old states.
        window: Env steps over which what is lost is averaged; shaded.
        teacher: Mean score of the pretrained agents there, a dashed line.
        new: By its title, the tasks of each panel of adaptation curves; None for one of all tasks.
    """
    study, styles = analysis.study, method_styles(analysis.study)
    methods = [method for method in study.methods if method in set(analysis.pooled["method"])]
    families = {study.family(method) for method in methods}
    shown = {"The new task": analysis.pooled} if new is None else _pooled(analysis, new)
    shown["Old states"] = old
    figure, drawn = panels.grid(len(shown), narrow, height=PANEL, named=len(families))
    for axes, (title, rows) in zip(drawn, shown.items(), strict=True):
        for method in methods:
            mine = rows.filter(pl.col("method") == method)
            if mine.is_empty():
                continue
            style, x = styles[method], mine["env_step"].to_list()
            axes.plot(x, mine["value"], color=style.colour, linestyle=style.linestyle, linewidth=1.8)
            if len(methods) <= panels.MAX_BANDS:
                panels.band(axes, x, mine, style, float)
        axes.set_title(title)
        panels.env_steps(axes, "Env steps of adaptation", float(analysis.steps[-1]), 3)
    drawn[-1].axvspan(*window, color=MUTED, alpha=0.12, linewidth=0)
    drawn[-1].axhline(teacher, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    for axes in panels.left(drawn, narrow):
        axes.set_ylabel("Normalised score")
    labels.legend(figure, analysis, methods, narrow, markers=False)
    return figure


def _pooled(analysis: Analysis, tasks: Mapping[str, Sequence[str]]) -> dict[str, pl.DataFrame]:
    """Returns each method's curve over some of the tasks, by what they are called."""
    return {
        title: pooled_curves(
            analysis.runs.filter(pl.col("task").is_in(list(some))), score_bounds=analysis.score_bounds
        )
        for title, some in tasks.items()
    }


def prices(
    analysis: Analysis,
    narrow: bool,
    *,
    gained: Mapping[str, Interval],
    paid: Sequence[tuple[str, Mapping[str, Interval]]],
) -> Figure:
    """Returns a panel for each price of adapting: what a method gains against what it pays, a point each.

    Args:
        analysis: Of the study.
        narrow: For a phone.
        gained: By method, the area under its adaptation curve.
        paid: What is paid, for people, and its intervals by method; a method may have none.
    """
    study, styles = analysis.study, method_styles(analysis.study)
    methods = [method for method in study.methods if method in gained]
    families = {study.family(method) for method in methods}
    above = legend_height(len(families), narrow)
    rows, columns = (len(paid), 1) if narrow else (1, len(paid))
    size = (NARROW, 0.9 * PANEL * rows + above) if narrow else (WIDE, PANEL + above)
    figure = Figure(figsize=size, layout="constrained")
    drawn = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for place, (axes, (name, prices_of)) in enumerate(zip(drawn.flat, paid, strict=True)):
        for method in methods:
            if method in prices_of:
                _point(axes, styles[method], prices_of[method], gained[method])
        axes.set_xlabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(labels.steps_text if "steps" in name else labels.plain)
        axes.grid(visible=True, axis="x")
        if narrow or place == 0:
            axes.set_ylabel("Area under the curve")
    labels.legend(figure, analysis, methods, narrow)
    return figure


def _point(axes: Axes, style: MethodStyle, x: Interval, y: Interval) -> None:
    """Draws a method with its intervals in both directions."""
    if x.low is not None and x.high is not None:
        axes.plot([x.low, x.high], [y.mean, y.mean], color=style.colour, linewidth=1.2)
    if y.low is not None and y.high is not None:
        axes.plot([x.mean, x.mean], [y.low, y.high], color=style.colour, linewidth=1.2)
    axes.plot([x.mean], [y.mean], color=style.colour, marker=style.marker, markersize=6, linestyle="")
