"""What the figures are made of: panels, lines with their intervals, labels that do not touch, legends.

One panel labels its lines where they end; several share a legend above them.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fvm_eval.intervals import Interval
from fvm_eval.report.analysis import Analysis
from fvm_eval.report.looks import Look, family_label

INK, MUTED, RULE, PAPER = "#1b1f24", "#5d6672", "#d5dae0", "#ffffff"
SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "lines.scale_dashes": True,
}
WIDE, NARROW = 8.2, 4.1
MAX_BANDS = 4

Draw = Callable[[Analysis, bool], Figure]


@dataclass(frozen=True)
class End:
    """Where a curve ends, in shown units; limits are None where there is no interval."""

    look: Look
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class EndLabel:
    """A line's name, written where the line ends.

    Attributes:
        height: Of the end, in data units.
        text: The name.
        colour: Of the line; reference lines are muted.
    """

    height: float
    text: str
    colour: str = MUTED


@dataclass(frozen=True)
class Reference(EndLabel):
    """A score that no method of the table reached by learning: a baseline, or the best that is possible.

    Attributes:
        best: Whether it is the best possible score.
    """

    best: bool = False

    def draw(self, axes: Axes) -> None:
        """Draws the score across the panel: dashed, the best possible dotted."""
        style = (1, 2) if self.best else (4, 3)
        axes.axhline(self.height, color=MUTED, linewidth=1.2, linestyle=(0, style), zorder=1)


def grid(count: int, narrow: bool, *, height: float, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """Returns a figure with `count` panels that share their axes, one below the other if it is narrow.

    Args:
        count: Of panels.
        narrow: For a phone.
        height: Of a row of panels, in inches; a single panel's is a tenth lower on a narrow page.
        columns: At most, on a wide page.
    """
    columns = 1 if narrow else min(columns, count)
    rows = math.ceil(count / columns)
    size = (NARROW, 0.9 * height * rows) if narrow else (WIDE, height * rows)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08))
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


def _spec(axes: Axes) -> SubplotSpec:
    spec = axes.get_subplotspec()
    assert spec is not None, "panels come from a grid"
    return spec


def band(
    axes: Axes, x: Sequence[float], rows: pl.DataFrame, look: Look, shown: Callable[[float], float]
) -> None:
    """Draws the limits `low` and `high` of the rows at `x`, where there are any."""
    limits = zip(x, rows["low"], rows["high"], strict=True)
    limited = [(at, shown(low), shown(high)) for at, low, high in limits if low is not None]
    if limited:
        at, low, high = zip(*limited, strict=True)
        axes.fill_between(at, low, high, color=look.colour, alpha=0.16, linewidth=0)


def end_intervals(axes: Axes, ends: Sequence[End], first: float, last: float) -> None:
    """Draws intervals side by side to the right of the curves, where bands would cover each other.

    Args:
        axes: To draw on; its x axis is extended.
        ends: Of the curves.
        first: Where the curves begin.
        last: Where they end.
    """
    step = 0.036 * (last - first)
    start = last + 1.8 * step
    axes.axvspan(start - 0.9 * step, start + (len(ends) - 0.1) * step, color=MUTED, alpha=0.09, linewidth=0)
    for place, end in enumerate(ends):
        x, look = start + place * step, end.look
        if end.low is not None and end.high is not None:
            axes.plot([x, x], [end.low, end.high], color=look.colour, linewidth=1.8)
        axes.plot([x], [end.value], color=look.colour, marker=look.marker, markersize=3.6, linestyle="")
    axes.set_xlim(first - step, start + (len(ends) - 0.1) * step)


def references(analysis: Analysis) -> list[Reference]:
    """Returns the baselines and the best possible score, means over the tasks in shown units."""
    shown, study = analysis.scale.value, analysis.study
    found = [Reference(shown(value), study.label(name)) for name, value in analysis.baselines.items()]
    if analysis.best:
        best = sum(analysis.best[task] for task in study.tasks) / len(study.tasks)
        found.append(Reference(shown(best), "Best possible", best=True))
    return found


def dot(axes: Axes, y: float, look: Look, interval: Interval, shown: Callable[[float], float]) -> None:
    """Draws a mean and its interval as a point on a horizontal bar."""
    if interval.low is not None and interval.high is not None:
        axes.plot([shown(interval.low), shown(interval.high)], [y, y], color=look.colour, linewidth=2.6)
    axes.plot([shown(interval.mean)], [y], color=look.colour, marker=look.marker, markersize=6)


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


def end_labels(axes: Axes, labels: Sequence[EndLabel], narrow: bool) -> None:
    """Writes each label at its height beside the right end, pushed apart where they would touch."""
    low, high = axes.get_ylim()
    inches = axes.get_figure(root=True).get_figheight() - 0.9  # type: ignore[union-attr]
    texts = [wrapped(label.text, 18 if narrow else 30) for label in labels]
    one = (high - low) * (0.17 if narrow else 0.185) / inches
    placed = apart(
        [label.height for label in labels], [one * (1 + text.count("\n")) for text in texts], low, high
    )
    for label, text, height in zip(labels, texts, placed, strict=True):
        axes.annotate(
            text,
            (1.0, height),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            color=label.colour,
            va="center",
            fontsize=9 if narrow else 10,
            fontweight="normal" if isinstance(label, Reference) else "bold",
            annotation_clip=False,
        )
    axes.set_ylim(low, high)


def apart(heights: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float]:
    """Returns heights as near to the given ones as leaves every label its size, in their order.

    Labels that touch form a block around the mean of their heights; blocks that touch are merged. Those that
    do not fit between `low` and `high` reach beyond `low`.
    """
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    blocks: list[tuple[list[int], float, float]] = []  # members, total size, centre
    for index in order:
        members, size, centre = [index], sizes[index], heights[index]
        while True:
            centre = min(max(centre, low + size / 2), high - size / 2)
            if not blocks or blocks[-1][2] + blocks[-1][1] / 2 <= centre - size / 2:
                break
            before = blocks.pop()
            members, size = before[0] + members, before[1] + size
            centre = sum(heights[i] for i in members) / len(members)
        blocks.append((members, size, centre))
    placed = [0.0] * len(heights)
    for members, size, centre in blocks:
        edge = centre - size / 2
        for index in members:
            placed[index] = edge + sizes[index] / 2
            edge += sizes[index]
    return placed


def legend(
    figure: Figure, analysis: Analysis, methods: Sequence[str], narrow: bool, *, markers: bool = True
) -> None:
    """Writes the methods' names and lines above the panels, a family once."""
    entries = {family_label(analysis.study, m): analysis.looks[m] for m in methods}
    handles = [
        Line2D(
            [],
            [],
            color=look.colour,
            linestyle=look.linestyle,
            marker=look.marker if markers else "",
            markersize=4,
            label=wrapped(name, 20 if narrow else 26),
        )
        for name, look in entries.items()
    ]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=min(2 if narrow else 4, len(handles)),
        frameon=False,
        fontsize=8.5,
        handlelength=2.6,
        columnspacing=1.4,
        borderaxespad=0.2,
    )


def wrapped(text: str, width: int) -> str:
    """Returns the text in lines of at most this many characters, words whole."""
    return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))


def plain(value: float, _: object = None) -> str:
    """Returns a tick's number with a true minus sign and no zeros that say nothing."""
    return f"{value:g}".replace("-", "−")


def steps_text(value: float, _: object = None) -> str:
    """Returns a number of env steps with its unit, as in "2.5M"."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def short(task: str, tasks: Sequence[str]) -> str:
    """Returns a task's id without what all ids have in common."""
    parts = [t.split("/") for t in tasks]
    depth = 0
    while len(tasks) > 1 and all(
        len(p) > depth + 1 and p[: depth + 1] == parts[0][: depth + 1] for p in parts
    ):
        depth += 1
    name = "/".join(task.split("/")[depth:])
    return f"level {name}" if name.isdigit() else name
