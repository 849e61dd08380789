"""Prints the arms of the tuned Coinrun study: without the Reptile that loses on validation levels.

    uv run python docs/results/procgen-small-tuned/methods.py studies/small-tuning

Reptile with 16 levels a step stays if its best point is at least as good as the former Reptile's best.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
from study.presets.procgen import SMALL

NEW, FORMER = "reptile-batch", "reptile"


def methods(tuning: Path) -> list[str]:
    """Returns the arms by the scores that a finished tuning left."""
    curves = pl.read_parquet(tuning / "curves.parquet")
    best = dict(curves.group_by("method").agg(pl.col("mean").max()).rows())
    loser = FORMER if best[NEW] >= best[FORMER] else NEW
    return [name for name in SMALL.methods if name != loser]


if __name__ == "__main__":
    print(*methods(Path(sys.argv[1])))
