"""The page's numbers again, from the two parquet files beside it: polars, numpy and scipy, nothing of fvm.

    python docs/results/atari-plasticity/recompute.py [--write]

Prints each arm's score at the budget and its mean return while adapting, each pretraining's, their mean with
95 % t limits, the differences from plain fine-tuning paired by pretraining, and the same of the first three
pretrainings. They are held against `numbers.json` to seven digits, or that file is written (`--write`).
Any difference ends it with status 1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats

HERE = Path(__file__).parent
PLAIN, BUDGET, FIRST_LOOK = "multitask", 4_000, 3


def limits(values: list[float]) -> list[float]:
    """Returns the mean and its 95 % t limits."""
    mean, n = float(np.mean(values)), len(values)
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return [mean, mean - half, mean + half]


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


def main(*, write: bool) -> int:
    """Prints the numbers and returns 1 if one differs from `numbers.json`."""
    found, path = numbers(), HERE / "numbers.json"
    for name, values in found.items():
        print(f"{name:90} {' '.join(f'{value:8.1f}' for value in values)}")
    if write:
        path.write_text(json.dumps(found, indent=1) + "\n")
    known = json.loads(path.read_text())
    wrong = [
        name
        for name in known.keys() | found.keys()
        if not np.allclose(known.get(name, np.nan), found.get(name, np.nan), rtol=1e-7, atol=1e-9)
    ]
    print(f"{sum(map(len, found.values()))} numbers, {len(wrong)} different: {', '.join(wrong)}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(write="--write" in sys.argv))
