"""The page's tables from the files beside this one, as Markdown: polars, numpy, scipy, nothing of fvm.

    python docs/results/toy-map/tables.py [FOLDER]

Of each family what its arms reach at their chosen points, and at the last step at every point of the grid.
Intervals are 95 % over (split, pretraining), Korn and Graubard's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl
from figure import NAMES, method
from recompute import BUDGET, HERE, Clusters, clusters_of, interval, rates


def number(value: float) -> str:
    """Returns a score between 0 and 1 as in ".38"."""
    text = f"{round(value, 9):.2f}"  # a mean of .795 is .80, however its sum was rounded
    return text.removeprefix("0") if value >= 0 else text


def scientific(rate: str) -> str:
    """Returns a rate as in "2.5e-3"."""
    digits, _, power = f"{float(rate):e}".partition("e")
    return f"{float(digits):g}e{int(power)}"


def with_interval(clusters: Clusters, arm: str, episodes: int) -> str:
    """Returns an arm's mean and its interval."""
    found = rates(clusters, {arm: 1.0}, episodes)
    low, high = interval(found, 0.95) or (float("nan"), float("nan"))
    return f"{number(found[0].mean)} [{number(low)}, {number(high)}]"


def chosen_points(marks: int, cells: list[dict], runs: pl.DataFrame) -> list[str]:
    """Returns the lines of the table of chosen points, an arm a line, a snapshot a column."""
    clusters = clusters_of(runs)
    steps = [cell["env_step"] for cell in cells]
    head = " | ".join(f"{step:,}" for step in steps)
    lines = [f"| | rate | {head} |", "|---" * (len(steps) + 2) + "|"]
    for row in cells[-1]["means"]:
        name, arm = method(row), f"{marks} marks: {row}"
        episodes = int(runs.filter(method=row, env_step=BUDGET)["episodes"].sum())
        means = [number(cell["means"][row]) for cell in cells[:-1]]
        last = with_interval(clusters[f"Value after {BUDGET:,} env steps"], arm, episodes)
        rate = scientific(row.rpartition(" ")[2]) if ", rate " in row else ""
        lines.append(f"| {NAMES[name]} | {rate} | {' | '.join([*means, last])} |")
    return lines


def whole_grid(marks: int, runs: pl.DataFrame) -> list[str]:
    """Returns the lines of the table of every adaptation rate after the last step."""
    clusters = clusters_of(runs)[f"Value after {BUDGET:,} env steps"]
    points = {row: row.rpartition(" ")[2] for row in runs["method"].unique() if ", rate " in row}
    columns = sorted(set(points.values()), key=float)
    lines = [f"| | {' | '.join(map(scientific, columns))} |", "|---" * (len(columns) + 1) + "|"]
    for name, label in NAMES.items():
        mine = {points[row]: row for row in points if method(row) == name}
        if mine:
            shown = []
            for column in columns:
                row = mine[column]
                episodes = int(runs.filter(method=row, env_step=BUDGET)["episodes"].sum())
                shown.append(with_interval(clusters, f"{marks} marks: {row}", episodes))
            lines.append(f"| {label} | {' | '.join(shown)} |")
    return lines


def main(folder: Path) -> None:
    """Prints the tables of every family."""
    page, every = json.loads((folder / "map.json").read_text()), pl.read_parquet(folder / "runs.parquet")
    for marks in sorted({cell["marks"] for cell in page["map"]}):
        runs = every.filter(marks=marks)
        cells = [cell for cell in page["map"] if cell["marks"] == marks]
        print(f"\n{marks} marks shown, {cells[0]['seeds']} seeds\n")
        print("\n".join(chosen_points(marks, cells, runs)), "", sep="\n")
        print("\n".join(whole_grid(marks, runs)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
