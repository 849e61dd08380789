"""Performance profiles: the share of runs above each score (Agarwal et al. 2021)."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fvm_eval.analysis.secondary import Secondary
from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.report.families import groups
from fvm_eval.report.figures import labels, panels
from fvm_eval.report.method_styles import method_styles


def profiles(analysis: Analysis, narrow: bool, *, found: Secondary) -> Figure:
    """Returns a falling line a method, with its 95 % band where there are few."""
    study, styles, shown = analysis.study, method_styles(analysis.study), analysis.scale.value
    drawn_in = groups(study)
    families = {study.family(method) for method in study.methods}
    figure, drawn = panels.grid(len(drawn_in), narrow, height=3.0, named=len(families), apart=True)
    for axes, (title, methods) in zip(drawn, drawn_in, strict=True):
        for method in methods:
            mine, style = found.profiles.filter(pl.col("method") == method), styles[method]
            x = [shown(value) for value in mine["threshold"]]
            axes.plot(x, mine["share"], color=style.colour, linestyle=style.linestyle, linewidth=1.8)
            if len(methods) <= panels.MAX_BANDS:
                panels.band(axes, x, mine, style, float)
        axes.set_ylim(0.0, 1.0)
        axes.set_xlim(x[0], x[-1])
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.xaxis.set_major_formatter(labels.plain)
        axes.set_title(title)
        axes.set_xlabel(analysis.scale.label)
    for axes in panels.left(drawn, narrow):
        axes.set_ylabel("Runs that score more")
    labels.legend(figure, analysis, study.methods, narrow, markers=False)
    return figure
