"""All numbers of a report: curves, summaries with both intervals, differences, verdicts, checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from fvm_eval import rules
from fvm_eval.comparisons import Comparison, Verdict, judge
from fvm_eval.curves import area_under_curve, normalise, pooled_curves, run_curves, value_at
from fvm_eval.intervals import Interval, difference_interval, mean_interval, new_tasks_interval
from fvm_eval.results import StudyResults
from fvm_eval.rules import Check


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


@dataclass(frozen=True)
class Analysis:
    """Everything the page and the figures show. Scores are normalised; `scale` maps them to shown units."""

    study: StudyResults
    scale: Scale
    score_bounds: tuple[float, float] | None
    runs: pl.DataFrame
    pooled: pl.DataFrame
    summaries: tuple[Summary, ...]
    differences: tuple[Difference, ...]
    verdicts: tuple[tuple[Comparison, Verdict], ...]
    baselines: Mapping[str, float]
    checks: tuple[Check, ...]

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
    scale, bounds = _scale(study), _bounds(study)
    episodes = study.episodes
    baselines = study.baselines
    if study.score_ranges is not None:
        episodes = normalise(episodes, study.score_ranges)
        baselines = None if baselines is None else normalise(baselines, study.score_ranges)
    runs = run_curves(episodes)
    summaries = _summaries(study, runs, bounds)
    verdicts = []
    for comparison in study.comparisons:
        cells = summaries[0].cells
        verdict = judge(
            comparison,
            cells[comparison.left],
            cells[comparison.right],
            preconditions=study.preconditions,
            score_bounds=bounds,
        )
        verdicts.append((comparison, verdict))
    means = {}
    if baselines is not None:
        by_task = baselines.group_by("baseline", "task").agg(pl.col("score").mean())
        means = dict(by_task.group_by("baseline").agg(pl.col("score").mean()).sort("baseline").iter_rows())
    return Analysis(
        study=study,
        scale=scale,
        score_bounds=bounds,
        runs=runs,
        pooled=pooled_curves(runs, score_bounds=bounds),
        summaries=summaries,
        differences=_differences(study, summaries, bounds),
        verdicts=tuple(verdicts),
        baselines={name: means[name] for name in sorted(means, key=lambda n: means[n])},
        checks=_checks(study, runs, summaries, [verdict for _, verdict in verdicts]),
    )


def _scale(study: StudyResults) -> Scale:
    if study.score_ranges is None:
        return Scale(study.score_name)
    ranges = {study.score_ranges[task] for task in study.tasks if task in study.score_ranges}
    if len(ranges) == 1:
        low, high = next(iter(ranges))
        return Scale(study.score_name, low, high - low)
    return Scale("Normalised score (0 to 1)")


def _bounds(study: StudyResults) -> tuple[float, float] | None:
    """Returns the lowest and highest possible normalised score where all tasks share them."""
    if study.score_ranges is None:
        return None
    possible = study.score_bounds or study.score_ranges
    both = [(study.score_ranges[t], possible[t]) for t in study.tasks if t in study.score_ranges]
    found = {((b[0] - r[0]) / (r[1] - r[0]), (b[1] - r[0]) / (r[1] - r[0])) for r, b in both if r[1] > r[0]}
    return next(iter(found)) if len(found) == 1 else None


def _summaries(
    study: StudyResults, runs: pl.DataFrame, bounds: tuple[float, float] | None
) -> tuple[Summary, ...]:
    steps = runs["env_step"].unique().to_list()
    tables = [("Value at budget" if study.final_step else "Score", value_at(runs, study.final_step))]
    if 0 in steps and len(steps) > 1:
        tables.append(("Area under the curve", area_under_curve(runs, study.final_step)))
        tables.append(("Zero-shot (jump-start)", value_at(runs, 0)))
    summaries = []
    for name, table in tables:
        cells = {method: table.filter(pl.col("method") == method) for method in study.methods}
        fixed = {method: mean_interval(cells[method], score_bounds=bounds) for method in cells}
        new = {method: new_tasks_interval(cells[method]) for method in cells}
        summaries.append(Summary(name, cells, fixed, new))
    return tuple(summaries)


def _differences(
    study: StudyResults, summaries: tuple[Summary, ...], bounds: tuple[float, float] | None
) -> tuple[Difference, ...]:
    """Returns the comparisons' differences, or all pairs where none was fixed beforehand."""
    pairs = [(comparison.left, comparison.right) for comparison in study.comparisons]
    if not pairs:
        pairs = [(a, b) for i, a in enumerate(study.methods) for b in study.methods[i + 1 :]]
    differences = []
    for left, right in dict.fromkeys(pairs):
        for summary in summaries:
            sides = summary.cells[left], summary.cells[right]
            if set(sides[0]["task"]) != set(sides[1]["task"]):
                continue
            fixed = difference_interval(*sides, score_bounds=bounds)
            differences.append(Difference(left, right, summary.name, fixed, new_tasks_interval(*sides)))
    return tuple(differences)


def _checks(
    study: StudyResults, runs: pl.DataFrame, summaries: tuple[Summary, ...], verdicts: list[Verdict]
) -> tuple[Check, ...]:
    final = summaries[0]
    names = [] if study.baselines is None else study.baselines["baseline"].unique().sort().to_list()
    if len(summaries) > 1:  # the curves begin before any adaptation
        names.append("zero-shot")
    script = None
    if study.baselines is not None:
        script = study.baselines.filter(~pl.col("baseline").is_in(["random", "zero-shot"]))
    ranges = study.score_bounds or study.score_ranges
    best = None if ranges is None else {task: high for task, (_, high) in ranges.items()}
    computed = [
        rules.check_estimand(study.estimand, list(final.fixed.values()), list(final.new.values())),
        rules.check_splits(study.folds, study.recorded_splits, study.tasks, study.ledgers),
        rules.check_leaks(study.leak_audit, study.tasks),
        rules.check_budget(study.budget, study.ledgers, int(runs["env_step"].to_numpy().max())),
        rules.check_baselines(names, study.methods, script, best),
        rules.check_curves(runs, study.online),
        rules.check_episodes(study.episodes),
        rules.check_summaries(runs, study.final_step, len(summaries) > 1),
        rules.check_complete(runs),
        rules.check_size(study.comparisons, verdicts),
    ]
    given = {check.rule: check for check in study.checks}
    return tuple(given.get(check.rule, check) for check in computed)
