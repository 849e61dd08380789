"""The score before adaptation and at the budget, as arms of their own."""

from __future__ import annotations

import polars as pl
from fvm_eval.curves import run_curves, value_at

from study.arm_names import MOMENT_ARM
from study.claims.arms import BY_MOMENT
from study.measures.columns import RUN
from study.registry import Findings, Finished, Measure

TABLE = "moments.parquet"  # of a study in which an agent infers: cells before and after adaptation


def by_moment(episodes: pl.DataFrame, budget: int) -> pl.DataFrame:
    """Returns cells with an arm for each method before adaptation and at the budget."""
    runs = run_curves(episodes)
    parts = [
        value_at(runs, step).with_columns(method=pl.format(MOMENT_ARM, "method", pl.lit(when)))
        for step, when in ((0, "0"), (budget, "the budget"))
    ]
    return pl.concat(parts).select(*RUN, "value").sort(RUN)


def findings(finished: Finished) -> Findings:
    """Returns those cells, as a file too where an agent infers what it adapts to."""
    cells = by_moment(finished.episodes, finished.config.adapt.env_steps)
    infers = any("context_window" in job.spec.get("config", {}) for job in finished.adaptations)
    return Findings(cells={BY_MOMENT: cells}, tables={TABLE: cells} if infers else {})


MOMENTS = Measure(name="moments", findings=findings)
