"""The statistics of cells: estimates whose unit is the checkpoint, their intervals and tests.

A cell is one number of one adaptation run: columns fold, checkpoint, task, value. Nothing here knows a
method's name, a claim or a report.
"""

from fvm_eval.statistics.contrasts import contrast, slope_weights
from fvm_eval.statistics.estimates import Estimate, Interval
from fvm_eval.statistics.intervals import difference_interval, mean_interval, new_tasks_interval

__all__ = [
    "Estimate",
    "Interval",
    "contrast",
    "difference_interval",
    "mean_interval",
    "new_tasks_interval",
    "slope_weights",
]
