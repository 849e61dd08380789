"""Pairs of methods that have no difference, and why, in the words of page and text."""

from __future__ import annotations

from itertools import combinations

from fvm_eval.analysis import Analysis
from fvm_eval.analysis.summaries import Summary
from fvm_eval.naming import plural

_NAMED = 4  # pairs of one reason that a sentence names


def why(analysis: Analysis, summary: Summary, left: str, right: str) -> str:
    """Returns why two methods cannot be compared; empty if they can."""
    if set(summary.cells[left]["task"]) != set(summary.cells[right]["task"]):
        return "tested on different tasks"
    if any({pair.left, pair.right} == {left, right} for pair in analysis.pairs[summary.name]):
        return ""
    return "they share some checkpoints, not all"


def uncompared(analysis: Analysis) -> str:
    """Returns the sentence that names pairs of one condition that cannot be compared; empty without any."""
    study, summary = analysis.study, analysis.summaries[0]
    found: dict[str, list[str]] = {}
    for left, right in combinations(study.methods, 2):
        alike = study.conditions.get(left) == study.conditions.get(right)
        if alike and (reason := why(analysis, summary, left, right)):
            found.setdefault(reason, []).append(f"{study.label(left)} and {study.label(right)}")
    clauses = []
    for reason, pairs in found.items():
        more = len(pairs) - _NAMED
        named = [*pairs[:_NAMED], *([f"{plural(more, 'more pair')}"] if more > 0 else [])]
        clauses.append(f"{', '.join(named)} ({reason})")
    return f"Not compared: {'; '.join(clauses)}." if clauses else ""
