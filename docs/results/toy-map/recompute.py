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
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "recompute"))

from formulas import Group, holm, interval, p_beyond  # noqa: E402 (beside the other pages' script)

BUDGET, LEAST = 3_072, 5
Clusters = dict[str, dict[int, float]]  # by arm, the mean of each seed


def clusters_of(runs: pl.DataFrame) -> dict[str, Clusters]:
    """Returns by summary and arm what each cluster reaches on its own orders."""
    runs = runs.with_columns(arm=pl.format("{} marks: {}", "marks", "method"))
    by_step = {
        f"Value after {step:,} env steps": runs.filter(env_step=step)
        for step in runs["env_step"].unique().sort()
    }
    areas = [
        (*key, float(np.trapezoid(one["value"], one["env_step"])) / BUDGET)
        for key, one in runs.sort("env_step").group_by("arm", "seed", "task", maintain_order=True)
    ]
    by_step["Area under the curve"] = pl.DataFrame(
        areas, schema=["arm", "seed", "task", "value"], orient="row"
    )
    found: dict[str, Clusters] = {}
    for summary, table in by_step.items():
        means = table.group_by("arm", "seed").agg(pl.col("value").mean()).sort("arm", "seed")
        found[summary] = {}
        for arm, seed, value in means.iter_rows():
            found[summary].setdefault(arm, {})[seed] = value
    return found


def pretraining(arm: str) -> str:
    """Returns what an arm shares its error with: its family's pretraining, or nothing but itself."""
    marks, _, row = arm.partition(": ")
    method = row.partition(", ")[0].partition(":")[0]
    return arm if method == "scratch" else f"{marks}: {method}"


def t_groups(clusters: Clusters, weights: dict[str, float]) -> list[Group]:
    """Returns a contrast's independent parts, each with t limits."""
    shared: dict[str, list[str]] = {}
    for arm in weights:
        shared.setdefault(pretraining(arm), []).append(arm)
    found = []
    for arms in shared.values():
        seeds = sorted(clusters[arms[0]])
        units = np.array([sum(weights[arm] * clusters[arm][seed] for arm in arms) for seed in seeds])
        how = "t" if units.var(ddof=1) > 1e-24 else "none"
        found.append(Group(float(units.mean()), [(1.0, units)], {}, [], how, None, 0))
    return found


def rates(clusters: Clusters, weights: dict[str, float], episodes: int) -> list[Group]:
    """Returns the same for success rates: Korn and Graubard's limits where an arm stands alone."""
    found = t_groups(clusters, weights)
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


def part(row: dict[str, Any], clusters: dict[str, Clusters], alpha: float) -> dict[str, float | None]:
    """Returns a part's mean, limits and two-sided p values; nothing where an arm was not run."""
    if not set(row["weights"]) <= set(clusters[row["summary"]]):
        return dict.fromkeys(("mean", "low", "high", "p", "against"))
    found = t_groups(clusters[row["summary"]], row["weights"])
    sign, margin = (-1, row["margin"]) if row["kind"] == "no gain" else (1, row["margin"])
    threshold = -margin if row["kind"] == "non-inferiority" else margin
    ends = interval(found, 1 - alpha) or (None, None)
    both = [p_beyond(found, threshold, s) for s in (sign, -sign)]
    p, against = (None if one is None else min(1.0, 2 * one) for one in both)
    mean = sum(one.mean for one in found)
    return {"mean": mean, "low": ends[0], "high": ends[1], "p": p, "against": against}


def compared(page: dict[str, Any], clusters: dict[str, Clusters]) -> list[tuple[str, Any, Any]]:
    """Returns what is recomputed beside what the page has: P1 to P4, then the map's cells."""
    lines: list[tuple[str, Any, Any]] = []
    whole = []
    for claim in page["predictions"]:
        ps = []
        for row in claim["parts"]:
            again = part(row, clusters, page["alpha"])
            ps.append(again["p"])
            lines += [
                (f"{claim['id']}, {row['name']}: {n}", again[n], row[n]) for n in ("mean", "low", "high", "p")
            ]
            passed = (
                again["p"] is not None
                and again["p"] <= page["alpha"]
                and row["doubt"] not in ("rival", "not learned")
            )
            lines.append((f"{claim['id']}, {row['name']}: passes", passed, row["passed"]))
        whole.append(None if None in ps else max(ps))
        lines.append((f"{claim['id']}: p", whole[-1], claim["p"]))
    adjusted = holm([1.0 if p is None else p for p in whole])
    for claim, p, raw in zip(page["predictions"], adjusted, whole, strict=True):
        lines.append((f"{claim['id']}: Holm", None if raw is None else p, claim["holm"]))
        shown = all(row["passed"] for row in claim["parts"]) and raw is not None and p <= page["alpha"]
        if not shown:  # preconditions and the assay can only take a "supported" away
            lines.append((f"{claim['id']}: supported", False, claim["label"] == "supported"))
    return lines


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


def same(mine: Any, theirs: Any) -> bool:
    """Returns whether two values agree, numbers to seven digits."""
    if isinstance(mine, float) and isinstance(theirs, float | int) and not isinstance(theirs, bool):
        return isclose(mine, theirs, rel_tol=1e-6, abs_tol=1e-9)
    return bool(mine == theirs)


def main(folder: Path) -> int:
    """Returns 1 if anything in a folder like this differs."""
    page = json.loads((folder / "map.json").read_text())
    runs = pl.read_parquet(folder / "runs.parquet")
    first = int(runs["seed"].min())  # type: ignore[arg-type]
    seeds = pl.col("seed").n_unique().over("marks")  # a family short of a seed waits
    looked = runs.filter(pl.col("seed") < first + page["look"], seeds >= page["look"])
    lines = compared(page, clusters_of(looked)) if page["predictions"] else []
    lines += cells(page, runs)
    bad = [(what, mine, theirs) for what, mine, theirs in lines if not same(mine, theirs)]
    for what, mine, theirs in bad:
        print(f"DIFFERENT  {what}: {mine}, the page has {theirs}")
    print(f"{len(lines)} numbers recomputed, {len(bad)} different")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE))
