"""L1 to L4 again, from the files beside this one: polars, numpy, scipy, nothing of fvm.

    python docs/results/toy-pretraining/recompute.py [FOLDER]

A cluster is a pretraining of one length on its seed's split; its value is the mean over its own held-out
orders. Any difference from `pretraining.json` ends it with status 1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "recompute"))

from predictions import by_summary, predictions, told  # noqa: E402 (beside the other pages' scripts)


def pretraining(arm: str) -> str:
    """Returns what an arm shares its error with: a pretraining of its length, or nothing but itself."""
    length, _, row = arm.partition(": ")
    method = row.partition(", ")[0].partition(":")[0]
    return arm if method == "scratch" else f"{length}: {method}"


def share_of_best(returns: pl.DataFrame, method: str) -> float:
    """Returns what a method reaches of the best possible on its training orders, the mean over seeds."""
    mine = returns.filter(method=method, policy="agent", length="4")
    return float((mine["value"] / mine["optimum"]).mean())  # type: ignore[arg-type]


def main(folder: Path) -> int:
    """Returns 1 if anything in a folder like this differs."""
    page: dict[str, Any] = json.loads((folder / "pretraining.json").read_text())
    runs, returns = (pl.read_parquet(folder / f"{name}.parquet") for name in ("runs", "returns"))
    looked = pl.col("seed") < int(runs["seed"].min()) + page["look"]  # type: ignore[arg-type]
    arms = runs.filter(looked).with_columns(arm=pl.format("x {}: {}", "length", "method"))
    lines = predictions(page, by_summary(arms, page["budget"]), pretraining)
    explores = next(one for one in page["preconditions"] if one["name"].startswith("RL² reaches"))
    share = share_of_best(returns.filter(looked), "rl2")
    said = explores["reason"].partition(" ")[0]
    lines += [
        ("RL²'s share of the best possible", f"{share:.{len(said) - 2}f}", said),
        ("RL² explores", share >= 0.8, explores["holds"]),
    ]
    return told(lines)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE))
