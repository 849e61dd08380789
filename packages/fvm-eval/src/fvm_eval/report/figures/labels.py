"""What is written on figures: names that do not touch where lines end, legends, numbers, tasks."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.naming import visible
from fvm_eval.report.families import family_label
from fvm_eval.report.figures.paper import MUTED
from fvm_eval.report.method_styles import MethodStyle, method_styles

_LONGEST = 44  # letters of a word that a figure has room for


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


def references(analysis: Analysis) -> list[Reference]:
    """Returns the baselines and the best possible score, means over the tasks in shown units."""
    shown, study = analysis.scale.value, analysis.study
    found = [Reference(shown(value), study.label(name)) for name, value in analysis.baselines.items()]
    if analysis.best:
        best = sum(analysis.best[task] for task in study.tasks) / len(study.tasks)
        found.append(Reference(shown(best), "Best possible", best=True))
    return found


def end_labels(axes: Axes, labels: Sequence[EndLabel], narrow: bool, *, in_layout: bool = True) -> None:
    """Writes each label at its height beside the right end, pushed apart where they would touch.

    Args:
        axes: Of the panel.
        labels: To write.
        narrow: For a phone.
        in_layout: Whether room is made for them; not where the next place of the grid is empty, since the
            panels of other rows would be moved apart.
    """
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
        ).set_in_layout(in_layout)
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
    figure: Figure,
    analysis: Analysis,
    methods: Sequence[str],
    narrow: bool,
    *,
    markers: bool = True,
    more: Sequence[Artist] = (),
    entries: Mapping[str, MethodStyle] | None = None,
) -> None:
    """Writes the methods' names and lines above the panels, a family once, and then what else is drawn.

    Args:
        figure: To write on.
        analysis: Of the study.
        methods: That are drawn.
        narrow: For a phone.
        markers: Whether lines have them.
        more: What else is drawn, with labels.
        entries: Names and looks, where they are not those of the methods' families.
    """
    if entries is None:
        entries = {family_label(analysis.study, m): method_styles(analysis.study)[m] for m in methods}
    handles: list[Artist] = [
        Line2D(
            [],
            [],
            color=style.colour,
            linestyle=style.linestyle,
            marker=style.marker if markers else "",
            markersize=4,
            label=_legend_name(name, narrow),
        )
        for name, style in entries.items()
    ]
    handles += more
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=min(_legend_columns(narrow), len(handles)),
        frameon=False,
        fontsize=8.5,
        handlelength=2.6,
        columnspacing=1.4,
        borderaxespad=0.2,
    )


def legend_height(names: int, narrow: bool) -> float:
    """Returns the inches that a legend of so many names takes."""
    return 0.1 + (0.28 if narrow else 0.24) * math.ceil(names / _legend_columns(narrow)) if names else 0.0


def legend_room(analysis: Analysis, methods: Sequence[str], narrow: bool) -> float:
    """Returns the inches that the legend of these methods takes, its fullest column's lines counted."""
    names = list(dict.fromkeys(family_label(analysis.study, method) for method in methods))
    lines = [1 + _legend_name(name, narrow).count("\n") for name in names]
    rows, more = divmod(len(lines), columns := min(_legend_columns(narrow), len(lines)))
    ends = [place * rows + min(place, more) for place in range(columns + 1)]  # the first have more
    column = max(0.07 * (end - start) + 0.15 * sum(lines[start:end]) for start, end in pairwise(ends))
    return max(legend_height(len(names), narrow), 0.1 + column)


def _legend_name(name: str, narrow: bool) -> str:
    return wrapped(name, 20 if narrow else 26)


def _legend_columns(narrow: bool) -> int:
    return 2 if narrow else 4


def wrapped(text: str, width: int) -> str:
    """Returns the text in lines of at most this many characters, words whole unless a figure has no room."""
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    piece = rf".{{1,{width}}}$|.{{1,{width - 1}}}[-_/:,.=+@]|.{{1,{width}}}"
    cut = [re.findall(piece, line) if len(line) > max(width, _LONGEST) else [line] for line in lines]
    return "\n".join(part for parts in cut for part in parts)


def plain(value: float, _: object = None) -> str:
    """Returns a tick's number with a true minus sign and no zeros that say nothing."""
    return f"{value:g}".replace("-", "−")


def steps_text(value: float, _: object = None) -> str:
    """Returns a number of env steps with its unit, as in "2.5M"."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


def short(task: str, tasks: Sequence[str]) -> str:
    """Returns a task's id without what all ids have in common."""
    parts = [t.split("/") for t in tasks]
    depth = 0
    while len(tasks) > 1 and all(
        len(p) > depth + 1 and p[: depth + 1] == parts[0][: depth + 1] for p in parts
    ):
        depth += 1
    name = visible("/".join(task.split("/")[depth:]))
    return f"level {name}" if name.isdigit() else name
