"""The page's tables from the files beside this one, as Markdown: polars, numpy, scipy, nothing of fvm.

    python docs/results/toy-pretraining/tables.py [FOLDER]

Intervals are 95 % over (split, pretraining), t of as many clusters as seeds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
from recompute import HERE, by_summary
from scipy import stats

sys.path.append(str(HERE.parent / "toy-map"))

from figure import NAMES

LENGTHS = {"0.125": "x 1/8", "1": "x 1", "4": "x 4"}


def number(value: float) -> str:
    """Returns a score between 0 and 1 as in ".38"."""
    text = f"{round(value, 9):.2f}"
    return text if text.startswith("1") else text.replace("0.", ".", 1)


def scientific(rate: str) -> str:
    """Returns a rate as in "2.5e-3"."""
    digits, _, power = f"{float(rate):e}".partition("e")
    return f"{float(digits):g}e{int(power)}"


def mean_and_limits(values: list[float]) -> tuple[float, float, float]:
    """Returns a mean and its 95 % t limits, within the range of returns."""
    units = np.array(values)
    half = float(stats.t.ppf(0.975, len(units) - 1) * units.std(ddof=1) / np.sqrt(len(units)))
    mean = float(units.mean())
    return mean, max(mean - half, 0.0), min(mean + half, 1.0)


def with_interval(values: list[float]) -> str:
    """Returns a mean with its limits."""
    mean, low, high = map(number, mean_and_limits(values))
    return f"{mean} [{low}, {high}]"


def main(folder: Path) -> None:
    """Prints the tables."""
    page = json.loads((folder / "pretraining.json").read_text())
    runs, returns = (pl.read_parquet(folder / f"{name}.parquet") for name in ("runs", "returns"))
    arms = runs.with_columns(arm=pl.format("x {}: {}", "length", "method"))
    clusters, budget = by_summary(arms, page["budget"]), page["budget"]
    for step in (48, 768, budget):
        print(f"\nAfter {step:,} env steps, at the point that was best on validation orders at x 1\n")
        print(f"| | rate | {' | '.join(LENGTHS.values())} |", "|---" * 5 + "|", sep="\n")
        for name, label in NAMES.items():
            row = page["chosen"][name]
            _, _, rate = row.partition(", rate ")
            found = [
                with_interval(list(clusters[f"Value after {step:,} env steps"][f"x {x}: {row}"].values()))
                for x in LENGTHS
            ]
            print(f"| {label} | {scientific(rate) if rate else ''} | {' | '.join(found)} |")
    rates = sorted({row.partition(", rate ")[2] for row in runs["method"] if ", rate " in row}, key=float)
    print(f"\nAfter {budget:,} env steps, every point of the grid\n")
    print(f"| | length | {' | '.join(map(scientific, rates))} |", "|---" * (len(rates) + 2) + "|", sep="\n")
    for name, label in NAMES.items():
        for x, length in LENGTHS.items():
            at = clusters[f"Value after {budget:,} env steps"]
            mine = [at.get(f"x {x}: {name}, rate {rate}") for rate in rates]
            if all(mine) and (name != "scratch" or x == "1"):
                print(
                    f"| {label} | {length if name != 'scratch' else ''} | "
                    f"{' | '.join(with_interval(list(one.values())) for one in mine if one)} |"
                )
    print("\nOn training orders, before adapting (of the best possible; RL²: a mean trial of a lifetime)\n")
    print(f"| | {' | '.join(LENGTHS.values())} |", "|---" * 4 + "|", sep="\n")
    share = returns.filter(policy="agent").with_columns(share=pl.col("value") / pl.col("optimum"))
    for name, label in NAMES.items():
        mine = share.filter(method=name)
        if len(mine):
            found = [with_interval(mine.filter(length=x)["share"].to_list()) for x in LENGTHS]
            print(f"| {label} | {' | '.join(found)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
