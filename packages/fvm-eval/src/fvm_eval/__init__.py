"""Fair comparison of methods: folds, budgets, episodes, curves, intervals, claims, a report.

Knows only ids, numbers and a table of episodes; works on anyone's results: `compare(table).report("out")`.
What is named here is loaded when it is first asked for, so that `fvm-eval --help` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fvm_eval.budget import Budget, BudgetExceeded, Ledger
    from fvm_eval.claims.comparisons import Comparison, judge
    from fvm_eval.episodes import EpisodeScore, evaluate
    from fvm_eval.findings import compare
    from fvm_eval.folds import Fold
    from fvm_eval.statistics.intervals import difference_interval, mean_interval
    from fvm_eval.table import check_table

_HOME = {
    "Budget": "budget",
    "BudgetExceeded": "budget",
    "Comparison": "claims.comparisons",
    "EpisodeScore": "episodes",
    "Fold": "folds",
    "Ledger": "budget",
    "check_table": "table",
    "compare": "findings",
    "difference_interval": "statistics.intervals",
    "evaluate": "episodes",
    "judge": "claims.comparisons",
    "mean_interval": "statistics.intervals",
}

__all__ = [
    "Budget",
    "BudgetExceeded",
    "Comparison",
    "EpisodeScore",
    "Fold",
    "Ledger",
    "check_table",
    "compare",
    "difference_interval",
    "evaluate",
    "judge",
    "mean_interval",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
