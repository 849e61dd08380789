"""Small multiples: panels with the same limits, as lines and texts on one axes that is measured in inches.

Axes of their own take matplotlib ten times as long, most of it for ticks that all panels share.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fvm_eval.report.figures import labels
from fvm_eval.report.figures.paper import INK, MUTED, RULE

_LETTER = 0.071  # inches of a letter of 8 points, on average
_TICK, _MARGIN = 0.049, 0.05  # inches; share of the data that stays free on each side
_PAD, _TITLE_LINE, _APART = 0.07, 0.15, 0.13  # below a title, of it, and above it
_BELOW, _BESIDE = 0.46, 0.34  # of the panels

Segment = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A line in a panel.

    Attributes:
        x, y: In data units.
        colour, linestyle, width, alpha: As matplotlib has them.
    """

    x: Sequence[float]
    y: Sequence[float]
    colour: str
    linestyle: Any = "-"
    width: float = 1.6
    alpha: float = 1.0


@dataclass(frozen=True)
class Panel:
    """One of the panels.

    Attributes:
        title: Above it.
        lines: In it.
        level: Height of a dotted line across it; None for none.
    """

    title: str
    lines: Sequence[Line]
    level: float | None = None


@dataclass(frozen=True)
class _Frame:
    """Where a panel lies on the paper, in inches, and what it shows."""

    left: float
    bottom: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, x: npt.ArrayLike) -> Segment:
        return self.left + (np.asarray(x, np.float64) - self.x[0]) / (self.x[1] - self.x[0]) * self.width

    def up(self, y: npt.ArrayLike) -> Segment:
        return self.bottom + (np.asarray(y, np.float64) - self.y[0]) / (self.y[1] - self.y[0]) * self.height


def multiples(
    panels: Sequence[Panel],
    *,
    columns: int,
    width: float,
    row: float,
    above: float,
    steps: Mapping[float, str],
    names: tuple[str, str],
) -> Figure:
    """Returns a figure of panels that share their limits, ticks written at the left and below each column.

    Args:
        panels: Row by row.
        columns: How many stand side by side.
        width: Of the figure, in inches.
        row: Height of a row with a title of one line, in inches.
        above: Inches that are left free for a legend.
        steps: Ticks of the x axis and how they are written; the axis reaches from the first to the last.
        names: Of the x axis and the y axis.
    """
    rows = -(-len(panels) // columns)
    x, y = _spread(list(steps)), _spread(_heights(panels))
    ticks = [tick for tick in MaxNLocator(3).tick_values(*y) if y[0] <= tick <= y[1]]
    written = [labels.plain(tick) for tick in ticks]
    across, upright = names[0], _wrapped(names[1], row * rows)
    left = _BESIDE + _TITLE_LINE * upright.count("\n") + max(map(len, written), default=0) * _LETTER
    first, *_, last = steps.values() if len(steps) > 1 else [*steps.values()] * 2
    right = max(0.06, len(last) * _LETTER / 2 - 0.04)
    gap = max(0.16, (len(first) + len(last)) * _LETTER / 2)
    wide = (width - left - right - gap * (columns - 1)) / columns
    titles = [_wrapped(panel.title, wide) for panel in panels]
    most = max(1 + title.count("\n") for title in titles)
    head = _APART + _PAD + _TITLE_LINE * most
    height = above + _BELOW + (row + _TITLE_LINE * (most - 1)) * rows
    tall = (height - above - _BELOW + _APART) / rows - head
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    frames = [
        _Frame(
            left + place % columns * (wide + gap),
            height - above + _APART - (place // columns + 1) * (head + tall),
            *(wide, tall, x, y),
        )
        for place in range(len(panels))
    ]
    _rules(axes, frames, list(steps), ticks)
    _lines(axes, panels, frames)
    for place, (frame, title) in enumerate(zip(frames, titles, strict=True)):
        axes.text(frame.left, frame.bottom + tall + _PAD, title, fontsize=9, color=INK, va="bottom")
        if place % columns == 0:
            for at, text in zip(frame.up(ticks), written, strict=True):
                _tick(axes, frame.left - 2 * _TICK, float(at), text, ha="right", va="center")
        if place + columns >= len(panels):
            for at, text in zip(frame.across(list(steps)), steps.values(), strict=True):
                _tick(axes, float(at), frame.bottom - 2 * _TICK, text, ha="center", va="top")
    figure.supxlabel(across, fontsize=9, color=MUTED, y=0.05 / height)
    middle = (frames[0].bottom + tall + frames[-1].bottom) / 2  # of the panels: above them is the legend
    figure.supylabel(upright, fontsize=9, color=MUTED, x=0.05 / width, y=middle / height)
    return figure


def _heights(panels: Sequence[Panel]) -> list[float]:
    """Returns all that the panels show."""
    levels = [panel.level for panel in panels if panel.level is not None]
    return [float(value) for panel in panels for line in panel.lines for value in line.y] + levels


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """Returns the ends of an axis with room beyond these values."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return low - _MARGIN * (high - low), high + _MARGIN * (high - low)


def _rules(axes: Axes, frames: Sequence[_Frame], steps: Sequence[float], ticks: Sequence[float]) -> None:
    """Draws what panels stand on: grid lines, left and lower edges, tick marks."""
    grid, edges = [], []
    for frame in frames:
        end, top = frame.left + frame.width, frame.bottom + frame.height
        edges.append(np.array([(frame.left, top), (frame.left, frame.bottom), (end, frame.bottom)]))
        for at in frame.up(ticks):
            grid.append(np.array([(frame.left, at), (end, at)]))
            edges.append(np.array([(frame.left - _TICK, at), (frame.left, at)]))
        for at in frame.across(steps):
            edges.append(np.array([(at, frame.bottom - _TICK), (at, frame.bottom)]))
    axes.add_collection(LineCollection(grid, colors=RULE, linewidths=0.6, zorder=0.5), autolim=False)
    axes.add_collection(LineCollection(edges, colors=RULE, linewidths=0.8, zorder=2.5), autolim=False)


def _lines(axes: Axes, panels: Sequence[Panel], frames: Sequence[_Frame]) -> None:
    """Draws the panels' lines: solid ones, over them broken ones, and levels below both."""
    levels = [
        np.array([(frame.left, frame.up(panel.level)), (frame.left + frame.width, frame.up(panel.level))])
        for panel, frame in zip(panels, frames, strict=True)
        if panel.level is not None
    ]
    dotted = LineCollection(levels, colors=MUTED, linewidths=1.2, linestyles=[(0, (1, 2))], zorder=1)
    axes.add_collection(dotted, autolim=False)
    for solid in (True, False):
        drawn = [
            (np.column_stack([frame.across(line.x), frame.up(line.y)]), line)
            for panel, frame in zip(panels, frames, strict=True)
            for line in panel.lines
            if (line.linestyle == "-") == solid and len(line.x)
        ]
        if drawn:
            lines = LineCollection(
                [segment for segment, _ in drawn],
                colors=[(line.colour, line.alpha) for _, line in drawn],
                linewidths=[line.width for _, line in drawn],
                linestyles=[line.linestyle for _, line in drawn],
                capstyle="round" if solid else "butt",
                joinstyle="round",
                zorder=2,
            )
            axes.add_collection(lines, autolim=False)


def _tick(axes: Axes, x: float, y: float, text: str, **placed: Any) -> None:
    axes.text(x, y, text, fontsize=8, color=MUTED, **placed)


def _wrapped(title: str, width: float) -> str:
    """Returns the title in lines that fit into so many inches, words whole where they can be."""
    letters = max(4, int(width / (_LETTER * 9 / 8)))
    return "\n".join(textwrap.wrap(title, letters)) or title
