"""The page's section of secondary numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from markupsafe import Markup

from fvm_eval.analysis.secondary import Secondary
from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.report.cells import Cell, Grid, Row
from fvm_eval.report.families import family_label
from fvm_eval.report.method_styles import method_styles
from fvm_eval.report.sections import tables
from fvm_eval.report.text import capital, estimated, limits, number, p_value, these
from fvm_eval.statistics.estimates import Interval

_INTRO = (
    "The mean decides. These say whether other questions have the same answer; intervals are 95 % over "
    "checkpoints, on {on}."
)


def secondary(analysis: Analysis, found: Secondary) -> Markup:
    """Returns aggregates, who beats whom, times to a threshold, what checkpoints share, further measures."""
    return tables(
        "Other ways to look at it",
        _INTRO.format(on=these(len(analysis.study.tasks))),
        grids(analysis, found),
    )


def grids(analysis: Analysis, found: Secondary) -> list[Grid]:
    """Returns the tables of secondary numbers."""
    return [
        grid
        for grid in (
            aggregates(analysis, found),
            improvement(analysis, found),
            times(analysis, found),
            shared(analysis, found),
            measures(analysis, found),
        )
        if grid.rows
    ]


def aggregates(analysis: Analysis, found: Secondary) -> Grid:
    """Returns interquartile mean, median and optimality gap of every method."""
    study, scale = analysis.study, analysis.scale
    rows: list[Row] = []
    for method in study.methods:
        row: list[str | Cell] = [_name(analysis, method)]
        for name, by_method in found.aggregates.items():
            shown = scale.difference if name == "Optimality gap" else scale.value
            row.append(_cell(by_method[method], shown))
        rows.append(row)
    gap = ""
    if len(found.aggregates) > 2:
        gap = " Optimality gap: how far scores fall short of the range’s upper end."
    if analysis.score_bounds is not None:
        gap += " Limits are t’s by the jackknife, cut to what is possible."
    elif gap:
        gap += " Its limits are t’s by the jackknife, cut at 0, below which it cannot be."
    note = f"Interquartile mean: of the middle half of all runs, whatever their task.{gap}"
    title = f"Aggregates of the {study.summary_label(analysis.summaries[0].name).lower()}"
    return Grid(["", *found.aggregates], rows, title=title, note=note)


def improvement(analysis: Analysis, found: Secondary) -> Grid:
    """Returns tests of equal means, and the probability that a run of one method beats one of another."""
    label = analysis.study.label
    rows: list[Row] = [
        [
            f"{label(pair.left)} − {label(pair.right)}",
            _cell(pair.improvement, float),
            pair.test,
            p_value(pair.p),
            p_value(pair.p_holm),
        ]
        for pair in found.pairs
    ]
    head = ["Pair", "Left beats right", "Test of equal means", "p", "p (Holm)"]
    note = (
        "Left beats right: how often a run of the left method scores more than one of the right on the same "
        "task; ties count half."
        + " Permutation: an arm has neither spread nor a known range, so that equal distributions are tested."
        * any(pair.test == "permutation" for pair in found.pairs)
    )
    every = len(analysis.pairs[analysis.summaries[0].name])
    if len(found.pairs) < every and any(pair.p_holm is not None for pair in found.pairs):
        note += f" Adjusted for all {every} pairs, of which these have a reference."
    return Grid(head, rows, title="Probability of improvement", note=note)


def times(analysis: Analysis, found: Secondary) -> Grid:
    """Returns when runs reached half of the range."""
    if found.threshold is None:
        return Grid([], [])
    rows: list[Row] = [
        [_name(analysis, method), _cell(at.time, float), f"{at.share:.0%}".replace("%", " %")]
        for method, at in found.reached.items()
    ]
    score = number(analysis.scale.value(found.threshold))
    note = "A run that never got there counts at the last env step, so that the mean is a lower bound."
    if left := [m for m in analysis.study.methods if m not in found.reached]:
        names = " and ".join(dict.fromkeys(family_label(analysis.study, method) for method in left))
        note += f" {names}: left out, since a lifetime’s own steps are fewer than the axis has."
    return Grid(
        ["", "Env steps", "Runs that reached it"], rows, title=f"Time to a score of {score}", note=note
    )


def shared(analysis: Analysis, found: Secondary) -> Grid:
    """Returns the intra-checkpoint correlation, or why it cannot be told."""
    shown = analysis.scale.difference
    rows: list[Row] = []
    whys = set(found.shared.values())
    if len(whys) == 1 and len(found.shared) > 1 and isinstance(why := whys.pop(), str):
        return Grid([""], [[Cell("All methods", [f"{capital(why)}."])]], title="Intra-checkpoint correlation")
    for method, variance in found.shared.items():
        if isinstance(variance, str):
            name = replace(_name(analysis, method), lines=[f"{capital(variance)}."])
            rows.append([name, "–", "–", "–"])
            continue
        span = ""
        if variance.low is not None and variance.high is not None:
            span = f"[{variance.low:.2f}, {variance.high:.2f}]"
        icc = Cell(f"{variance.icc:.2f}", [span] if span else [], strong=True)
        sds = number(shown(variance.shared_sd)), number(shown(variance.residual_sd))
        rows.append([_name(analysis, method), icc, *sds])
    note = (
        "How much of the spread of scores all tasks of a checkpoint share. Where it is above 0, counting "
        "runs as independent gives intervals that are too narrow."
    )
    head = ["", "Correlation", "Shared sd", "A run’s own sd"]
    return Grid(head, rows, title="Intra-checkpoint correlation", note=note)


def measures(analysis: Analysis, found: Secondary) -> Grid:
    """Returns the means of the study's further cells, in the units of the claims."""
    rows: list[Row] = []
    for name, by_arm in found.measures.items():
        rows.append([name])
        rows += [
            [analysis.study.label(arm), _cell(interval, float), str(interval.checkpoints)]
            for arm, interval in sorted(by_arm.items())
        ]
    folded = f"{len(found.measures)} measures, in the units of the claims" if found.measures else ""
    return Grid(["Measure", "Mean", "Checkpoints"], rows, title="Further measures", folded=folded)


def _name(analysis: Analysis, method: str) -> Cell:
    return Cell(analysis.study.label(method), style=method_styles(analysis.study).get(method))


def _cell(interval: Interval, shown: Callable[[float], float]) -> Cell:
    return Cell(estimated(interval, shown), [limits(interval, shown)], strong=True)
