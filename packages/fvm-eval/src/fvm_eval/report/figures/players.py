"""How often players solve each task, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from fvm_eval.report.figures import labels, panels, paper
from fvm_eval.report.method_styles import METHOD_COLOURS, MethodStyle
from fvm_eval.statistics.rates import Rate


def by_player(rates: Sequence[Rate], names: Mapping[str, str], narrow: bool) -> Figure:
    """Returns a row a task, a marker with its 95 % interval a player; rates of all tasks are left out.

    Args:
        rates: Of `success_rates`.
        names: Of the players, in the order in which they are drawn.
        narrow: For a phone.
    """
    tasks = list(dict.fromkeys(rate.task for rate in rates if rate.task))
    width = paper.NARROW if narrow else paper.WIDE
    figure = Figure(figsize=(width, 0.34 * len(tasks) + 1.0), layout="constrained")
    axes = figure.subplots()
    handles = []
    for place, player in enumerate(names):
        style = MethodStyle(place % len(METHOD_COLOURS), place % 4)  # told apart without colours too
        colour, marker = style.colour, style.marker
        for rate in (rate for rate in rates if rate.player == player and rate.task):
            height = tasks.index(rate.task)
            axes.plot([rate.low, rate.high], [height, height], color=colour, linewidth=2.2)
            axes.plot([rate.part], [height], marker, color=colour, markersize=6, clip_on=False)
        handles.append(Line2D([], [], color=colour, marker=marker, label=names[player]))
    panels.rows_of_names(axes, [labels.short(task, tasks) for task in tasks])
    axes.tick_params(axis="y", pad=9)
    axes.set_xlim(0.0, 1.0)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_xlabel("Episodes solved")
    figure.legend(
        handles=handles, loc="outside upper left", ncols=1 if narrow else 4, frameon=False, fontsize=9
    )
    return figure
