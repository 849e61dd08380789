"""The map's numbers and verdicts again, from the files beside this one: polars, numpy, scipy, nothing of fvm.

    python docs/results/toy-map/recompute.py [FOLDER]

A cluster is a pretraining on its seed's split; its value is the mean over its own held-out orders. P1 to P4
are t contrasts: arms that start from the same pretrainings are combined within clusters, others add their
variances (Welch, Satterthwaite). Limits of the map's cells are Korn and Graubard's, combined by MOVER. Any
difference from `map.json` ends it with status 1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "recompute"))

from formulas import Group, p_beyond  # noqa: E402 (beside the other pages' script)
from predictions import Clusters, by_summary, predictions, t_groups, told  # noqa: E402

BUDGET, LEAST = 3_072, 5


def clusters_of(runs: pl.DataFrame) -> dict[str, Clusters]:
    """Returns by summary and arm what each cluster reaches on its own orders."""
    return by_summary(runs.with_columns(arm=pl.format("{} marks: {}", "marks", "method")), BUDGET)


def pretraining(arm: str) -> str:
    """Returns what an arm shares its error with: its family's pretraining, or nothing but itself."""
    marks, _, row = arm.partition(": ")
    method = row.partition(", ")[0].partition(":")[0]
    return arm if method == "scratch" else f"{marks}: {method}"


def rates(clusters: Clusters, weights: dict[str, float], episodes: int) -> list[Group]:
    """Returns the same for success rates: Korn and Graubard's limits where an arm stands alone."""
    found = t_groups(clusters, weights, pretraining)
    if len(found) == len(weights):  # every arm has its own pretraining
        for one, weight in zip(found, weights.values(), strict=True):
            one.how, one.episodes, one.bounds = (
                "Korn-Graubard",
                episodes,
                (min(0.0, weight), max(0.0, weight)),
            )
    elif found[0].how == "none":
        found[0].how, found[0].bounds = "Gaffke", (-1.0, 1.0)
    return found


def cells(page: dict[str, Any], runs: pl.DataFrame) -> list[tuple[str, Any, Any]]:
    """Returns each cell's means, the best arm and those that it does not beat."""
    clusters, lines = clusters_of(runs), []
    for cell in page["map"]:
        summary, marks = f"Value after {cell['env_step']:,} env steps", cell["marks"]
        arms = {row: f"{marks} marks: {row}" for row in cell["means"]}
        means = {row: float(np.mean(list(clusters[summary][arm].values()))) for row, arm in arms.items()}
        where = f"{marks} marks, {cell['env_step']} env steps"
        lines += [(f"{where}, {row}: mean", means[row], cell["means"][row]) for row in arms]
        best = cell["best"]
        lines.append((f"{where}: best", means[best], max(means.values())))
        left = []
        for row, arm in arms.items():
            if row == best:
                continue
            mine = runs.filter(marks=marks, method=row, env_step=cell["env_step"])
            found = rates(clusters[summary], {arms[best]: 1.0, arm: -1.0}, int(mine["episodes"].sum()))
            p = p_beyond(found, 0.0, 1)
            if cell["seeds"] < LEAST or p is None or p > 0.05 / 2 / len(arms):
                left.append(row)
        lines.append((f"{where}: not beaten", sorted(left), sorted(cell["not_beaten"])))
    return lines


def main(folder: Path) -> int:
    """Returns 1 if anything in a folder like this differs."""
    page = json.loads((folder / "map.json").read_text())
    runs = pl.read_parquet(folder / "runs.parquet")
    first = int(runs["seed"].min())  # type: ignore[arg-type]
    seeds = pl.col("seed").n_unique().over("marks")  # a family short of a seed waits
    looked = runs.filter(pl.col("seed") < first + page["look"], seeds >= page["look"])
    lines = predictions(page, clusters_of(looked), pretraining) if page["predictions"] else []
    lines += cells(page, runs)
    return told(lines)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE))
