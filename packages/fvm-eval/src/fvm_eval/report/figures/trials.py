"""Return by trial within a lifetime: does an agent that remembers do better the second time?"""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.naming import plural
from fvm_eval.report.families import family_label, sizes
from fvm_eval.report.figures import labels, panels
from fvm_eval.report.figures.labels import EndLabel
from fvm_eval.report.figures.paper import MUTED
from fvm_eval.report.method_styles import method_styles


def by_trial(analysis: Analysis, narrow: bool) -> Figure:
    """Returns mean return by trial with 95 % bands; trials beyond the trained ones are shaded."""
    study, rows = analysis.study, analysis.trials
    assert rows is not None, "drawn only where there are trials"
    have = rows["method"].unique().sort().to_list()
    order = [name for name in method_styles(analysis.study) if name in have]
    groups = [
        (size, [m for m in order if size is None or study.train_sizes.get(m, size) == size])
        for size in sizes(study)
    ]
    groups = [(size, methods) for size, methods in groups if methods]
    last = int(rows["trial"].to_numpy().max())
    several = len(groups) > 1
    families = {study.family(method) for method in order}
    figure, drawn = panels.grid(len(groups), narrow, height=3.1, named=len(families) if several else 0)
    ends: list[EndLabel] = []
    for axes, (size, methods) in zip(drawn, groups, strict=True):
        ends = []
        for method in methods:
            style, mine = method_styles(analysis.study)[method], rows.filter(pl.col("method") == method)
            values = [analysis.scale.value(v) for v in mine["value"]]
            axes.plot(
                mine["trial"],
                values,
                color=style.colour,
                linestyle=style.linestyle,
                marker=style.marker,
                markersize=4,
            )
            panels.band(axes, mine["trial"].to_list(), mine, style, analysis.scale.value)
            ends.append(EndLabel(values[-1], family_label(study, method), style.colour))
        trained = [study.trained_trials[m] for m in methods if m in study.trained_trials]
        if trained and last > min(trained):
            axes.axvspan(min(trained) + 0.5, last + 0.5, color=MUTED, alpha=0.1, linewidth=0)
            axes.annotate(
                "beyond training",
                (min(trained) + 0.5, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(4, -3),
                textcoords="offset points",
                va="top",
                fontsize=8.5,
                color=MUTED,
            )
        axes.set_xlim(0.5, last + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        if size is not None:
            axes.set_title(plural(size, "training task"))
    panels.cut_to_possible(drawn[0], analysis)
    low, high = drawn[0].get_ylim()
    drawn[0].set_ylim(low, high + 0.07 * (high - low))  # room for what is written above the shade
    for axes in panels.left(drawn, narrow):
        axes.set_ylabel(analysis.scale.label)
    if not several:
        drawn[0].set_xlabel("Trial within a lifetime")
        labels.end_labels(drawn[0], ends, narrow)
    else:
        figure.supxlabel("Trial within a lifetime", fontsize=10, color=MUTED)
        labels.legend(figure, analysis, order, narrow)
    return figure
