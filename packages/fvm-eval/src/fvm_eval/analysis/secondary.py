"""What else the scores say: other aggregates, profiles, who beats whom, what checkpoints share, how soon.

The mean decides; these answer other questions, so that a reader sees whether they agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf

import numpy as np
import polars as pl

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.analysis.summaries import MAX_PAIRS
from fvm_eval.curves import time_to_threshold
from fvm_eval.statistics.aggregate import Aggregate, iqm, median, optimality_gap
from fvm_eval.statistics.estimates import Interval
from fvm_eval.statistics.icc import CheckpointVariance, checkpoint_variance
from fvm_eval.statistics.intervals import mean_interval
from fvm_eval.statistics.jackknife import jackknife
from fvm_eval.statistics.pairs import Pair
from fvm_eval.statistics.profiles import performance_profile

_POINTS, _SEED, _HALF = 41, 0, 0.5
_GAP = "Optimality gap"


@dataclass(frozen=True)
class Reached:
    """When a method's runs reached a threshold: mean env step, runs that never did counted at the budget."""

    time: Interval
    share: float


@dataclass(frozen=True)
class Secondary:
    """Secondary numbers of the final scores, normalised.

    Attributes:
        aggregates: By name and method: interquartile mean, median, optimality gap (of normalised scores).
        profiles: Columns method, threshold, share, low, high.
        pairs: Tests of equal means, and how often a run of one method beats one of another; of many methods
            only pairs with a reference, or with the best one.
        shared: By method, what a checkpoint's tasks share; a sentence where that cannot be told.
        threshold: Normalised score that counts as reached; None without curves and a score range.
        reached: By method, when; without those that remember, whose steps end with their lifetime.
        measures: By name and arm, mean of the study's further cells.
    """

    aggregates: Mapping[str, Mapping[str, Interval]]
    profiles: pl.DataFrame
    pairs: Sequence[Pair]
    shared: Mapping[str, CheckpointVariance | str]
    threshold: float | None
    reached: Mapping[str, Reached]
    measures: Mapping[str, Mapping[str, Interval]]


def secondary_of(analysis: Analysis) -> Secondary:
    """Returns the secondary numbers of an analysis."""
    study, cells = analysis.study, analysis.summaries[0].cells
    chosen: dict[str, Aggregate] = {"Interquartile mean": iqm, "Median": median}
    if study.score_ranges is not None:
        chosen[_GAP] = partial(optimality_gap, gamma=1.0)
    possible = dict.fromkeys(chosen, analysis.score_bounds)
    lowest, highest = analysis.score_bounds or (-inf, inf)
    possible[_GAP] = max(1 - highest, 0.0), max(1 - lowest, 0.0)  # never below 0, whatever scores are
    aggregates = {
        name: {
            m: jackknife({m: cells[m]}, {m: 1.0}, aggregate).interval().within(possible[name])
            for m in study.methods
        }
        for name, aggregate in chosen.items()
    }
    threshold = _HALF if study.score_ranges is not None and analysis.has_curve else None
    reached: dict[str, Reached] = {}
    if threshold is not None:
        times, last = time_to_threshold(analysis.runs, threshold, study.final_step), float(study.final_step)
        remembering = set(study.trained_trials)
        remembering |= set() if study.trials is None else set(study.trials["method"].unique())
        if study.spending is not None:  # some of them fine-tune as well, and take all of the steps
            whole = study.spending.filter(pl.col("env_steps") >= study.final_step)
            remembering -= set(whole["method"].unique())
        for method in study.methods:
            mine = times.filter(pl.col("method") == method)
            share = 1.0 - float(np.mean(mine["censored"].to_numpy()))
            if method not in remembering:
                reached[method] = Reached(mean_interval(mine, score_bounds=(0.0, last)), share)
    return Secondary(
        aggregates=aggregates,
        profiles=_profiles(analysis),
        pairs=_pairs(analysis),
        shared={m: _shared(cells[m]) for m in study.methods} if len(study.tasks) > 1 else {},
        threshold=threshold,
        reached=reached,
        measures={
            name: {
                str(arm): mean_interval(mine, score_bounds=_holding(table, study.cell_bounds.get(name)))
                for (arm,), mine in table.group_by("method")
            }
            for name, table in sorted(study.cells.items())
        },
    )


def _profiles(analysis: Analysis) -> pl.DataFrame:
    """Returns every method's profile at thresholds over the possible scores, else over the seen ones."""
    cells = analysis.summaries[0].cells
    values = np.concatenate([table["value"].to_numpy() for table in cells.values()])
    low, high = analysis.score_bounds or (float(values.min()), float(values.max()))
    thresholds = np.linspace(low, high if high > low else low + 1.0, _POINTS)
    tables = []
    for method in analysis.study.methods:
        rng = np.random.default_rng(_SEED)
        profile = performance_profile(cells[method], thresholds.tolist(), rng=rng)
        tables.append(profile.with_columns(method=pl.lit(method)))
    return pl.concat(tables).select("method", "threshold", "share", "low", "high")


def _pairs(analysis: Analysis) -> list[Pair]:
    found = list(analysis.pairs[analysis.summaries[0].name])
    if not analysis.study.complete:  # a test of what happened to finish first is no test
        found = [replace(pair, p=None, p_holm=None) for pair in found]
    if len(found) <= MAX_PAIRS:
        return found
    shown = {frozenset((d.left, d.right)) for d in analysis.differences}
    return [pair for pair in found if frozenset((pair.left, pair.right)) in shown]


def _holding(table: pl.DataFrame, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    """Returns the bounds if all values lie within them."""
    if bounds is None or not table["value"].is_between(*bounds).all():
        return None
    return bounds


def _shared(cells: pl.DataFrame) -> CheckpointVariance | str:
    try:
        return checkpoint_variance(cells)
    except ValueError as error:
        return str(error)
