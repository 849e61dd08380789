"""A page's predictions again, from its clusters' means: t contrasts, Holm; numpy and scipy, nothing of fvm.

A cluster is a pretraining; arms that start from the same ones are combined within clusters, others add
their variances (Welch, Satterthwaite). A prediction holds if all its parts do.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isclose
from typing import Any

import numpy as np
import polars as pl
from formulas import Group, holm, interval, p_beyond

Clusters = dict[str, dict[int, float]]  # by arm, the mean of each seed
Shares = Callable[[str], str]  # what an arm shares its error with


def by_summary(runs: pl.DataFrame, budget: int) -> dict[str, Clusters]:
    """Returns by summary and arm the mean over tasks of each cluster: at every env step, and in area.

    Args:
        runs: Columns arm, seed, task, env_step, value.
        budget: Env steps of adaptation, where the area ends.
    """
    tables = {
        f"Value after {step:,} env steps": runs.filter(env_step=step)
        for step in runs["env_step"].unique().sort()
    }
    run = ["arm", "seed", "task"]
    areas = [
        (*key, float(np.trapezoid(one["value"], one["env_step"])) / budget)
        for key, one in runs.sort("env_step").group_by(run, maintain_order=True)
    ]
    tables["Area under the curve"] = pl.DataFrame(areas, schema=[*run, "value"], orient="row")
    found: dict[str, Clusters] = {}
    for summary, table in tables.items():
        means = table.group_by("arm", "seed").agg(pl.col("value").mean()).sort("arm", "seed")
        found[summary] = {}
        for arm, seed, value in means.iter_rows():
            found[summary].setdefault(arm, {})[seed] = value
    return found


def t_groups(clusters: Clusters, weights: dict[str, float], shares: Shares) -> list[Group]:
    """Returns a contrast's independent parts, each with t limits."""
    shared: dict[str, list[str]] = {}
    for arm in weights:
        shared.setdefault(shares(arm), []).append(arm)
    found = []
    for arms in shared.values():
        seeds = sorted(clusters[arms[0]])
        units = np.array([sum(weights[arm] * clusters[arm][seed] for arm in arms) for seed in seeds])
        how = "t" if units.var(ddof=1) > 1e-24 else "none"
        found.append(Group(float(units.mean()), [(1.0, units)], {}, [], how, None, 0))
    return found


def part(
    row: dict[str, Any], clusters: dict[str, Clusters], alpha: float, shares: Shares
) -> dict[str, float | None]:
    """Returns a part's mean, limits and p value; nothing where an arm was not run."""
    if not set(row["weights"]) <= set(clusters[row["summary"]]):
        return dict.fromkeys(("mean", "low", "high", "p"))
    found = t_groups(clusters[row["summary"]], row["weights"], shares)
    sign, margin = (-1, row["margin"]) if row["kind"] == "no gain" else (1, row["margin"])
    threshold = -margin if row["kind"] == "non-inferiority" else margin
    mean, ends = sum(one.mean for one in found), interval(found, 1 - alpha) or (None, None)
    if row["kind"] == "equivalence":  # Schuirmann's two one-sided tests
        inside = [p_beyond(found, -sign * margin, sign) for sign in (1, -1)]
        p = None if None in inside else max(inside)
    else:
        beyond = p_beyond(found, threshold, sign)
        p = None if beyond is None else min(1.0, 2 * beyond)
    return {"mean": mean, "low": ends[0], "high": ends[1], "p": p}


def predictions(
    page: dict[str, Any], clusters: dict[str, Clusters], shares: Shares
) -> list[tuple[str, Any, Any]]:
    """Returns what is recomputed of each prediction and its parts, beside what the page has."""
    lines: list[tuple[str, Any, Any]] = []
    whole = []
    for claim in page["predictions"]:
        ps = []
        for row in claim["parts"]:
            again = part(row, clusters, page["alpha"], shares)
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


def same(mine: Any, theirs: Any) -> bool:
    """Returns whether two values agree, numbers to seven digits."""
    if isinstance(mine, float) and isinstance(theirs, float | int) and not isinstance(theirs, bool):
        return isclose(mine, theirs, rel_tol=1e-6, abs_tol=1e-9)
    return bool(mine == theirs)


def told(lines: list[tuple[str, Any, Any]]) -> int:
    """Returns 1 if anything recomputed differs from what the page has, each difference printed, else 0."""
    bad = [(what, mine, theirs) for what, mine, theirs in lines if not same(mine, theirs)]
    for what, mine, theirs in bad:
        print(f"DIFFERENT  {what}: {mine}, the page has {theirs}")
    print(f"{len(lines)} numbers recomputed, {len(bad)} different")
    return 1 if bad else 0
