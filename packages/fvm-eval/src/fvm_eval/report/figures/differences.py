"""Differences between methods, each with its two intervals and the margin."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.analysis.summaries import Difference, Pair, grouped, pair_groups, shown_pairs
from fvm_eval.report.families import family_label
from fvm_eval.report.figures import labels, panels, paper
from fvm_eval.report.figures.paper import INK, MUTED
from fvm_eval.report.method_styles import method_styles

HEADING = "minus "
_MANY_ROWS, _LINE = 12, 0.19  # inches


@dataclass(frozen=True)
class Row:
    """A line of the figure: a difference in each column, or none under a heading."""

    name: str
    differences: Sequence[Difference | None] = ()


def differences(analysis: Analysis, narrow: bool) -> Figure:
    """Returns each difference with its intervals, the margin shaded: a row a pair, a column a summary.

    A single pair has a row a summary. With many pairs a narrow figure shows the first summary only.
    """
    found = {(d.left, d.right, d.summary): d for d in analysis.differences if d.shown}
    pairs = [
        pair for pair in shown_pairs(analysis.study, analysis.differences) if pair in {k[:2] for k in found}
    ]
    names = [s.name for s in analysis.summaries if s.name in {key[2] for key in found}]
    alone = len(pairs) == 1
    if alone:
        left, right = pairs[0]
        rows = [
            Row(analysis.study.summary_label(name), [found[left, right, name]])
            for name in names
            if (left, right, name) in found
        ]
    else:
        rows = _rows(analysis, pairs, names, found)
        names = names[:1] if narrow and len(rows) > _MANY_ROWS else names
    shape = (1, 1) if alone else (len(names), 1) if narrow else (1, len(names))
    tall = 0.62 if alone else 0.4 if len(rows) <= _MANY_ROWS else 0.24
    texts = [labels.wrapped(row.name, 26 if narrow else 34) for row in rows]
    places = _places([1 + text.count("\n") for text in texts], tall)
    size = (paper.NARROW if narrow else paper.WIDE, (0.75 + tall * (places[-1] + 1)) * shape[0])
    figure = Figure(figsize=size, layout="constrained")
    drawn = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False)
    half = margin(analysis)
    for column, axes in enumerate(drawn.flat):
        if half is not None:
            axes.axvspan(-half, half, color=MUTED, alpha=0.12, linewidth=0)
        for place, row in zip(places, rows, strict=True):
            difference = row.differences[column] if row.differences else None
            if difference is not None:
                _draw(axes, place, difference, analysis, big=tall > 0.3)
        axes.axvline(0, color=INK, linewidth=1)
        panels.rows_of_names(axes, texts, places)
        axes.xaxis.set_major_formatter(labels.plain)
        if shape[1] > 1:  # the last number of one column beside the first of the next reads as one
            axes.xaxis.set_major_locator(MaxNLocator(4, symmetric=True, prune="both"))
        if not alone:
            axes.set_title(analysis.study.summary_label(names[column]))
    _cut(drawn.flat[0], analysis)
    for axes in drawn[:, 0]:
        for label, row in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if row.name.startswith(HEADING) and not row.differences else "normal")
            label.set_color(INK if row.differences or row.name.startswith(HEADING) else MUTED)
    unit = f"{analysis.scale.label[0].lower()}{analysis.scale.label[1:]}"
    pair = " − ".join(analysis.study.label(name) for name in pairs[0])
    figure.supxlabel(
        f"{pair}, {unit}" if alone and not narrow else f"Difference, {unit}", fontsize=10, color=MUTED
    )
    return figure


def _rows(
    analysis: Analysis,
    pairs: Sequence[Pair],
    names: Sequence[str],
    found: dict[tuple[str, str, str], Difference],
) -> list[Row]:
    """Returns a row a pair; many pairs are grouped by their right side and training size."""
    study = analysis.study

    def cells(pair: Pair) -> list[Difference | None]:
        return [found.get((*pair, name)) for name in names]

    if not grouped(study, pairs):
        return [
            Row(" − ".join(family_label(study, method) for method in pair), cells(pair)) for pair in pairs
        ]
    rows: list[Row] = []
    for (_, title), mine in pair_groups(study, pairs).items():
        heading = f"{HEADING}{family_label(study, mine[0][1])}"
        rows += [] if any(row.name == heading for row in rows) else [Row(heading)]
        rows += [Row(title)] if title else []
        rows += [Row(family_label(study, pair[0]), cells(pair)) for pair in mine]
    return rows


def _places(lines: Sequence[int], tall: float) -> list[float]:
    """Returns the heights of rows whose names have this many lines, one apart where a name has room."""
    room = [max(1.0, _LINE * count / tall) for count in lines]
    places = [0.0]
    for before, after in itertools.pairwise(room):
        places.append(places[-1] + (before + after) / 2)
    return places


def _draw(axes: Axes, place: float, difference: Difference, analysis: Analysis, *, big: bool) -> None:
    """Draws the interval on these tasks thick with its mean, that on new tasks thin beneath it."""
    style, shown = method_styles(analysis.study)[difference.left], analysis.scale.difference
    lines = ((difference.fixed, -0.1, 3.0 if big else 2.2), (difference.new, 0.16 if big else 0.2, 1.0))
    for interval, offset, width in lines:
        if interval.low is not None and interval.high is not None:
            limits = [shown(interval.low), shown(interval.high)]
            axes.plot(limits, [place + offset] * 2, color=style.colour, linewidth=width)
    axes.plot(
        [shown(difference.fixed.mean)], [place - 0.1], style.marker, color=style.colour, ms=7 if big else 4.5
    )


def margin(analysis: Analysis) -> float | None:
    """Returns the margin that is shaded, in shown units; None where none was fixed.

    It is that of the first comparison, or else of the first claim about a summary of the scores.
    """
    margins = [comparison.margin for comparison, _ in analysis.verdicts[:1]]
    own = {summary.name for summary in analysis.summaries}
    for decided in analysis.claims:
        parts = decided.verdict.claim.components
        margins += [part.margin for part in parts if part.summary in own and part.margin > 0]
    return analysis.scale.difference(margins[0]) if margins else None


def _cut(axes: Axes, analysis: Analysis) -> None:
    """Cuts the axis to possible differences: none is larger than the scores' span."""
    if analysis.score_bounds is not None:
        span = analysis.scale.difference(analysis.score_bounds[1] - analysis.score_bounds[0])
        left, right = axes.get_xlim()
        axes.set_xlim(max(left, -span), min(right, span))
