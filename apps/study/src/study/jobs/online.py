"""What a training says while it runs, summed over bins of env steps: its size does not grow with the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from fvm_learners import Episode

ONLINE_BINS = 100  # points of the online curve, and of each metric's


@dataclass
class OnlineCurve:
    """Returns of training episodes, summed over bins of env steps: its size does not grow with the run."""

    budget: int
    count: np.ndarray[Any, np.dtype[np.int64]] = field(
        default_factory=lambda: np.zeros(ONLINE_BINS, np.int64)
    )
    return_sum: np.ndarray[Any, np.dtype[np.float64]] = field(default_factory=lambda: np.zeros(ONLINE_BINS))
    length_sum: np.ndarray[Any, np.dtype[np.float64]] = field(default_factory=lambda: np.zeros(ONLINE_BINS))

    def add(self, episodes: Sequence[Episode]) -> None:
        """Counts finished episodes in the bin in which they ended."""
        for episode in episodes:
            i = min((episode.env_step - 1) * ONLINE_BINS // self.budget, ONLINE_BINS - 1)
            self.count[i] += 1
            self.return_sum[i] += episode.return_
            self.length_sum[i] += episode.length

    def table(self) -> pl.DataFrame:
        """Returns env_step (end of the bin), episodes, return, length; bins without episodes are left out."""
        ends = [(i + 1) * self.budget // ONLINE_BINS for i in range(ONLINE_BINS)]
        some = self.count > 0
        return (
            pl.DataFrame({"env_step": ends, "episodes": self.count})
            .filter(some)
            .with_columns(
                pl.Series("return", self.return_sum[some] / self.count[some]),
                pl.Series("length", self.length_sum[some] / self.count[some]),
            )
        )


@dataclass
class MetricCurves:
    """What the learner and the paradigm say of their updates, summed over the same bins of env steps."""

    budget: int
    count: dict[str, np.ndarray[Any, np.dtype[np.int64]]] = field(default_factory=dict)
    total: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = field(default_factory=dict)

    def add(self, env_step: int, metrics: Mapping[str, float]) -> None:
        """Counts the metrics of an iteration in the bin in which it ended."""
        i = min(max(env_step - 1, 0) * ONLINE_BINS // self.budget, ONLINE_BINS - 1)
        for name, value in metrics.items():
            if name not in self.count:
                self.count[name], self.total[name] = np.zeros(ONLINE_BINS, np.int64), np.zeros(ONLINE_BINS)
            self.count[name][i] += 1
            self.total[name][i] += value

    def table(self) -> pl.DataFrame:
        """Returns metric, env_step (end of the bin), value (its mean there); empty bins are left out."""
        rows = [
            (name, (int(i) + 1) * self.budget // ONLINE_BINS, self.total[name][i] / self.count[name][i])
            for name in sorted(self.count)
            for i in np.flatnonzero(self.count[name])
        ]
        types = {"metric": pl.String, "env_step": pl.Int64, "value": pl.Float64}
        return pl.DataFrame(rows, schema=types, orient="row")
