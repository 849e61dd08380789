"""Summaries of a study: one number a method with both intervals, differences, and the units they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from fvm_eval.analysis.study_results import AREA, VALUE, ZERO_SHOT, StudyResults
from fvm_eval.curves import area_under_curve, begin_at_0, value_at
from fvm_eval.naming import plural
from fvm_eval.statistics.contrasts import SharedInPartError
from fvm_eval.statistics.intervals import Interval, both_intervals

Pair = tuple[str, str]
MAX_PAIRS = 6


@dataclass(frozen=True)
class Scale:
    """How normalised numbers are shown: as raw scores where all tasks share one range, else as they are.

    Attributes:
        label: Axis label with its unit.
        low, span: Of the shared raw range.
    """

    label: str
    low: float = 0.0
    span: float = 1.0

    def value(self, normalised: float) -> float:
        """Returns a mean in shown units."""
        return self.low + self.span * normalised

    def difference(self, normalised: float) -> float:
        """Returns a difference in shown units."""
        return self.span * normalised


@dataclass(frozen=True)
class Summary:
    """One number a method, by method: over these tasks and over new tasks. `cells` are the runs' own."""

    name: str
    cells: Mapping[str, pl.DataFrame]
    fixed: Mapping[str, Interval]
    new: Mapping[str, Interval]


@dataclass(frozen=True)
class Difference:
    """Left minus right in one summary, over these tasks and over new tasks; normalised."""

    left: str
    right: str
    summary: str
    fixed: Interval
    new: Interval

    @property
    def shown(self) -> bool:
        """Whether there is an interval to draw."""
        return self.fixed.low is not None or self.new.low is not None


def scale_of(study: StudyResults) -> Scale:
    """Returns the units in which scores are shown."""
    if study.score_ranges is None:
        return Scale(study.score_name)
    ranges = {study.score_ranges[task] for task in study.tasks if task in study.score_ranges}
    if len(ranges) == 1:
        low, high = next(iter(ranges))
        return Scale(study.score_name, low, high - low)
    return Scale(study.normalised_name)


def bounds_of(study: StudyResults) -> tuple[float, float] | None:
    """Returns the lowest and highest possible normalised score where all tasks share them."""
    if study.score_ranges is None:
        return None
    possible = study.score_ranges if study.score_bounds is None else study.score_bounds
    if not possible:
        return None
    both = [(study.score_ranges[t], possible[t]) for t in study.tasks if t in study.score_ranges]
    found = {((b[0] - r[0]) / (r[1] - r[0]), (b[1] - r[0]) / (r[1] - r[0])) for r, b in both if r[1] > r[0]}
    return next(iter(found)) if len(found) == 1 else None


def best_of(study: StudyResults) -> dict[str, float]:
    """Returns the best possible score by task, normalised as the scores are; empty where it is unknown."""
    if study.best_scores is None:
        return {}
    ranges = study.score_ranges or {}
    lows = {task: ranges.get(task, (0.0, 1.0)) for task in study.tasks}
    return {task: (study.best_scores[task] - low) / (high - low) for task, (low, high) in lows.items()}


def summaries_of(
    study: StudyResults, runs: pl.DataFrame, bounds: tuple[float, float] | None
) -> tuple[Summary, ...]:
    """Returns value at budget and, where all curves begin at env step 0, area and jump-start."""
    tables = [(VALUE if study.final_step else "Score", value_at(runs, study.final_step))]
    if runs["env_step"].n_unique() > 1 and begin_at_0(runs):
        tables.append((AREA, area_under_curve(runs, study.final_step)))
        if study.adaptation:
            tables.append((ZERO_SHOT, value_at(runs, 0)))
    summaries = []
    for name, table in tables:
        cells = {method: table.filter(pl.col("method") == method) for method in study.methods}
        both = {method: both_intervals(mine, score_bounds=bounds) for method, mine in cells.items()}
        fixed, new = ({method: pair[i] for method, pair in both.items()} for i in (0, 1))
        summaries.append(Summary(name, cells, fixed, new))
    return tuple(summaries)


def regret_of(study: StudyResults, summary: Summary) -> dict[str, Interval]:
    """Returns each method's regret, best possible minus reached, over these tasks; normalised."""
    best = best_of(study)
    if not best:
        return {}
    regrets = {}
    for method, reached in summary.fixed.items():
        tasks = summary.cells[method]["task"].unique().to_list()
        ceiling = sum(best[task] for task in tasks) / len(tasks)
        low, high = (None if end is None else ceiling - end for end in (reached.high, reached.low))
        regrets[method] = replace(reached, mean=ceiling - reached.mean, low=low, high=high, beside=None)
    return regrets


def differences_of(
    study: StudyResults, summaries: tuple[Summary, ...], bounds: tuple[float, float] | None
) -> tuple[Difference, ...]:
    """Returns the differences of the pairs that the study compares, in every summary.

    Methods that were tested on different tasks, or share only some of their checkpoints, have none.
    """
    differences = []
    for left, right in _pairs(study):
        for summary in summaries:
            sides = summary.cells[left], summary.cells[right]
            if set(sides[0]["task"]) != set(sides[1]["task"]):
                continue
            try:
                fixed, new = both_intervals(*sides, score_bounds=bounds)
            except SharedInPartError:
                continue
            differences.append(Difference(left, right, summary.name, fixed, new))
    return tuple(differences)


def shown_pairs(study: StudyResults, differences: tuple[Difference, ...]) -> list[Pair]:
    """Returns the pairs that figures and tables show: of many, those fixed beforehand or with a reference."""
    pairs = list(dict.fromkeys((d.left, d.right) for d in differences))
    if len(pairs) <= MAX_PAIRS:
        return pairs
    chosen = {*_reference_pairs(study), *_compared(study)}
    return [pair for pair in pairs if pair in chosen] or pairs


def pair_groups(study: StudyResults, pairs: Sequence[Pair]) -> dict[tuple[str, str], list[Pair]]:
    """Returns pairs by the family of their right side and the title of what sets them apart besides.

    That is their condition or, where there are several, the training-set size; "" for nothing.
    """
    several = len(set(study.train_sizes.values())) > 1
    groups: dict[tuple[str, str], list[Pair]] = {}
    for left, right in pairs:
        size = study.train_sizes.get(left, study.train_sizes.get(right)) if several else None
        title = "" if size is None else plural(size, "training task")
        title = study.conditions.get(left, title)
        groups.setdefault((study.family(right), title), []).append((left, right))
    return groups


def grouped(study: StudyResults, pairs: Sequence[Pair]) -> bool:
    """Whether pairs are shown in groups: many of them, or of several conditions."""
    return len(pairs) > MAX_PAIRS or bool(study.conditions)


def _pairs(study: StudyResults) -> list[Pair]:
    """Returns the comparisons' pairs, or all where none was fixed; of a large design the reference pairs."""
    every = [
        (a, b)
        for i, a in enumerate(study.methods)
        for b in study.methods[i + 1 :]
        if study.conditions.get(a) == study.conditions.get(b)
    ]
    designed = bool(study.claims or study.comparisons or study.train_sizes)
    if designed:  # minus the first reference, else minus the next, as in the reference pairs
        order = list(study.references)
        rank = {m: order.index(f) if (f := study.family(m)) in order else len(order) for m in study.methods}
        every = [(b, a) if rank[a] < rank[b] else (a, b) for a, b in every]
    pairs = _compared(study) or every
    if len(pairs) > MAX_PAIRS and designed:
        pairs = [*_reference_pairs(study), *_compared(study)] or every
    return list(dict.fromkeys(pairs))


def _compared(study: StudyResults) -> list[Pair]:
    return [(comparison.left, comparison.right) for comparison in study.comparisons]


def _reference_pairs(study: StudyResults) -> list[Pair]:
    """Returns every method with the first reference, then with the next, of the same training-set size."""
    pairs = []
    for place, family in enumerate(study.references):
        for reference in (m for m in study.methods if study.family(m) == family):
            for method in study.methods:
                unequal = study.train_sizes.get(method) != study.train_sizes.get(reference)
                sized = method in study.train_sizes and reference in study.train_sizes
                apart = study.conditions.get(method) != study.conditions.get(reference)
                known = study.family(method) in study.references[: place + 1]
                if not (known or apart or (sized and unequal)):
                    pairs.append((method, reference))
    return pairs
