"""What a finished study hands to its report: tables, what was fixed beforehand, what was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from fvm_eval.budget import Budget, Ledger
from fvm_eval.claims import Precondition
from fvm_eval.comparisons import Comparison
from fvm_eval.folds import Fold
from fvm_eval.rules import Check, LeakAudit
from fvm_eval.table import TableError, check_table


@dataclass(frozen=True, kw_only=True)
class StudyResults:
    """Everything a report shows. Only `title`, `estimand` and `episodes` are required.

    Attributes:
        title: Of the report.
        estimand: The sentence that says what is estimated.
        episodes: The episode table of the deployment evaluations (`fvm_eval.table`).
        score_name: Axis label of a raw score, as in "Episode return".
        score_ranges: (min, max) by task for normalising; without it raw scores are compared.
        score_bounds: Lowest and highest possible raw score by task where they differ from the ranges.
        budget: What one adaptation could spend; without it the last env step stands for it.
        comparisons: Fixed beforehand; the first one is answered in the headline.
        preconditions: What must hold before any comparison means something.
        ledgers: By method, what one adaptation run spent on its test task.
        costs: One row per method (column `method`), other columns as they are to be shown, units in their
            names.
        baselines: Columns baseline, task, score; one row an episode ("random", "always right", ...).
        online: Columns method, seed, task, env_step, return; return of the episodes that ended while
            adapting.
        pretraining: Columns method, seed, env_step, return; the pretraining's own episodes.
        folds: By name; shown with their hashes.
        recorded_splits: SHA-256 of the folds as they were recorded before training, in the plan or the
            job keys.
        leak_audit: What the audit of the splits found.
        checks: Lines that replace the computed ones of the same rule.
        config: What the study was asked to do.
        environment: Versions, hardware, commit.
        rerun: The command that makes it again.
        notes: Warnings shown under the answer, as in "tiny preset, not the paper's setting".
        labels: Readable names of methods and baselines; their order is the order of the report.
    """

    title: str
    estimand: str
    episodes: pl.DataFrame
    score_name: str = "Episode return"
    score_ranges: Mapping[str, tuple[float, float]] | None = None
    score_bounds: Mapping[str, tuple[float, float]] | None = None
    budget: Budget | None = None
    comparisons: Sequence[Comparison] = ()
    preconditions: Sequence[Precondition] = ()
    ledgers: Mapping[str, Ledger] = field(default_factory=dict)
    costs: pl.DataFrame | None = None
    baselines: pl.DataFrame | None = None
    online: pl.DataFrame | None = None
    pretraining: pl.DataFrame | None = None
    folds: Mapping[str, Fold] = field(default_factory=dict)
    recorded_splits: Sequence[str] = ()
    leak_audit: LeakAudit | None = None
    checks: Sequence[Check] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    rerun: str = ""
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
        }
        for name, columns in needed.items():
            table = getattr(self, name)
            missing = [] if table is None else [column for column in columns if column not in table.columns]
            if missing:
                raise TableError(f"{name} lacks {', '.join(missing)}; it has {', '.join(table.columns)}")
        for comparison in self.comparisons:
            for method in (comparison.left, comparison.right):
                if method not in self.methods:
                    raise ValueError(
                        f"a comparison names {method!r}; the table has {', '.join(self.methods)}"
                    )

    @property
    def methods(self) -> list[str]:
        """Methods of the table, those with labels first and in their order."""
        found = self.episodes["method"].unique().sort().to_list()
        return [m for m in self.labels if m in found] + [m for m in found if m not in self.labels]

    @property
    def tasks(self) -> list[str]:
        """Held-out tasks of the table, numbers in their names in numeric order."""
        return sorted(
            self.episodes["task"].unique().to_list(),
            key=lambda task: [part.zfill(12) if part.isdigit() else part for part in task.split("/")],
        )

    @property
    def final_step(self) -> int:
        """The env step at which methods are compared."""
        if self.budget is not None:
            return self.budget.env_steps
        return int(self.episodes["env_step"].to_numpy().max())

    def label(self, name: str) -> str:
        """The readable name of a method or baseline."""
        return self.labels.get(name, name)
