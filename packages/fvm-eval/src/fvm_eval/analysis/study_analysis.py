"""All numbers of a report: curves, summaries with both intervals, differences, verdicts, checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import polars as pl

from fvm_eval.analysis import series
from fvm_eval.analysis.decisions import Decided, DeviceSeconds, decide_claims, device_seconds, unit_of
from fvm_eval.analysis.study_results import ZERO_SHOT, StudyResults
from fvm_eval.analysis.summaries import (
    Difference,
    Scale,
    Summary,
    best_of,
    bounds_of,
    differences_of,
    regret_of,
    scale_of,
    summaries_of,
)
from fvm_eval.claims import ClaimVerdict, Comparison, judge
from fvm_eval.claims.looks import asked_hash
from fvm_eval.curves import normalise, pooled_curves, run_curves
from fvm_eval.fairness import Check, baselines, completeness, snapshots, spending, splits
from fvm_eval.fairness.copies import copied
from fvm_eval.statistics.intervals import Interval
from fvm_eval.statistics.pairs import Pair, compare_pairs
from fvm_eval.statistics.variance import known_redrawn


@dataclass(frozen=True)
class Analysis:
    """Everything the page and the figures show. Scores are normalised; `scale` maps them to shown units.

    Attributes:
        study: What it was computed from.
        scale: Of the shown units.
        score_bounds: Lowest and highest possible score, where all tasks share them.
        runs: Each run's deployment curve (`fvm_eval.curves`).
        pooled: Each method's, with limits.
        online: Each method's return while adapting, with limits; None where it was not given.
        pretraining: The same of the pretraining.
        trials: Mean return by trial within a lifetime, with limits; None where there are no trials.
        zero_shot: By training-set size; None where no family has two.
        summaries: Value at budget first.
        regret: Best possible minus reached at the budget, by method; empty where the best is unknown.
        best: Best possible score by task; empty where it is unknown.
        differences: Of the pairs that are compared.
        verdicts: On the comparisons.
        claims: Verdicts on the claims.
        device_seconds: Of one pretraining, by arm; empty where they were not given.
        baselines: Mean scores, lowest first.
        copies: Which checkpoints have the very same episodes; empty if none.
        checks: The rules, in order.
    """

    study: StudyResults
    scale: Scale
    score_bounds: tuple[float, float] | None
    runs: pl.DataFrame
    pooled: pl.DataFrame
    online: pl.DataFrame | None
    pretraining: pl.DataFrame | None
    trials: pl.DataFrame | None
    zero_shot: pl.DataFrame | None
    summaries: tuple[Summary, ...]
    regret: Mapping[str, Interval]
    best: Mapping[str, float]
    differences: tuple[Difference, ...]
    verdicts: tuple[tuple[Comparison, ClaimVerdict], ...]
    claims: tuple[Decided, ...]
    device_seconds: Mapping[str, DeviceSeconds]
    baselines: Mapping[str, float]
    copies: str
    checks: tuple[Check, ...]

    @cached_property
    def pairs(self) -> Mapping[str, Sequence[Pair]]:
        """By summary, all pairs of methods: tests of equal means, and how often one beats the other."""
        return {s.name: compare_pairs(s.cells, score_bounds=self.score_bounds) for s in self.summaries}

    @property
    def steps(self) -> list[int]:
        """Env steps with an evaluation."""
        return sorted(self.runs["env_step"].unique().to_list())

    @property
    def has_curve(self) -> bool:
        """Whether there is more than one point to draw."""
        return len(self.steps) > 1


def analyse(study: StudyResults) -> Analysis:
    """Returns all numbers of a study's report.

    Raises:
        TableError: A run lacks its evaluation at the budget, or a task its range.
    """
    bounds = bounds_of(study)
    episodes = study.episodes
    baselines = study.baselines
    if study.score_ranges is not None:
        episodes = normalise(episodes, study.score_ranges)
        baselines = None if baselines is None else normalise(baselines, study.score_ranges)
    runs = known_redrawn(run_curves(episodes, score_bounds=bounds), study.redrawn_splits)
    twice = copied(runs, episodes)
    summaries = summaries_of(study, runs, bounds)
    verdicts = []
    for comparison in study.comparisons if study.complete else ():
        cells = summaries[0].cells
        verdict = judge(
            comparison,
            cells[comparison.left],
            cells[comparison.right],
            baseline=cells.get(comparison.baseline or ""),
            preconditions=study.preconditions,
            alpha=study.level,
            score_bounds=bounds,
            unit=unit_of(study),
        )
        verdicts.append((comparison, verdict))
    means = {}
    if baselines is not None:
        by_task = baselines.group_by("baseline", "task").agg(pl.col("score").mean())
        means = dict(by_task.group_by("baseline").agg(pl.col("score").mean()).sort("baseline").iter_rows())
    jump_start = next((summary.fixed for summary in summaries if summary.name == ZERO_SHOT), {})
    claims = decide_claims(study, summaries, bounds)
    return Analysis(
        study=study,
        scale=scale_of(study),
        score_bounds=bounds,
        runs=runs,
        pooled=pooled_curves(runs, score_bounds=bounds),
        online=series.returns(study, study.online),
        pretraining=series.returns(study, study.pretraining),
        trials=series.trial_curves(study),
        zero_shot=series.zero_shot_by_size(study, jump_start),
        summaries=summaries,
        regret=regret_of(study, summaries[0]),
        best=best_of(study),
        differences=differences_of(study, summaries, bounds),
        verdicts=tuple(verdicts),
        claims=claims,
        device_seconds=device_seconds(study),
        baselines={name: means[name] for name in sorted(means, key=lambda n: means[n])},
        copies=twice,
        checks=_checks(study, runs, twice, summaries, [verdict for _, verdict in verdicts], claims),
    )


def _checks(
    study: StudyResults,
    runs: pl.DataFrame,
    twice: str,
    summaries: tuple[Summary, ...],
    verdicts: list[ClaimVerdict],
    claims: tuple[Decided, ...],
) -> tuple[Check, ...]:
    final = summaries[0]
    ranges = study.score_bounds or study.score_ranges
    fewest = min(interval.checkpoints for interval in final.fixed.values())
    leaked = () if study.leak_audit is None else study.leak_audit.leaked
    held_out = {t for fold in study.folds.values() for t in fold.held_out}.difference(leaked)
    budgets = {method: ledger.budget for method, ledger in study.ledgers.items()}
    # That one condition has more demos than another is what it is: within each they are equal.
    limits = [{method: replace(budget, demos=0) for method, budget in budgets.items()}] + [
        {m: budget for m, budget in budgets.items() if study.conditions.get(m, "") == condition}
        for condition in dict.fromkeys(study.conditions.get(method, "") for method in budgets)
    ]
    computed = [
        splits.check_estimand(study.estimand, list(final.fixed.values()), list(final.new.values())),
        splits.check_splits(
            study.folds, study.recorded_splits, study.tasks, study.methods, study.tuning, study.plan
        ),
        splits.check_leaks(study.leak_audit, study.tasks, study.folds),
        reduce(
            Check.or_worse,
            [spending.check_matched(mine) for mine in limits],
            spending.check_budget(study.budget, study.spending, study.plan, runs, study.conditions),
        ),
        baselines.check_baselines(study.baselines, study.methods, study.tasks, len(summaries) > 1, ranges),
        snapshots.check_curves(runs, study.online, study.plan),
        snapshots.check_episodes(study.episodes, study.plan),
        snapshots.check_summaries(runs, study.episodes, study.final_step, study.plan),
        completeness.check_complete(runs, twice, study.plan, study.spending, study.pretraining, held_out),
        completeness.check_size(
            [*verdicts, *(decided.verdict for decided in claims)],
            study.looks,
            fewest,
            study.planned_looks,
            None if study.plan is None or "key" not in study.plan.columns else study.plan["key"].to_list(),
            asked_hash(study.claims) if study.claims else "",
        ),
    ]
    given = {check.rule: check for check in study.checks}
    return tuple(check.or_worse(given.get(check.rule)) for check in computed)
