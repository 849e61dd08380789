"""What agents forget while they adapt: their score on old states beside that on the new task, and its price.

Both figures are handed in as `Panel`s by studies that ask their agents about old states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.analysis.study_results import StudyResults
from fvm_eval.curves import pooled_curves
from fvm_eval.naming import plural
from fvm_eval.report.families import family_label
from fvm_eval.report.figures import labels, panels
from fvm_eval.report.figures.labels import legend_height
from fvm_eval.report.figures.paper import MUTED, NARROW, WIDE
from fvm_eval.report.method_styles import VARIANTS, MethodStyle, method_styles
from fvm_eval.statistics.intervals import Interval

PANEL = 3.0  # inches of a panel's height
_SHADE, _DASHES = 0.12, (0, (4, 3))


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

    The legend says what the dashed line and the shaded stretch are, the axis how many seeds a line is the
    mean of and what the budget is.

    Args:
        analysis: Of the study.
        narrow: For a phone.
        old: Columns method, env_step, value, low, high: normalised scores on old states.
        window: Env steps over which what is lost is averaged; shaded.
        teacher: Mean score of the pretrained agents there, a dashed line.
        new: By its title, the tasks of each panel of adaptation curves; None for one of all tasks.
    """
    study = analysis.study
    methods = [method for method in study.methods if method in set(analysis.pooled["method"])]
    styles, names = told_apart(study, methods)
    shown = {"The new task": analysis.pooled} if new is None else _pooled(analysis, new)
    shown["Old states (FAR)"] = old
    beyond = [
        Line2D(
            [], [], color=MUTED, linewidth=1.2, linestyle=_DASHES, label="Pretrained agents,\nnot adapted"
        ),
        Patch(color=MUTED, alpha=_SHADE, linewidth=0, label="Lost on FAR: mean\nover this stretch"),
    ]
    figure, drawn = panels.grid(len(shown), narrow, height=PANEL, named=len(names) + len(beyond))
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
        panels.env_steps(axes, "", float(analysis.steps[-1]), 5 if len(shown) < 3 and not narrow else 3)
    drawn[-1].axvspan(*window, color=MUTED, alpha=_SHADE, linewidth=0)
    drawn[-1].axhline(teacher, color=MUTED, linewidth=1.2, linestyle=_DASHES)
    for axes in panels.left(drawn, narrow):
        axes.set_ylabel("Normalised score")
    seeds = plural(study.episodes["seed"].n_unique(), "seed")
    below = f"Env steps of adaptation, budget {study.final_step:,}"
    mean = f"means over {seeds}" if seeds != "1 seed" else "one seed"
    figure.supxlabel(f"{below}{chr(10) if narrow else '; '}{mean}", fontsize=10, color=MUTED)
    labels.legend(figure, analysis, methods, narrow, markers=False, more=beyond, entries=names)
    return figure


def told_apart(
    study: StudyResults, methods: Sequence[str]
) -> tuple[dict[str, MethodStyle], dict[str, MethodStyle]]:
    """Returns the look of each method, and names with looks for a legend.

    Methods of one family, as the points of a grid, keep its colour and differ in dashes and marker.
    """
    looks, names = {}, {}
    for method in methods:
        family = [other for other in methods if study.family(other) == study.family(method)]
        look = method_styles(study)[method]
        if len(family) > 1:
            look = replace(look, variant=(look.variant + family.index(method)) % VARIANTS)
        looks[method] = look
        names[study.label(method) if len(family) > 1 else family_label(study, method)] = look
    return looks, names


def _pooled(analysis: Analysis, tasks: Mapping[str, Sequence[str]]) -> dict[str, pl.DataFrame]:
    """Returns each method's curve over some of the tasks, by what they are called."""
    return {
        f"New task, {title}": pooled_curves(
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
    methods = [method for method in analysis.study.methods if method in gained]
    styles, names = told_apart(analysis.study, methods)
    above = legend_height(len(names), narrow)
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
    labels.legend(figure, analysis, methods, narrow, entries=names)
    return figure


def _point(axes: Axes, style: MethodStyle, x: Interval, y: Interval) -> None:
    """Draws a method with its intervals in both directions."""
    if x.low is not None and x.high is not None:
        axes.plot([x.low, x.high], [y.mean, y.mean], color=style.colour, linewidth=1.2)
    if y.low is not None and y.high is not None:
        axes.plot([x.mean, x.mean], [y.low, y.high], color=style.colour, linewidth=1.2)
    axes.plot([x.mean], [y.mean], color=style.colour, marker=style.marker, markersize=6, linestyle="")
