"""Means that are over other tasks, pairs of methods that have no difference: in words of page and text."""

from __future__ import annotations

from itertools import combinations

import polars as pl

from fvm_eval.analysis import Analysis
from fvm_eval.analysis.summaries import Summary
from fvm_eval.naming import plural, visible
from fvm_eval.statistics.variance import by_split, lacking, rows_of, splits_are_redrawn, tasks_of, without

_NAMED = 4  # pairs of one reason, or methods, that a sentence names
_TASKS = 3  # that it names of each method


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


def of_other_tasks(analysis: Analysis) -> str:
    """Returns the sentence that names methods and baselines whose means are over fewer tasks than others'.

    Empty where there are none, and where each fold drew its tasks anew, so that none are missing.
    """
    kept: dict[str, set[str]] = {}
    for method, cells in analysis.summaries[0].cells.items():
        rows = rows_of(cells)
        kept[method] = tasks_of(rows) - (lost := lacking(rows))
        if splits_are_redrawn(by_split(without(rows, lost))):
            return ""
    every = set[str]().union(*kept.values())
    if (played := analysis.study.baselines) is not None:
        by_player = played.group_by("baseline").agg(pl.col("task").unique()).sort("baseline")
        kept |= {name: every & set(tasks) for name, tasks in by_player.iter_rows()}
    fewer = [(method, mine) for method, mine in kept.items() if mine != every]
    if not fewer:
        return ""
    clauses = [
        f"{analysis.study.label(method)}’s is over {len(mine)} of {len(every)} (without "
        f"{_listed([visible(task) for task in sorted(every - mine)], _TASKS)})"
        for method, mine in fewer
    ]
    return (
        f"Means are not over the same tasks: {_listed(clauses, _NAMED)}. Compare methods by their "
        "differences, which are over the tasks that both have."
    )


def _listed(names: list[str], most: int) -> str:
    more = len(names) - most
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:most])} and {more} more"
