"""Layouts of tables that are not one row an episode: each is turned into rows, and said."""

from fvm_eval.reading.layouts.marl_eval import read_marl_eval
from fvm_eval.reading.layouts.run_paths import RunPath, run_of
from fvm_eval.reading.layouts.stable_baselines import (
    is_monitor,
    is_progress,
    progress_columns,
    read_evaluations,
    read_monitor,
)
from fvm_eval.reading.layouts.weights_biases import is_export, is_history, read_export
from fvm_eval.reading.layouts.wide import unpivoted

__all__ = [
    "RunPath",
    "is_export",
    "is_history",
    "is_monitor",
    "is_progress",
    "progress_columns",
    "read_evaluations",
    "read_export",
    "read_marl_eval",
    "read_monitor",
    "run_of",
    "unpivoted",
]
