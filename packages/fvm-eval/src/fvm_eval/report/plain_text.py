"""A study's numbers as aligned plain text: methods, differences, tests, and what was recognised."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import combinations

from fvm_eval.analysis import Analysis
from fvm_eval.analysis.summaries import Summary
from fvm_eval.naming import visible
from fvm_eval.reading import Reading
from fvm_eval.report.headline import copies
from fvm_eval.report.text import capital, distinct, estimated, limits, p_value, these
from fvm_eval.report.uncompared import of_other_tasks, why
from fvm_eval.statistics.aggregate import iqm
from fvm_eval.statistics.jackknife import jackknife


def summary(analysis: Analysis, reading: Reading | None = None) -> str:
    """Returns plain text: for each summary the methods, all differences, their tests, a second aggregate."""
    study, scale = analysis.study, analysis.scale
    blocks = []
    for result in analysis.summaries:
        on = f"95 % {these(len(study.tasks))}"
        rows = [("method", "mean", on, "95 % new tasks", "checkpoints")]
        for method in study.methods:
            fixed, new = result.fixed[method], result.new[method]
            spans = limits(fixed, scale.value), limits(new, scale.value)
            name = visible(study.label(method))
            rows.append((name, estimated(fixed, scale.value), *spans, str(fixed.checkpoints)))
        rows += _differences(analysis, result)
        name = study.summary_label(result.name)
        blocks.append(f"{name}, {len(study.tasks)} task{'s' * (len(study.tasks) != 1)}\n{aligned(rows)}")
        blocks += [_tests(analysis, result), _iqm(analysis, result)]
    blocks += [_verdicts(analysis)]
    intervals = [i for s in analysis.summaries for i in s.fixed.values()]
    notes = {i.note for i in (*intervals, *(d.fixed for d in analysis.differences)) if i.note}
    lines = [f"Note: {note}." for note in distinct(notes)]
    lines += [f"Note: {visible(text)}" for text in (of_other_tasks(analysis), *copies(analysis)) if text]
    if reading is not None:
        lines += [f"Read: {visible(text.removesuffix('.'))}." for text in study.notes]
    return "\n\n".join([*filter(None, blocks), "\n".join(lines)])


def _differences(analysis: Analysis, result: Summary) -> list[tuple[str, str, str, str, str]]:
    study, scale = analysis.study, analysis.scale
    found = {(d.left, d.right): d for d in analysis.differences if d.summary == result.name}
    rows = []
    for left, right in combinations(study.methods, 2):
        if (left, right) not in found and (right, left) in found:
            left, right = right, left
        name = visible(f"{study.label(left)} − {study.label(right)}")
        difference = found.get((left, right))
        if difference is None:
            reason = why(analysis, result, left, right) or "not among the comparisons"
            rows.append((name, f"not compared: {reason}", "", "", ""))
            continue
        spans = (
            limits(difference.fixed, scale.difference, signed=True),
            limits(difference.new, scale.difference, signed=True),
        )
        mean = estimated(difference.fixed, scale.difference, signed=True)
        rows.append((name, mean, *spans, str(difference.fixed.checkpoints)))
    return rows


def _tests(analysis: Analysis, result: Summary) -> str:
    """Returns the tests of equal means and the probabilities of improvement; empty with one method."""
    study = analysis.study
    rows = [("equal means?", "test", "p", "p, Holm", "left beats right", f"95 % {these(len(study.tasks))}")]
    for pair in analysis.pairs[result.name]:
        name = visible(f"{study.label(pair.left)} − {study.label(pair.right)}")
        chance = estimated(pair.improvement, float), limits(pair.improvement, float)
        rows.append((name, pair.test, p_value(pair.p), p_value(pair.p_holm), *chance))
    return aligned(rows) if len(rows) > 1 else ""


def _iqm(analysis: Analysis, result: Summary) -> str:
    """Returns the secondary aggregate."""
    study, shown = analysis.study, analysis.scale.value
    rows = [("secondary", "interquartile mean", f"95 % {these(len(study.tasks))}")]
    for method in study.methods:
        interval = jackknife(result.cells, {method: 1.0}, iqm).interval().within(analysis.score_bounds)
        rows.append((visible(study.label(method)), estimated(interval, shown), limits(interval, shown)))
    return aligned(rows)


def _verdicts(analysis: Analysis) -> str:
    """Returns the verdicts on what was fixed beforehand, a line each."""
    label = analysis.study.label
    lines = [
        f"{label(comparison.left)} − {label(comparison.right)}: {verdict}"
        for comparison, verdict in analysis.verdicts
    ]
    for decided in analysis.claims:
        verdict = decided.verdict
        lines.append(f"{verdict.claim.id}  {verdict.claim.statement} {capital(str(verdict))}")
    return "\n".join(visible(line) for line in lines)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows as lines, the first column to the left, the others to the right."""
    widths = [max(_width(row[column]) for row in rows if row[-1]) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0] + " " * (widths[0] - _width(row[0]))]
        cells += [
            " " * (width - _width(cell)) + cell for cell, width in zip(row[1:], widths[1:], strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _width(text: str) -> int:
    """Returns how many columns a terminal gives the text."""
    marks = sum(unicodedata.category(letter) in ("Mn", "Me") for letter in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
