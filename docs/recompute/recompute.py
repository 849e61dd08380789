"""Every number of a shipped study's report again, from its parquet files: polars, numpy and scipy.

    python docs/recompute/recompute.py docs/results/procgen-small
    python docs/recompute/recompute.py studies/toy-quick            # a study of one's own

Nothing of fvm is imported. The numbers are held against `report.json` to seven digits, and against the page
as it prints them (`page.py`): means, limits of every kind (t, Welch, paired t, Korn-Graubard, Gaffke, MOVER;
over new tasks), aggregates, probabilities of improvement with their tests, times to a threshold, curves, what
checkpoints share, profiles with their bands where `profiles.csv` ships, the claims with their p values,
verdicts and seeds needed, preconditions where their returns ship, costs, counts of the checklist. Any
difference ends it with status 1. A limit beyond what is possible, as early pages print it, is its end.

Not computed again: what a plan, a ledger or an audit says, and returns while training and preconditions of
studies whose returns do not ship.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from cells import VALUE, Cells, cells_of, curves_of, lacking, marked
from claims import verdicts
from formulas import (
    UNIT,
    Ends,
    Group,
    cut,
    groups,
    holm,
    interval,
    jackknife,
    over_new_tasks,
    p_beyond,
    possible,
    redrawn,
    strata_of,
)
from page import against_page
from scipy import stats
from spread import profile, shared

TABLES = ("results.parquet", "costs.parquet")
Line = tuple[str, Any, Any]  # what, recomputed, printed


def interquartile_mean(_: list[str], arm: pl.DataFrame) -> float:
    """Returns the mean of the middle half of all runs."""
    return float(stats.trim_mean(arm["value"], 0.25))


def median(_: list[str], arm: pl.DataFrame) -> float:
    """Returns the median of task means."""
    return float(np.median(arm.group_by("task").agg(pl.col("value").mean())["value"]))


def gap(unit: list[str], arm: pl.DataFrame) -> float:
    """Returns how far scores fall short of 1, the mean over units: tasks, or checkpoints with their own."""
    return float(arm.group_by(unit).agg(value=(1 - pl.col("value")).clip(0).mean())["value"].mean())


AGGREGATES = {"Interquartile mean": interquartile_mean, "Median": median, "Optimality gap": gap}


def estimated(
    what: str, found: list[Group], row: dict[str, Any], *, new: bool = False, within: Ends | None = None
) -> Iterator[Line]:
    """Yields a mean and its limits, cut to what is possible, beside what the report has."""
    yield f"{what}: mean", sum(one.mean for one in found), row["mean"]
    fixed, bounds = interval(found), within or possible(found)
    yield f"{what}: limits", cut(fixed, bounds), cut(ends(row, "low", "high"), bounds)
    if row.get("t_low") is not None:
        as_t = [replace(one, how="t") for one in found]
        yield f"{what}: t beside", cut(interval(as_t), bounds), cut(ends(row, "t_low", "t_high"), bounds)
    if new and row["new_low"] is not None:
        again = over_new_tasks(found, fixed)
        yield f"{what}: new tasks", cut(again, bounds), cut(ends(row, "new_low", "new_high"), bounds)


def ends(row: dict[str, Any], low: str, high: str) -> Ends | None:
    """Returns a pair of limits, None where there are none."""
    return None if row[low] is None else (row[low], row[high])


def summaries(report: dict[str, Any], cells: Cells) -> Iterator[Line]:
    """Yields every method's summaries, and the differences."""
    bounds = report["score_bounds"]
    for row in report["summaries"]:
        name, method = row["summary"], row["method"]
        found = groups(cells[name], {method: 1.0}, bounds.get(name))
        yield from estimated(f"{name}, {method}", found, row, new=True)
    for row in report.get("differences", ()):
        name, weights = row["summary"], {row["left"]: 1.0, row["right"]: -1.0}
        found = groups(cells[name], weights, bounds.get(name))
        yield from estimated(f"{name}, {row['left']} - {row['right']}", found, row, new=True)


def aggregates(report: dict[str, Any], cells: Cells) -> Iterator[Line]:
    """Yields interquartile means, medians, optimality gaps, times to a threshold, further measures."""
    bounds = report["score_bounds"].get(VALUE)
    low, high = bounds or (-np.inf, np.inf)
    shortfall = max(1 - high, 0.0), max(1 - low, 0.0)
    for row in report["aggregates"]:
        what = f"{row['measure']}, {row['arm']}"
        if row["measure"] in AGGREGATES:
            arm = cells[VALUE][row["arm"]]
            of_mean = UNIT if redrawn(arm) else ["task"]  # decided by all, whoever is left out
            value, limits = jackknife(arm, partial(AGGREGATES[row["measure"]], of_mean))
            yield f"{what}: mean", value, row["mean"]
            if row["low"] is not None:
                known = shortfall if row["measure"] == "Optimality gap" else bounds
                yield f"{what}: limits", cut(limits, known), cut(ends(row, "low", "high"), known)
        elif row["measure"] in cells and row["arm"] in cells[row["measure"]]:
            known = report["score_bounds"].get(row["measure"])
            known = known if row["how"] in ("Gaffke", "Korn-Graubard") else None  # early pages: t
            yield from estimated(what, groups(cells[row["measure"]], {row["arm"]: 1.0}, known), row)


def times(report: dict[str, Any], runs: pl.DataFrame) -> Iterator[Line]:
    """Yields when each method's runs first had half of the range, and how many ever had."""
    budget, run = report["budget"], ["method", "fold", "seed", "checkpoint", "task"]
    first = (
        runs.group_by(run)
        .agg(at=pl.col("env_step").filter(pl.col("value") >= 0.5).min())
        .with_columns(value=pl.col("at").fill_null(budget) / budget)
    )
    for row in report["aggregates"]:
        if row["measure"] == "Env steps to the threshold":
            mine = marked(first.filter(method=row["arm"]), report)
            what = f"time to half the range, {row['arm']}"
            ends_known = (0.0, 1.0) if row["how"] == "Gaffke" else None  # older pages: t
            numbers = ("mean", "low", "high", "t_low", "t_high")
            shares = {k: row[k] / budget for k in numbers if row.get(k) is not None}
            again = groups({"m": mine}, {"m": 1.0}, ends_known)
            yield from estimated(what, again, {**row, **shares}, within=(0.0, 1.0))
            yield f"{what}: reached", 1 - mine["at"].null_count() / len(mine), row["reached_share"]


def checklist(report: dict[str, Any], folder: Path, runs: pl.DataFrame) -> Iterator[Line]:
    """Yields the counts of those rules that do not fail and that the table itself shows.

    What else the checklist says comes from the plan, the ledgers and the audit, which do not ship.
    """
    run = ["method", "fold", "seed", "checkpoint", "task"]
    count = runs.select(run).n_unique()
    table = pl.read_parquet(folder / "results.parquet").join(runs.select(run).unique(), on=run, how="semi")
    episodes = table.group_by(*run, "env_step").len()["len"].max()
    fixed = sum(row["low"] is not None for row in report["summaries"] if row["summary"] == VALUE)
    first = {1: fixed, 6: runs["env_step"].n_unique(), 7: episodes, 8: count, 9: count}
    for row in report["checks"]:
        number = re.search(r"\d[\d,]*", row["reason"])
        if row["rule"] in first and row["status"] != "fails" and number is not None:
            printed = int(number.group().replace(",", ""))
            yield f"checklist, rule {row['rule']}: first number", first[row["rule"]], printed


def improvement(report: dict[str, Any], cells: Cells) -> Iterator[Line]:
    """Yields how often a run beats another's with its limits on the logit, and tests of equal means."""
    values, bounds = cells[VALUE], report["score_bounds"].get(VALUE)
    ps = []
    for row in report.get("improvement", ()):
        sides = [values[row["left"]], values[row["right"]]]
        what = f"improvement, {row['left']} over {row['right']}"
        both = pl.concat([side.with_columns(side=i) for i, side in enumerate(sides)], how="diagonal")
        yield f"{what}: mean", won(both), row["mean"]
        if row["how"] == "jackknife, logit":
            units = [set(side.select("fold", "checkpoint").iter_rows()) for side in sides]
            folds = [sorted(fold for fold, _ in mine) for mine in units]
            anew = all(map(redrawn, sides)) and folds[0] == folds[1] and len(set(folds[0])) == len(folds[0])
            # Who shares checkpoints, or the split that drew the tasks, loses them at once.
            apart = [[0, 1]] if units[0] == units[1] or anew else [[0], [1]]
            parts = [part for gone in apart for part in left_out(both, gone)]
            p, df = row["mean"], sum(v for v, _ in parts) ** 2 / sum(v**2 / n for v, n in parts)
            half = stats.t.ppf(0.975, df) * np.sqrt(sum(v for v, _ in parts)) / (p * (1 - p))
            middle = np.log(p / (1 - p))
            limits = tuple(float(1 / (1 + np.exp(-(middle + sign * half)))) for sign in (-1, 1))
            yield f"{what}: limits", limits, ends(row, "low", "high")
        found = groups(values, {row["left"]: 1.0, row["right"]: -1.0}, bounds)
        sides_p = p_beyond(found, 0.0, 1), p_beyond(found, 0.0, -1)
        ps.append(None if sides_p[0] is None else min(1.0, 2 * min(sides_p)))
        yield f"{what}: p", ps[-1], row["p"]
    if len(report.get("improvement", ())) == len(values) * (len(values) - 1) // 2:
        adjusted = holm([p for p in ps if p is not None])
        printed = [row["p_holm"] for row in report["improvement"] if row["p"] is not None]
        yield "improvement: p by Holm", tuple(adjusted), tuple(printed)


def won(both: pl.DataFrame) -> float:
    """Returns how often a run of side 0 beats one of side 1 on the same task (Mann and Whitney)."""
    shares = []
    for _, task in both.group_by("task"):
        a, b = (task.filter(side=side)["value"].to_numpy() for side in (0, 1))
        if not len(a) * len(b):  # only who was left out had it
            continue
        shares.append(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)))
    return float(np.mean(shares))


def left_out(both: pl.DataFrame, sides: list[int]) -> list[tuple[float, int]]:
    """Returns the variance parts of these sides' checkpoints, by leaving them out."""
    parts = []
    arm = both.filter(side=sides[0])
    anew = len(sides) > 1 and redrawn(arm)
    for stratum in strata_of(arm):
        mine = [
            pl.col("side").is_in(sides) & (pl.col("fold") == f) & ((pl.col("checkpoint") == c) | anew)
            for f, c in stratum
        ]
        left = np.array([won(both.filter(~one)) for one in mine])
        n = len(left)
        parts.append(((n - 1) / n * float(((left - left.mean()) ** 2).sum()), n - 1))
    return parts


def curves(report: dict[str, Any], runs: pl.DataFrame) -> Iterator[Line]:
    """Yields every point of every method's curve."""
    bounds = report["score_bounds"].get(VALUE)
    for row in report["curves"]:
        at = runs.filter((pl.col("method") == row["method"]) & (pl.col("env_step") == row["env_step"]))
        found = groups({"m": at}, {"m": 1.0}, bounds)
        what = f"curve of {row['method']} at {row['env_step']}"
        yield f"{what}: mean", found[0].mean, row["value"]
        yield f"{what}: limits", cut(interval(found), bounds), cut(ends(row, "low", "high"), bounds)


def spreads(report: dict[str, Any], beside: Path, cells: Cells) -> Iterator[Line]:
    """Yields what each method's checkpoints share, and its profile where the table of profiles ships."""
    for row in report.get("shared", ()):
        again = shared(cells[VALUE][row["method"]]) or {}
        for name in ("shared_sd", "residual_sd", "icc", "low", "high"):
            yield f"checkpoints of {row['method']}: {name}", again.get(name), row[name]
    if (beside / "profiles.csv").is_file():
        table = pl.read_csv(beside / "profiles.csv", infer_schema_length=None)
        for (method,), mine in table.group_by("method", maintain_order=True):
            found = profile(cells[VALUE][str(method)], mine["threshold"].to_list())
            for name, again in zip(("share", "low", "high"), found, strict=True):
                if mine[name].null_count() < len(mine):
                    yield f"profile of {method}: {name}", tuple(again), tuple(mine[name])


def costs(folder: Path, report: dict[str, Any], cells: Cells) -> Iterator[Line]:
    """Yields what one run of each phase took, and device seconds with their ratios."""
    table = pl.read_parquet(folder / "costs.parquet")
    for row in report.get("costs", ()):
        kind = {"pretraining": "pretrain", "adaptation": "adapt"}[row["phase"]]
        mine = table.filter((pl.col("method") == row["method"]) & (pl.col("kind") == kind))
        what = f"costs of {row['method']}, {row['phase']}"
        yield f"{what}: runs", len(mine), row["runs"]
        yield f"{what}: env steps", round(mine["env_steps"].mean()), row["env steps a run"]
        yield f"{what}: updates", round(mine["updates"].mean()), row["updates a run"]
        yield f"{what}: device s", round(mine["device_s"].mean(), 1), row["device s a run"]
        yield f"{what}: s in all", round(mine["wall_s"].sum()), row["s in all"]
    logs = cells["Log device seconds"]
    for row in report.get("device_seconds", ()):
        what = f"device seconds of {row['method']}"
        yield what, float(np.exp(logs[row["method"]]["value"].mean())), row["seconds"]
        if row["ratio"] is not None:
            found = groups(logs, {row["method"]: 1.0, "multitask": -1.0}, None)
            limits = interval(found)
            assert limits is not None
            yield f"{what}: ratio", float(np.exp(sum(one.mean for one in found))), row["ratio"]
            yield f"{what}: limits", tuple(float(np.exp(e)) for e in limits), ends(row, "low", "high")


def preconditions(report: dict[str, Any], cells: Cells) -> Iterator[Line]:
    """Yields the preconditions that pretrainings learned, where their returns ship."""
    table = cells.get("Training return before adapting", {})
    printed = [(row["reason"], row["holds"]) for row in report.get("preconditions", ())]
    for arm in (name for name in table if f"random play, {name}" in table):
        found = groups(table, {arm: 1.0, f"random play, {arm}": -1.0}, None)
        gap, limits, p = sum(one.mean for one in found), interval(found), p_beyond(found, 0.0, 1)
        if limits is None or p is None:
            continue
        text = f"{gap:+.2g} over random play, 95 % [{limits[0]:.2g}, {limits[1]:.2g}]".replace("-", "−")
        yield f"precondition: {arm}, {text}", True, (text, p <= 0.025) in printed


def same(recomputed: Any, printed: Any) -> bool:
    """Returns whether two numbers, or pairs of them, agree."""
    if recomputed is None or printed is None or isinstance(printed, (bool, str)):
        return recomputed == printed
    return bool(np.allclose(recomputed, printed, rtol=1e-7, atol=1e-7))


def main(arguments: list[str]) -> int:
    """Returns 0 where everything was found again."""
    wrong = 0
    for name in arguments:
        folder = Path(name)
        beside = folder / "report" if (folder / "report" / "report.json").is_file() else folder
        if missing := lacking(folder, *TABLES) or lacking(beside, "report.json", "report.html"):
            print(missing, file=sys.stderr)
            return 2
        report = json.loads((beside / "report.json").read_text(encoding="utf-8"))
        cells, runs = cells_of(folder, report, beside), curves_of(folder, report)
        lines = [
            *summaries(report, cells),
            *aggregates(report, cells),
            *times(report, runs),
            *checklist(report, folder, runs),
            *improvement(report, cells),
            *curves(report, runs),
            *spreads(report, beside, cells),
            *costs(folder, report, cells),
            *preconditions(report, cells),
            *verdicts(report, cells),
        ]
        different = [(what, a, b) for what, a, b in lines if not same(a, b)]
        for what, a, b in different:
            print(f"DIFFERENT  {what}: {a}, the report has {b}")
        not_there = against_page(report, (beside / "report.html").read_text(encoding="utf-8"))
        for what in not_there:
            print(f"NOT ON THE PAGE  {what}")
        checked = f"{len(lines)} numbers recomputed, {len(different)} different"
        print(f"{folder}: {checked}; {len(not_there)} not on the page as they should be.")
        wrong += len(different) + len(not_there)
    return int(wrong > 0 or not arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
