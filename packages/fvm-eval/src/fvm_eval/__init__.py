"""Fair comparison of adaptation methods: folds, budgets, episodes, curves, intervals, claims, a report.

Knows only ids, numbers and a table of episodes; works on anyone's results.
"""

from fvm_eval.budget import Budget, BudgetExceeded, Ledger, comparability
from fvm_eval.claims.comparisons import Comparison, judge
from fvm_eval.episodes import EpisodeScore, evaluate
from fvm_eval.folds import Fold
from fvm_eval.statistics.intervals import difference_interval, mean_interval
from fvm_eval.table import check_table

__all__ = [
    "Budget",
    "BudgetExceeded",
    "Comparison",
    "EpisodeScore",
    "Fold",
    "Ledger",
    "check_table",
    "comparability",
    "difference_interval",
    "evaluate",
    "judge",
    "mean_interval",
]
