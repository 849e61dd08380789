"""A retention page's numbers again, from its parquet files: polars, numpy and scipy, nothing of fvm.

    python docs/recompute/retention.py docs/results/two-stage/m2-s75
    python docs/recompute/retention.py docs/results/rlbench-far --window 30

Prints each method's area under the adaptation curve, its score at both ends and what it lost on FAR, with
95 % t limits over pretrainings, and the differences that the predictions are about, paired by pretraining
where both arms start from one; of a cell with both orders also by how much more each arm gains over plain
fine-tuning where CLOSE comes first. They are held against `numbers.json` beside the files to seven digits, or
that file is written (`--write`). Any difference ends it with status 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from cells import lacking
from scipy import stats

WINDOW = 24_576  # env steps over which a loss on FAR is averaged, in Catch in two stages
PLAIN, BC, KS = "multitask", "multitask:gradient+bc", "multitask:gradient+ks"
EWC, EM = "multitask:gradient+ewc", "multitask:gradient+em"
RESET = "multitask:gradient+head-reset"
PAIRS = (
    (BC, PLAIN),
    (KS, PLAIN),
    (EWC, PLAIN),
    (EM, PLAIN),
    (BC, KS),
    (RESET, PLAIN),
    (PLAIN, "scratch"),
    (RESET, "scratch"),
)
DEMOS = r", \d demos?$"  # of a method's name where all have as many
Runs = dict[int, float]  # by seed


def read(folder: Path, name: str) -> pl.DataFrame:
    """Returns a table that the page ships, methods named without the demonstrations that all have."""
    table = pl.read_parquet(folder / f"{name}.parquet")
    return table.with_columns(pl.col("method").str.replace(DEMOS, ""))


def curves(episodes: pl.DataFrame) -> pl.DataFrame:
    """Returns the mean score of each run's snapshots: method, seed, task, env_step, value."""
    key = ["method", "seed", "task", "env_step"]
    return episodes.group_by(key).agg(value=pl.col("score").mean()).sort(key)


def by_seed(cells: pl.DataFrame) -> dict[str, Runs]:
    """Returns by method and seed the mean value over tasks."""
    means = cells.group_by("method", "seed").agg(pl.col("value").mean()).sort("method", "seed")
    found: dict[str, Runs] = {}
    for method, seed, value in means.iter_rows():
        found.setdefault(method, {})[seed] = value
    return found


def areas(points: pl.DataFrame) -> pl.DataFrame:
    """Returns each run's area under its curve, as a share of the budget: method, seed, task, value."""
    rows = [
        (*key, float(np.trapezoid(run["value"], run["env_step"])) / (run["env_step"].max() or 1))
        for key, run in points.group_by("method", "seed", "task", maintain_order=True)
    ]
    return pl.DataFrame(rows, schema=["method", "seed", "task", "value"], orient="row")


def lost(far: pl.DataFrame, first: int = 1, last: int = WINDOW) -> pl.DataFrame:
    """Returns the teacher's score on FAR minus the mean of the snapshots between, of each run."""
    key = ["method", "seed", "task"]
    teacher = far.filter(policy="teacher").group_by(key).agg(known=pl.col("score").mean())
    kept = far.filter((pl.col("policy") == "agent") & pl.col("env_step").is_between(first, last))
    means = kept.group_by(key).agg(kept=pl.col("score").mean()).join(teacher, on=key)
    return means.with_columns(value=pl.col("known") - pl.col("kept"))


def limits(values: list[float]) -> list[float]:
    """Returns the mean and its 95 % t limits."""
    mean, n = float(np.mean(values)), len(values)
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return [mean, mean - half, mean + half]


def difference(one: Runs, other: Runs, *, paired: bool) -> list[float]:
    """Returns the mean difference with limits: of pairs by seed, or Welch's."""
    if paired:
        return limits([one[seed] - other[seed] for seed in sorted(one)])
    sides = [list(one.values()), list(other.values())]
    parts = [np.var(side, ddof=1) / len(side) for side in sides]
    mean, error = float(np.mean(sides[0]) - np.mean(sides[1])), float(np.sqrt(sum(parts)))
    if not error:
        return [mean, mean, mean]
    df = sum(parts) ** 2 / sum(p**2 / (len(s) - 1) for p, s in zip(parts, sides, strict=True))
    half = float(stats.t.ppf(0.975, df)) * error
    return [mean, mean - half, mean + half]


def at_each_coefficient(arms: Mapping[str, Runs]) -> list[tuple[str, str]]:
    """Returns the pairs of a cell with a grid: every point and plain fine-tuning, BC and KS at each value."""
    points = sorted(arm for arm in arms if ", coef " in arm)
    alike = [(bc, bc.replace(BC, KS)) for bc in points if bc.startswith(BC)]
    return [*((point, PLAIN) for point in points), *alike]


def numbers(folder: Path, window: int = WINDOW) -> dict[str, list[float]]:
    """Returns all numbers of a cell by what they are: mean and limits."""
    points, far = curves(read(folder, "results")), read(folder, "far")
    tasks = sorted(points["task"].unique())
    budget = points["env_step"].max()
    found: dict[str, list[float]] = {}
    for policy in ("teacher", "random"):
        rows = far.filter(policy=policy, method=PLAIN, task=far["task"].min())
        mine = rows.group_by("seed").agg(value=pl.col("score").mean()).sort("seed")
        found[f"FAR of {policy}"] = limits(mine["value"].to_list())
    for task in tasks:
        here = points.filter(task=task)
        learned = here.filter(pl.col("env_step").max().over("method") > 0)  # not the frozen agents
        summaries = {
            "AUC": by_seed(areas(learned)),
            "at 0": by_seed(here.filter(env_step=0)),
            "at the budget": by_seed(here.filter(env_step=budget)),
            "lost on FAR": by_seed(lost(far.filter(task=task), last=window)),
            "lost on FAR at 0": by_seed(lost(far.filter(task=task), 0, 0)),
            "lost on FAR at the budget": by_seed(lost(far.filter(task=task), budget, budget)),
        }
        for name, arms in summaries.items():
            for method, runs in arms.items():
                if method != "random":
                    found[f"{task} {name}: {method}"] = limits(list(runs.values()))
            for one, other in (*PAIRS, *at_each_coefficient(arms)):
                if one in arms and other in arms:
                    paired = other != "scratch"
                    label = f"{task} {name}: {one} - {other}"
                    found[label] = difference(arms[one], arms[other], paired=paired)
    if len(tasks) == 2:
        close, far_first = (by_seed(areas(points.filter(task=task))) for task in tasks)
        for arm in (BC, KS, EWC, RESET):
            gains = [
                close[arm][seed] - close[PLAIN][seed] - far_first[arm][seed] + far_first[PLAIN][seed]
                for seed in sorted(close[arm])
            ]
            found[f"AUC, gain with CLOSE first minus that with FAR first: {arm}"] = limits(gains)
    logged = read(folder, "terms").sort("seed")
    key = ["task", "method", "metric", "quarter"]
    for (task, method, metric, quarter), mine in logged.group_by(key, maintain_order=True):
        found[f"{task} {metric}, quarter {quarter + 1}: {method}"] = limits(mine["value"].to_list())
    return found


def held_against(path: Path, found: dict[str, list[float]], *, write: bool) -> int:
    """Prints numbers and returns 1 if one is not what a file says, which is written first if asked for."""
    for name, values in found.items():
        print(f"{name:90} {' '.join(f'{value:8.3f}' for value in values)}")
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


def main() -> int:
    """Recomputes the page of the folder that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--window", type=int, default=WINDOW, help="env steps over which a loss is averaged")
    parser.add_argument("--write", action="store_true", help="write numbers.json first")
    asked = parser.parse_args()
    tables = [f"{name}.parquet" for name in ("results", "far", "terms")]
    if missing := lacking(asked.folder, *tables, *(() if asked.write else ("numbers.json",))):
        parser.error(missing)
    found = numbers(asked.folder, asked.window)
    return held_against(asked.folder / "numbers.json", found, write=asked.write)


if __name__ == "__main__":
    sys.exit(main())
