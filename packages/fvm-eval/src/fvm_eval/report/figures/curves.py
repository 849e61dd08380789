"""Adaptation curves pooled over tasks, returns while adapting and pretraining; a panel a training size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fvm_eval.analysis import series
from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.report.families import family_label, groups
from fvm_eval.report.figures import labels, panels, paper
from fvm_eval.report.figures.labels import EndLabel, Reference
from fvm_eval.report.figures.panels import MAX_BANDS
from fvm_eval.report.figures.paper import MUTED
from fvm_eval.report.method_styles import MethodStyle, method_styles

_EACH = 1.75  # inches of a panel's height where each method has its own


@dataclass(frozen=True)
class Curves:
    """What is drawn, and how.

    Attributes:
        rows: Columns method, env_step, value, low, high.
        shown: From the rows' units to the axis's.
        first, last: Env steps.
        phase: What the env steps are of.
        unit: Of the y axis.
        references: Lines across all panels.
        singles: Single seeds as thin lines, in place of bands.
    """

    rows: pl.DataFrame
    shown: Callable[[float], float]
    first: float
    last: float
    phase: str
    unit: str
    references: Sequence[Reference] = ()
    singles: pl.DataFrame | None = None

    @property
    def axis(self) -> str:
        """What stands below the x axis."""
        return f"Env steps of {self.phase}" if self.phase else "Env steps"


def adaptation(analysis: Analysis, narrow: bool) -> Figure:
    """Returns the pooled deployment curves with 95 % limits, and the baselines as lines."""
    if not analysis.has_curve:
        return _points(analysis, narrow)
    scale, steps = analysis.scale, analysis.steps
    references = labels.references(analysis)
    rows = analysis.pooled
    phase = "adaptation" if analysis.study.adaptation else ""
    curves = Curves(rows, scale.value, steps[0], steps[-1], phase, scale.label, references)
    return _by_size(analysis, curves, narrow)


def online(analysis: Analysis, narrow: bool) -> Figure:
    """Returns the mean return of episodes that ended while adapting, in bins of env steps."""
    curves = _returns(analysis, analysis.online, analysis.study.online, "adaptation")
    return _panels(analysis, curves, narrow)


def pretraining(analysis: Analysis, narrow: bool) -> Figure:
    """Returns the training return of each pretrained method, in bins of env steps."""
    curves = _returns(analysis, analysis.pretraining, analysis.study.pretraining, "pretraining")
    return _panels(analysis, curves, narrow)


def _panels(analysis: Analysis, curves: Curves, narrow: bool) -> Figure:
    draw = _each if one_each(analysis, curves.rows) else _by_size
    return draw(analysis, curves, narrow)


def one_each(analysis: Analysis, rows: pl.DataFrame) -> bool:
    """Whether returns have a panel for each method: many that jump would hide each other in one panel."""
    have = set(rows["method"])
    drawn_in = [mine for _, methods in groups(analysis.study) if (mine := have.intersection(methods))]
    return max(map(len, drawn_in or [have])) > MAX_BANDS and len(drawn_in) < 2


def _returns(analysis: Analysis, rows: pl.DataFrame | None, table: pl.DataFrame | None, phase: str) -> Curves:
    assert rows is not None, "drawn only where it was given"
    assert table is not None, "as above"
    study = analysis.study
    unit = study.score_name if series.is_raw(study, table) else analysis.scale.label
    last = float(table["env_step"].to_numpy().max())
    return Curves(rows, float, 0.0, last, phase, unit, singles=series.seed_returns(study, table))


def _each(analysis: Analysis, curves: Curves, narrow: bool) -> Figure:
    """Returns a panel for each method: its mean, single seeds as thin lines, its last interval."""
    study, have = analysis.study, set(curves.rows["method"])
    families = [study.family(method) for method in study.methods]
    methods = sorted(have, key=lambda m: study.methods.index(m) if m in study.methods else families.index(m))
    names = [labels.wrapped(family_label(study, method), 22 if narrow else 30) for method in methods]
    figure, drawn = panels.grid(len(methods), narrow, height=_EACH, columns=2 if narrow else 3)
    for axes, method, name in zip(drawn, methods, names, strict=True):
        end = _curve(axes, method_styles(study)[method], method, curves, plain=False)
        panels.end_intervals(axes, [end], curves.first, curves.last)
        panels.env_steps(axes, "", curves.last, 3)
        axes.set_title(name, fontsize=9)
    budget = f", budget {study.final_step:,}" if curves.phase == "adaptation" else ""
    seeds = study.episodes["seed"].n_unique()
    lines = (
        f"thick: mean of {seeds} seeds; thin: each seed; bar: 95 % at the end" if seeds > 1 else "one seed"
    )
    below = f"{curves.axis}{budget}\n{labels.wrapped(lines, 44) if narrow else lines}"
    figure.supxlabel(below, fontsize=10, color=MUTED)
    figure.supylabel(curves.unit, fontsize=10, color=MUTED)
    return figure


def _by_size(analysis: Analysis, curves: Curves, narrow: bool) -> Figure:
    study, have = analysis.study, set(curves.rows["method"])
    drawn_in = [(title, [m for m in methods if m in have]) for title, methods in groups(study)]
    drawn_in = [(title, methods) for title, methods in drawn_in if methods]
    everyone = [method for method in study.methods if method in have]
    if not drawn_in:  # the trainings of families, which know no condition
        everyone = sorted(have, key=[study.family(method) for method in study.methods].index)
        drawn_in = [("", everyone)]
    most = max(len(methods) for _, methods in drawn_in)
    several, many = len(drawn_in) > 1, most > MAX_BANDS
    keyed = several or (narrow and many)  # a legend in place of names where the lines end
    families = {study.family(method) for method in everyone}
    height = 3.1 if several else 3.9 if curves.singles is None else 3.4
    figure, drawn = panels.grid(len(drawn_in), narrow, height=height, named=len(families) if keyed else 0)
    ends: list[panels.End] = []
    for axes, (title, methods) in zip(drawn, drawn_in, strict=True):
        ends = [_curve(axes, method_styles(analysis.study)[m], m, curves, plain=many) for m in methods]
        for line in curves.references:
            line.draw(axes)
        if many:
            panels.end_intervals(axes, ends, curves.first, curves.last, most)
        panels.env_steps(
            axes,
            "" if several else curves.axis,
            curves.last,
            3 if several or narrow else 5,
        )
        axes.set_title(title)
    if curves.singles is None:
        panels.cut_to_possible(drawn[0], analysis)
    for axes in panels.left(drawn, narrow):
        axes.set_ylabel(curves.unit)
    if several:
        figure.supxlabel(curves.axis, fontsize=10, color=MUTED)
    if not keyed:
        names = [
            EndLabel(end.value, family_label(study, method), end.style.colour)
            for end, method in zip(ends, drawn_in[0][1], strict=True)
        ]
        labels.end_labels(drawn[0], [*curves.references, *names], narrow)
        return figure
    for axes in panels.right(drawn, narrow):
        outermost = narrow or panels.is_last_column(axes)
        labels.end_labels(axes, curves.references, narrow, in_layout=outermost)
    labels.legend(figure, analysis, everyone, narrow)
    return figure


def _curve(axes: Axes, style: MethodStyle, method: str, curves: Curves, *, plain: bool) -> panels.End:
    """Draws one method's curve, its band or single seeds unless it is to be plain, and returns its end."""
    mine, shown = curves.rows.filter(pl.col("method") == method), curves.shown
    x, values = mine["env_step"].to_list(), [shown(v) for v in mine["value"]]
    marker = style.marker if curves.singles is None else ""
    axes.plot(x, values, color=style.colour, linestyle=style.linestyle, marker=marker, markersize=4)
    if curves.singles is not None and not plain:
        for _, seed in curves.singles.filter(pl.col("method") == method).group_by(
            "seed", maintain_order=True
        ):
            axes.plot(seed["env_step"], seed["value"], color=style.colour, linewidth=0.7, alpha=0.4)
    if curves.singles is None and not plain:
        panels.band(axes, x, mine, style, shown)
    low, high = (None if end is None else shown(end) for end in mine.select("low", "high").row(-1))
    return panels.End(style, values[-1], low, high)


def _points(analysis: Analysis, narrow: bool) -> Figure:
    """Returns each method's score with its interval, and the baselines', where there is no curve."""
    study, fixed = analysis.study, analysis.summaries[0].fixed
    references = labels.references(analysis)
    count = len(fixed) + len(references)
    figure = Figure(
        figsize=(paper.NARROW if narrow else paper.WIDE, 0.7 + 0.34 * count), layout="constrained"
    )
    axes = figure.add_subplot()
    for row, method in enumerate(study.methods):
        panels.dot(axes, row, method_styles(analysis.study)[method], fixed[method], analysis.scale.value)
    for row, line in enumerate(references, len(fixed)):
        axes.plot([line.height], [row], "d", color=MUTED, markersize=6)
    names = [*(study.label(method) for method in study.methods), *(line.text for line in references)]
    panels.rows_of_names(axes, [labels.wrapped(name, 20 if narrow else 40) for name in names])
    axes.set_xlabel(analysis.scale.label)
    return figure
