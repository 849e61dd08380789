"""The page's tables from the files beside this one, as Markdown: polars, numpy, scipy, nothing of fvm.

    python docs/results/toy-map/tables.py [FOLDER]

Of each family what its arms reach at their chosen points, at the last step at every point of the grid, and
how that grid looked on validation orders. Intervals are 95 % over (split, pretraining), Korn and Graubard's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl
from figure import NAMES, method
from recompute import BUDGET, HERE, Clusters, clusters_of, rates

from formulas import interval  # isort: skip (recompute.py says where it is)


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


def tuning(marks: int, folder: Path) -> list[str]:
    """Returns the lines on tuning: means on validation orders, the chosen in bold, and what it took."""
    curves = pl.read_parquet(folder / "curves.parquet").filter(marks=marks)
    steps = pl.read_parquet(folder / "spent.parquet").filter(marks=marks).group_by("method")
    spent = dict(steps.agg(pl.col("env_steps").sum()).iter_rows())
    grid = curves.drop_nulls("adapt.learning_rate")
    columns = grid["adapt.learning_rate"].unique().sort().to_list()
    head = " | ".join(scientific(str(rate)) for rate in columns)
    lines = [f"| | {head} | seeds | tuning env steps |", "|---" * (len(columns) + 3) + "|"]
    for name, label in NAMES.items():
        mine = grid.filter(method=name).sort("adapt.learning_rate")
        if len(mine):
            shown = " | ".join(best_in_bold(mine["mean"]))
            lines.append(f"| {label} | {shown} | {mine['seeds'][0]} | {spent[name]:,} |")
    alone = curves.filter(method="rl2").sort("pretrain.learning_rate")
    rates = map(scientific, alone["pretrain.learning_rate"].cast(str))
    shown = ", ".join(map(" ".join, zip(rates, best_in_bold(alone["mean"]), strict=True)))
    errors = grid["se_to_next"].drop_nulls()
    known, ends = (
        len(errors.filter(errors <= 0.03)),
        (f"{error:.3f}"[1:] for error in (errors.min(), errors.max())),
    )
    return [
        *lines,
        "",
        f"* RL²'s meta-training rate: {shown} (one seed each, {spent['rl2']:,} env steps).",
        f"* Standard errors between neighbours: {' to '.join(ends)}; {known} of {len(errors)} at most .03.",
    ]


def best_in_bold(means: pl.Series) -> list[str]:
    """Returns scores as text, the highest in bold."""
    return [f"**{number(mean)}**" if mean == means.max() else number(mean) for mean in means]


def main(folder: Path) -> None:
    """Prints the tables of every family."""
    page, every = json.loads((folder / "map.json").read_text()), pl.read_parquet(folder / "runs.parquet")
    for marks in sorted({cell["marks"] for cell in page["map"]}):
        runs = every.filter(marks=marks)
        cells = [cell for cell in page["map"] if cell["marks"] == marks]
        print(f"\n{marks} marks shown, {cells[0]['seeds']} seeds\n")
        print("\n".join(chosen_points(marks, cells, runs)), "", sep="\n")
        print("\n".join(whole_grid(marks, runs)), "", sep="\n")
        print("\n".join(tuning(marks, folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
