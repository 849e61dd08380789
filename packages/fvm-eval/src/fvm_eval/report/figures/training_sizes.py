"""Zero-shot score against the number of training tasks."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.report.families import family_label
from fvm_eval.report.figures import labels, panels
from fvm_eval.report.figures.labels import EndLabel, Reference
from fvm_eval.report.method_styles import method_styles

_APART = 1.05


def zero_shot(analysis: Analysis, narrow: bool) -> Figure:
    """Returns each family's zero-shot score by training-set size (logarithmic) with 95 % intervals."""
    rows, study, shown = analysis.zero_shot, analysis.study, analysis.scale.value
    assert rows is not None, "drawn only where a family has two sizes"
    sized = rows.filter(pl.col("size").is_not_null())
    positions = sorted(sized["size"].unique().to_list())
    figure, (axes,) = panels.grid(1, narrow, height=3.7)
    order = list(dict.fromkeys(study.family(method) for method in method_styles(analysis.study)))
    families = [family for family in order if family in set(sized["family"])]
    ends: list[EndLabel] = []
    for place, family in enumerate(families):
        mine = sized.filter(pl.col("family") == family)
        style, name = method_styles(analysis.study)[mine["method"][0]], family_label(study, mine["method"][0])
        x = [size * _APART ** (place - (len(families) - 1) / 2) for size in mine["size"]]
        values = [shown(v) for v in mine["value"]]
        for at, low, high in zip(x, mine["low"], mine["high"], strict=True):
            if low is not None:
                axes.plot([at, at], [shown(low), shown(high)], color=style.colour, linewidth=1.4, alpha=0.7)
        axes.plot(x, values, color=style.colour, linestyle=style.linestyle, marker=style.marker, markersize=5)
        ends.append(EndLabel(values[-1], name, style.colour))
    for row in rows.filter(pl.col("size").is_null()).iter_rows(named=True):
        level = Reference(shown(row["value"]), study.label(row["method"]))
        level.draw(axes)
        ends.append(level)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(positions))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    axes.set_xlabel("Training tasks")
    axes.set_ylabel(analysis.scale.label)
    panels.cut_to_possible(axes, analysis)
    labels.end_labels(axes, ends, narrow)
    return figure
