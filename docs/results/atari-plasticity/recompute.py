"""The page's numbers again, from the two parquet files beside it: polars, numpy and scipy, nothing of fvm.

    python docs/results/atari-plasticity/recompute.py [--write]

Prints each arm's score at the budget and its mean return while adapting, each pretraining's, their mean with
95 % t limits, the differences from plain fine-tuning paired by pretraining, and the same of the first three
pretrainings. They are held against `numbers.json` to seven digits, or that file is written (`--write`).
Any difference ends it with status 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "recompute"))
from retention import held_against, limits  # noqa: E402

PLAIN, BUDGET, FIRST_LOOK = "multitask", 4_000, 3


def arms(table: pl.DataFrame) -> dict[str, list[float]]:
    """Returns by method each run's value, in the order of seeds, of columns method, seed, value."""
    found: dict[str, list[float]] = {}
    for method, _, value in table.sort("method", "seed").iter_rows():
        found.setdefault(method, []).append(value)
    return found


def numbers() -> dict[str, list[float]]:
    """Returns all numbers by what they are."""
    key = ["method", "seed"]
    scores = pl.read_parquet(HERE / "results.parquet").filter(env_step=BUDGET)
    played = pl.read_parquet(HERE / "online.parquet")
    weighed = (pl.col("return") * pl.col("episodes")).sum() / pl.col("episodes").sum()
    measured = {
        "at the budget": arms(scores.group_by(key).agg(pl.col("score").mean())),
        "while adapting": arms(played.group_by(key).agg(weighed)),
    }
    found: dict[str, list[float]] = {}
    for what, runs in measured.items():
        for count in (FIRST_LOOK, len(runs[PLAIN])):
            for method, values in runs.items():
                name = f"{what}, {count} pretrainings: {method}"
                found[f"{name}, each"] = values[:count]
                found[name] = limits(values[:count])
                if method not in (PLAIN, "scratch"):
                    apart = [one - plain for one, plain in zip(values, runs[PLAIN], strict=True)]
                    found[f"{name} - {PLAIN}"] = limits(apart[:count])
    return found


if __name__ == "__main__":
    sys.exit(held_against(HERE / "numbers.json", numbers(), write="--write" in sys.argv))
