"""The numbers of docs/results/procgen-small again, from its parquet file: polars, numpy and scipy.

    python docs/recompute/procgen_small.py          # against the page that ships with the study
    python docs/recompute/procgen_small.py FOLDER   # and against the CSV files of a report of it

Nothing of fvm is imported.

Means are task-equal; a mean's t interval comes from the spread of its clusters. What is checked: every
method's value at budget, area under the curve and zero-shot score with the t intervals over these tasks, and
the differences from scratch (Welch); with a FOLDER also interquartile means and probabilities of improvement.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats

STUDY = Path(__file__).parents[1] / "results" / "procgen-small"
LOW, HIGH = 0.0, 10.0  # of Coinrun's returns
RUN = ["method", "checkpoint", "seed", "task"]


def runs_of(path: Path) -> pl.DataFrame:
    """Returns a row a run: method, checkpoint, seed, task, and its curve's three summaries."""
    table = pl.read_parquet(path)
    learns = table.group_by("method").agg(pl.col("env_step").max()).filter(pl.col("env_step") > 0)["method"]
    table = table.filter(pl.col("method").is_in(learns.implode()))
    points = table.group_by(*RUN, "env_step").agg(value=pl.col("score").mean()).sort(*RUN, "env_step")
    budget = points["env_step"].max()
    rows = []
    for key, run in points.group_by(RUN, maintain_order=True):
        steps, values = run["env_step"].to_numpy(), run["value"].to_numpy()
        area = np.trapezoid(values, steps) / budget
        rows.append((*key, values[-1], area, values[0]))
    names = ["Value at budget", "Area under the curve", "Zero-shot (jump-start)"]
    return pl.DataFrame(rows, schema=[*RUN, *names], orient="row")


def arm(runs: pl.DataFrame, method: str, summary: str) -> tuple[float, list[tuple[float, int]]]:
    """Returns the task-equal mean, and its variance as (part, degrees of freedom).

    Clusters tested on the same tasks form a stratum. A pretrained checkpoint is tested on all, so there is
    one; a run from scratch is a cluster of its own, so each task is one.
    """
    mine = runs.filter(pl.col("method") == method)
    tasks = mine["task"].n_unique()
    mean = mine.group_by("task").agg(pl.col(summary).mean())[summary].mean()
    clusters = mine.group_by("checkpoint").agg(pl.col(summary).mean(), on=pl.col("task").sort().str.join(","))
    parts = []
    for (on,), stratum in clusters.group_by("on"):
        values, share = stratum[summary].to_numpy(), (on.count(",") + 1) / tasks
        parts.append((share**2 * values.var(ddof=1) / len(values), len(values) - 1))
    return float(mean), parts


def t_interval(mean: float, parts: list[tuple[float, int]]) -> tuple[float, float]:
    """Returns the 95 % limits, with Satterthwaite's degrees of freedom."""
    variance = sum(v for v, _ in parts)
    df = variance**2 / sum(v**2 / n for v, n in parts)
    half = stats.t.ppf(0.975, df) * np.sqrt(variance)
    return mean - half, mean + half


def improvement(runs: pl.DataFrame, left: str, right: str, summary: str) -> float:
    """Returns how often a run of left beats one of right on the same task (Mann and Whitney)."""
    shares = []
    for (_,), task in runs.group_by("task"):
        a, b = (task.filter(pl.col("method") == m)[summary].to_numpy() for m in (left, right))
        shares.append(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)))
    return float(np.mean(shares))


def shown(value: float, *, signed: bool = False) -> str:
    """Returns a number as the page writes it."""
    return f"{value:{'+' if signed else ''}.2f}".replace("-", "−")


def against_page(runs: pl.DataFrame, page: str) -> int:
    """Returns how many numbers the page lacks; prints all."""
    missing = 0
    for summary in runs.columns[len(RUN) :]:
        found = {m: arm(runs, m, summary) for m in sorted(runs["method"].unique())}
        entries = [(m, *found[m], False) for m in found]
        scratch = found["scratch"]
        entries += [
            (f"{m} − scratch", found[m][0] - scratch[0], [*found[m][1], *scratch[1]], True)
            for m in found
            if m != "scratch"
        ]
        for name, mean, parts, signed in entries:
            low, high = (shown(end, signed=signed) for end in t_interval(mean, parts))
            there = f"<b>{shown(mean, signed=signed)}</b>" in page and f"[{low}, {high}]" in page
            missing += not there
            print(f"{'ok' if there else 'NOT ON THE PAGE':3} {summary}: {name} {shown(mean)} [{low}, {high}]")
    return missing


def against_files(runs: pl.DataFrame, folder: Path) -> int:
    """Returns how many numbers of the report's files differ; they are shares of the range, or raw."""
    wrong = 0
    for row in pl.read_csv(folder / "summaries.csv").iter_rows(named=True):
        mean, parts = arm(runs, row["method"], row["summary"])
        low, high = t_interval(mean, parts)
        ends = (row["low"], row["high"]) if row["how"] == "cluster-t" else (row["t_low"], row["t_high"])
        expected = np.array([row["mean"], *ends])
        scale = HIGH - LOW if abs(row["mean"] * (HIGH - LOW) - mean) < abs(row["mean"] - mean) else 1.0
        wrong += not np.allclose(expected * scale, [mean, low, high])
    summary = "Value at budget"
    for row in (
        pl.read_csv(folder / "aggregates.csv").filter(measure="Interquartile mean").iter_rows(named=True)
    ):
        values = runs.filter(pl.col("method") == row["arm"])[summary].to_numpy()
        middle = stats.trim_mean(values, 0.25)
        wrong += not (np.isclose(middle, row["mean"]) or np.isclose(middle, row["mean"] * (HIGH - LOW)))
    for row in pl.read_csv(folder / "improvement.csv").iter_rows(named=True):
        wrong += not np.isclose(improvement(runs, row["left"], row["right"], summary), row["mean"])
    return wrong


def main(arguments: list[str]) -> int:
    """Returns 0 where everything was found again."""
    runs = runs_of(STUDY / "results.parquet")
    missing = against_page(runs, (STUDY / "report.html").read_text())
    wrong = against_files(runs, Path(arguments[0])) if arguments else 0
    print(f"\nNot on the page: {missing}." + (f" Different in the files: {wrong}." if arguments else ""))
    return int(missing + wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
