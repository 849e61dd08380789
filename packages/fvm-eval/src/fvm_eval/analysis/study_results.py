"""What a finished study hands to its report: tables, what was fixed beforehand, what was spent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any

import polars as pl

from fvm_eval.analysis.film import Film
from fvm_eval.analysis.panel import Panel
from fvm_eval.budget import Budget, Ledger
from fvm_eval.claims import Claim, Comparison, Look, Precondition, check_ids
from fvm_eval.claims.looks import level_of
from fvm_eval.fairness import RUN, Check, LeakAudit
from fvm_eval.folds import Fold
from fvm_eval.naming import visible
from fvm_eval.statistics.variance import known_redrawn
from fvm_eval.table import TableError, check_table

ALPHA = 0.05  # of a study that is judged once
VALUE, AREA, ZERO_SHOT = "Value at budget", "Area under the curve", "Zero-shot (jump-start)"
NEW_LEVELS, LOG_SECONDS = "Zero-shot on new levels", "Log device seconds"
_CELLS = ("method", "fold", "seed", "checkpoint", "task", "value")


def first_outside(
    episodes: pl.DataFrame, possible: Mapping[str, tuple[float, float]]
) -> tuple[str, float, tuple[float, float]] | None:
    """Returns a task, a score there that should not be possible, and the range; None if there is none.

    Args:
        episodes: Columns task and score.
        possible: Lowest and highest possible score by task; of other tasks nothing is asked.
    """
    for task, (low, high) in sorted(possible.items()):
        room = 1e-9 * (high - low)
        mine = episodes.filter(pl.col("task") == task)["score"]
        outside = mine.filter((mine < low - room) | (mine > high + room))
        if len(outside):
            return task, outside[0], (low, high)
    return None


@dataclass(frozen=True, kw_only=True)
class StudyResults:
    """Everything a report shows. Only `title`, `estimand` and `episodes` are required.

    Attributes:
        title: Of the report.
        estimand: The sentence that says what is estimated.
        episodes: The episode table of the deployment evaluations (`fvm_eval.table`).
        score_name: Axis label of a raw score, as in "Episode return".
        score_ranges: (min, max) by task for normalising; without it raw scores are compared.
        normalised_name: Axis label of a score normalised over tasks of several ranges.
        score_bounds: Lowest and highest possible raw score by task where they differ from the ranges; empty
            where there are none.
        budget: What one adaptation could spend; without it the last env step stands for it.
        comparisons: Fixed beforehand, of two methods each; without claims the first is answered in the
            headline.
        claims: Fixed beforehand; the first one is answered in the headline. Their components name the
            summaries that the analysis computes, normalised ("Value at budget", "Area under the curve",
            "Zero-shot (jump-start)"), or those in `cells`.
        cells: More summaries by name, columns method (the arm), fold, seed, checkpoint, task, value, in the
            unit of the claim. "Zero-shot on new levels" (normalised) and "Log device seconds" (natural
            logarithm, of one pretraining) are shown beside the claims too.
        cell_bounds: Lowest and highest possible value of the cells of these summaries.
        trials: Columns method, fold, seed, checkpoint, task, lifetime, trial (from 1), score (raw); returns
            by trial within the lifetimes of agents that remember, on the test tasks.
        trained_trials: Trials in a lifetime of the training, by method; later ones are extrapolation.
        train_sizes: Number of training tasks by method; a method without (scratch) belongs to every size.
        families: By method, the name that its sizes share, as in "multitask@100" -> "multitask". Families
            are drawn in one colour; comparisons are shown against the families in `references`.
        conditions: By method, under what it was tried where a family is tried under several, as in "1 demo":
            each condition has panels and rows of its own, and methods are compared within one.
        eps_schedules: Step size by method, from start to end of the pretraining, of those that differ in it.
        best_scores: Raw score of the best possible player by task, where it is known.
        preconditions: What must hold before any comparison or claim means something.
        ledgers: By method, what one adaptation run spent on its test task.
        plan: Every snapshot that was to be evaluated, from the plan, never from the results: columns method,
            fold, seed, checkpoint, task, env_step, episodes, and perhaps spends: env steps that the run was
            to take on its test task, null where fewer are no advantage.
        spending: What each run's envs counted, from the store: columns method, fold, seed, checkpoint, task,
            env_steps, updates, demos.
        tuning: The tuning jobs that were run, pilots included, from the store: columns method, trial,
            env_steps.
        costs: One row per method (column `method`), other columns as they are to be shown, units in their
            names.
        baselines: Columns baseline, task, score; one row an episode ("random", "always right", ...).
        online: Columns method, seed, task, env_step, return; return of the episodes that ended while
            adapting.
        pretraining: Columns method, seed, env_step, return; the pretraining's own episodes.
        folds: By name; shown with their hashes.
        redrawn_splits: Whether each fold of the episodes is a split that was drawn anew from one pool, so
            that tasks that two of them share are chance, or was planned, as leave-one-out. None where that is
            not known: then folds that share a part of their tasks were drawn, others planned.
        recorded_splits: SHA-256 of the folds as they were recorded before training, in the plan or the
            job keys.
        leak_audit: What the audit of the splits found.
        checks: Lines in place of computed ones of the same rule where they are no better and do not hold.
        config: What the study was asked to do.
        environment: Versions, hardware, commit.
        rerun: The command that makes it again.
        looks: Every verdict that was reached on this study while it grew, first to last, from the log that
            its store keeps; the last is this one.
        planned_looks: Numbers of checkpoints a method at which looks were planned.
        complete: Whether all planned runs are finished; a partial study gets neither verdicts nor p values,
            and its page says what is missing.
        adaptation: Whether methods adapt a pretrained agent to held-out tasks; without it the report's words
            are those of any comparison.
        references: Families that all others are shown against, the first one first.
        margin: Smallest difference that matters, normalised; shaded where no claim gives one.
        panels: Figures that the study hands in, for what the report cannot know.
        films: Episodes to be looked at.
        notes: Warnings shown under the answer, as in "tiny preset, not the paper's setting".
        labels: Readable names of methods, families, baselines and arms; their order is the order of the
            report.
    """

    title: str
    estimand: str
    episodes: pl.DataFrame
    score_name: str = "Episode return"
    normalised_name: str = "Normalised score (0 to 1)"
    score_ranges: Mapping[str, tuple[float, float]] | None = None
    score_bounds: Mapping[str, tuple[float, float]] | None = None
    budget: Budget | None = None
    comparisons: Sequence[Comparison] = ()
    claims: Sequence[Claim] = ()
    cells: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    cell_bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    trials: pl.DataFrame | None = None
    trained_trials: Mapping[str, int] = field(default_factory=dict)
    train_sizes: Mapping[str, int] = field(default_factory=dict)
    families: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)
    eps_schedules: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    best_scores: Mapping[str, float] | None = None
    preconditions: Sequence[Precondition] = ()
    ledgers: Mapping[str, Ledger] = field(default_factory=dict)
    plan: pl.DataFrame | None = None
    spending: pl.DataFrame | None = None
    tuning: pl.DataFrame | None = None
    costs: pl.DataFrame | None = None
    baselines: pl.DataFrame | None = None
    online: pl.DataFrame | None = None
    pretraining: pl.DataFrame | None = None
    folds: Mapping[str, Fold] = field(default_factory=dict)
    redrawn_splits: bool | None = None
    recorded_splits: Sequence[str] = ()
    leak_audit: LeakAudit | None = None
    checks: Sequence[Check] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    rerun: str = ""
    looks: Sequence[Look] = ()
    planned_looks: Sequence[int] = ()
    complete: bool = True
    adaptation: bool = True
    references: Sequence[str] = ()
    margin: float | None = None
    panels: Sequence[Panel] = ()
    films: Sequence[Film] = ()
    notes: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "episodes", check_table(self.episodes))
        if self.episodes.is_empty():
            raise TableError("the episode table is empty: there is nothing to report")
        needed = {
            "baselines": ("baseline", "task", "score"),
            "online": ("method", "seed", "task", "env_step", "return"),
            "pretraining": ("method", "seed", "env_step", "return"),
            "costs": ("method",),
            "plan": (*RUN, "env_step", "episodes"),
            "spending": (*RUN, "env_steps", "updates", "demos"),
            "tuning": ("method", "trial", "env_steps"),
            "trials": ("method", "fold", "seed", "checkpoint", "task", "lifetime", "trial", "score"),
        }
        tables = [(name, getattr(self, name), columns) for name, columns in needed.items()]
        tables += [(f"cells[{name!r}]", table, _CELLS) for name, table in self.cells.items()]
        for name, table, columns in tables:
            missing = [] if table is None else [column for column in columns if column not in table.columns]
            if missing:
                raise TableError(f"{name} lacks {', '.join(missing)}; it has {', '.join(table.columns)}")
        if self.plan is not None and self.plan.is_empty():
            raise TableError("the plan is empty: leave it out where there is none")
        if self.baselines is not None:
            scores = pl.col("score").cast(pl.Float64).fill_null(float("nan"))  # a missing score is no number
            object.__setattr__(self, "baselines", self.baselines.with_columns(scores))
        for comparison in self.comparisons:
            for method in (comparison.left, comparison.right):
                if method not in self.methods:
                    raise ValueError(
                        f"a comparison names {method!r}; the table has {', '.join(self.methods)}"
                    )
        marked = {name: known_redrawn(table, self.redrawn_splits) for name, table in self.cells.items()}
        object.__setattr__(self, "cells", marked)
        self._check_arms()
        self._check_numbers()
        if self.margin is not None and not (isfinite(self.margin) and self.margin > 0):
            raise ValueError(f"margin={self.margin}: give the smallest difference that matters, above 0")

    def _check_arms(self) -> None:
        """Refuses facts about arms that no table has: a misspelt one would be left out in silence."""
        check_ids(self.claims)
        if own := [name for name in (VALUE, AREA, ZERO_SHOT) if name in self.cells]:
            raise ValueError(f"cells has {own[0]!r}, which is computed from the episodes; leave it out")
        known = {*self.methods, *(arm for table in self.cells.values() for arm in table["method"].unique())}
        known |= set() if self.trials is None else set(self.trials["method"].unique())
        for name in ("trained_trials", "train_sizes", "families", "conditions", "eps_schedules"):
            if unknown := sorted(set(getattr(self, name)) - known):
                raise ValueError(f"{name} names {unknown[0]!r}; the tables have {', '.join(sorted(known))}")

    def _check_numbers(self) -> None:
        """Refuses counts below 1, step sizes that are no numbers, and best scores that lack a task."""
        for name in ("trained_trials", "train_sizes"):
            for method, count in getattr(self, name).items():
                if count < 1:
                    raise ValueError(f"{name}[{method!r}]={count}: expected 1 or more")
        if self.trials is not None and len(self.trials) and (self.trials["trial"] < 1).any():
            raise TableError("trials has a trial below 1: they are counted from 1")
        for method, schedule in self.eps_schedules.items():
            if len(schedule) != 2 or not all(isfinite(eps) for eps in schedule):
                raise ValueError(f"eps_schedules[{method!r}]={schedule}: expected two numbers, (start, end)")
        for name in ("score_ranges", "score_bounds"):
            for task, ends in sorted((getattr(self, name) or {}).items()):
                if len(ends) != 2 or not all(map(isfinite, ends)) or not ends[0] < ends[1]:
                    raise TableError(f"{name} of {task} is {ends}: expected two finite numbers, low < high")
        self._check_scores()
        lacking = [] if self.best_scores is None else sorted(set(self.tasks) - set(self.best_scores))
        if lacking:
            raise ValueError(f"best_scores lacks {lacking[0]}; give the best score of every test task")

    def _check_scores(self) -> None:
        """Refuses scores outside the range that was stated, in which no interval would mean anything."""
        possible = self.score_ranges if self.score_bounds is None else self.score_bounds
        if found := first_outside(self.episodes, possible or {}):
            task, score, (low, high) = found
            raise TableError(
                f"{task} has the score {score:g}, outside its range of {low:g} to {high:g}; give the lowest "
                "and highest possible score"
            )

    @cached_property
    def methods(self) -> list[str]:
        """Methods of the table, those with labels first and in their order."""
        found = self.episodes["method"].unique().sort().to_list()
        return [m for m in self.labels if m in found] + [m for m in found if m not in self.labels]

    @cached_property
    def tasks(self) -> list[str]:
        """Held-out tasks of the table, numbers in their names in numeric order."""
        return sorted(
            self.episodes["task"].unique().to_list(),
            key=lambda task: [part.zfill(12) if part.isdigit() else part for part in task.split("/")],
        )

    @cached_property
    def final_step(self) -> int:
        """The env step at which methods are compared."""
        if self.budget is not None:
            return self.budget.env_steps
        return int(self.episodes["env_step"].to_numpy().max())

    @property
    def level(self) -> float:
        """The level at which this look may decide (`fvm_eval.claims.looks`); .05 where none were logged."""
        return level_of(self.looks, self.looks[-1], self.planned_looks, alpha=ALPHA) if self.looks else ALPHA

    def family(self, method: str) -> str:
        """The name that a method shares with its other training-set sizes; its own if there are none."""
        return self.families.get(method, method)

    def summary_label(self, name: str) -> str:
        """The readable name of a summary: where nothing adapts there is neither a budget nor a jump-start."""
        return (
            name
            if self.adaptation
            else {VALUE: "Final score", ZERO_SHOT: "Score at the start"}.get(name, name)
        )

    def label(self, name: str) -> str:
        """The readable name of a method, a baseline or an arm; control characters are written out.

        An arm's name that tells of methods, as "rl2 trial 4" or "random play, rl2", has theirs in it.
        """
        if name not in self.labels and name not in self.methods:
            longest = sorted(self.methods, key=len, reverse=True)
            known = "|".join(map(re.escape, longest))
            name = re.sub(rf"(?:^|(?<=, ))(?:{known})(?=$|[ ,])", lambda m: self.label(m[0]), name)
        return visible(self.labels.get(name, name))
