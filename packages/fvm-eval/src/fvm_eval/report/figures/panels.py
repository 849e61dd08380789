"""What the figures are made of: panels, bands, intervals, rows.

One panel labels its lines where they end; several share a legend above them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.report.figures.labels import legend_height, steps_text
from fvm_eval.report.figures.paper import INK, MUTED, NARROW, WIDE
from fvm_eval.report.method_styles import MethodStyle
from fvm_eval.statistics.intervals import Interval

MAX_BANDS = 4
_COLUMNS = 3

Draw = Callable[[Analysis, bool], Figure]


@dataclass(frozen=True)
class End:
    """Where a curve ends, in shown units; limits are None where there is no interval."""

    style: MethodStyle
    value: float
    low: float | None
    high: float | None


def grid(
    count: int,
    narrow: bool,
    *,
    height: float,
    named: int = 0,
    columns: int | None = None,
    apart: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Returns a figure with `count` panels that share their axes, one below the other if it is narrow.

    Args:
        count: Of panels.
        narrow: For a phone.
        height: Of a row of panels, in inches; a single panel's is a tenth lower on a narrow page.
        named: How many names a legend above the panels will have.
        columns: Of panels at most; one of a narrow figure, three of others if not given.
        apart: Whether numbers stand at both ends of the axes, which are to be told from the neighbour's.
    """
    columns = min(columns or (1 if narrow else _COLUMNS), count)
    rows = math.ceil(count / columns)
    above = legend_height(named, narrow)
    size = (NARROW, 0.9 * height * rows + above) if narrow else (WIDE, height * rows + above)
    low, wide = 0.08 if narrow and rows > 1 else 0.04, 0.12 if apart else None
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=low, w_pad=wide))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[count:]:
        axes.set_axis_off()
    for axes in panels.flat[:count]:
        axes.tick_params(labelbottom=True)
    return figure, list(panels.flat[:count])


def left(drawn: Sequence[Axes], narrow: bool) -> list[Axes]:
    """Returns the panels at the left edge."""
    return [axes for axes in drawn if narrow or _spec(axes).is_first_col()]


def right(drawn: Sequence[Axes], narrow: bool) -> list[Axes]:
    """Returns the panels with nothing to their right."""
    following = [*drawn[1:], None]
    return [
        axes
        for axes, after in zip(drawn, following, strict=True)
        if narrow or after is None or _spec(after).is_first_col()
    ]


def is_last_column(axes: Axes) -> bool:
    """Whether a panel stands in the last column, not before an empty place of an unfilled row."""
    return _spec(axes).is_last_col()


def _spec(axes: Axes) -> SubplotSpec:
    spec = axes.get_subplotspec()
    assert spec is not None, "panels come from a grid"
    return spec


def band(
    axes: Axes, x: Sequence[float], rows: pl.DataFrame, style: MethodStyle, shown: Callable[[float], float]
) -> None:
    """Draws the limits `low` and `high` of the rows at `x`, where there are any."""
    limits = zip(x, rows["low"], rows["high"], strict=True)
    limited = [(at, shown(low), shown(high)) for at, low, high in limits if low is not None]
    if limited:
        at, low, high = zip(*limited, strict=True)
        axes.fill_between(at, low, high, color=style.colour, alpha=0.16, linewidth=0)


def end_intervals(axes: Axes, ends: Sequence[End], first: float, last: float, room: int = 0) -> None:
    """Draws intervals side by side to the right of the curves, where bands would cover each other.

    Args:
        axes: To draw on; its x axis is extended.
        ends: Of the curves.
        first: Where the curves begin.
        last: Where they end.
        room: For how many there is to be room, where panels share an axis and another one has more.
    """
    room = max(room, len(ends))
    step = 0.036 * (last - first)
    start = last + 1.8 * step
    axes.axvspan(start - 0.9 * step, start + (room - 0.1) * step, color=MUTED, alpha=0.09, linewidth=0)
    for place, end in enumerate(ends):
        x, style = start + place * step, end.style
        if end.low is not None and end.high is not None:
            axes.plot([x, x], [end.low, end.high], color=style.colour, linewidth=1.8)
        axes.plot([x], [end.value], color=style.colour, marker=style.marker, markersize=3.6, linestyle="")
    axes.set_xlim(first - step, start + (room - 0.1) * step)


def dot(
    axes: Axes, y: float, style: MethodStyle, interval: Interval, shown: Callable[[float], float]
) -> None:
    """Draws a mean and its interval as a point on a horizontal bar."""
    if interval.low is not None and interval.high is not None:
        axes.plot([shown(interval.low), shown(interval.high)], [y, y], color=style.colour, linewidth=2.6)
    axes.plot([shown(interval.mean)], [y], color=style.colour, marker=style.marker, markersize=6)


def rows_of_names(axes: Axes, names: Sequence[str], places: Sequence[float] | None = None) -> None:
    """Writes names beside the rows of a dot plot, the first one on top, at places 0, 1, ... if not given."""
    places = list(range(len(names))) if places is None else places
    axes.set_yticks(places, names)
    axes.set_ylim(places[-1] + 0.6, places[0] - 0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")


def env_steps(axes: Axes, label: str, last: float | None = None, ticks: int = 5) -> None:
    """Labels an axis of env steps; ticks end at `last`, if given."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_formatter(FuncFormatter(steps_text))
    locator = MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10])
    if last is None:
        axes.xaxis.set_major_locator(locator)
    else:
        axes.set_xticks([tick for tick in locator.tick_values(0, last) if 0 <= tick <= last])


def cut_to_possible(axes: Axes, analysis: Analysis) -> None:
    """Cuts the axis to possible scores: with few seeds a band may reach far beyond them."""
    if analysis.score_bounds is None:
        return
    lowest, highest = (analysis.scale.value(bound) for bound in analysis.score_bounds)
    pad = 0.03 * (highest - lowest)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, lowest - pad), min(high, highest + pad))
