"""How often each way to tune picks a wrong winner, by resampling the stored grid: polars, numpy, scipy.

    python docs/results/toy-map/audit.py [RESAMPLES]

The truth of a pair of arms is who has the higher mean on held-out orders, each at its own best rate there,
over all seeds; pairs nearer than .02 have no winner. A recipe tunes both arms on validation orders, compares
them on the held-out orders of resampled seeds, and names a winner where a two-sided t test of level .05 does:

* four trials   rates drawn at random from the grid, each tried with one seed on two orders, as was done for
                the first table
* full grid     every rate, all tuning seeds and orders
* oracle rival  the full grid for the arm that looks better, for the other its best rate on held-out orders

Tuning seeds and study seeds are resampled with replacement.
"""

from __future__ import annotations

import json
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

HERE = Path(__file__).parent
BUDGET, TIE, ALPHA, TRIALS, ORDERS = 3_072, 0.02, 0.05, 4, 2
RECIPES = ("four trials", "full grid", "oracle rival")
Array = NDArray[np.float64]


def grids(folder: Path, marks: int) -> dict[str, tuple[Array, Array]]:
    """Returns by arm its validation scores [rate, seed, order] and its held-out scores [rate, seed]."""
    tried = pl.read_parquet(folder / "responses.parquet").filter(marks=marks)
    played = pl.read_parquet(folder / "runs.parquet").filter(marks=marks, env_step=BUDGET)
    played = played.with_columns(
        arm=pl.col("method").str.split(", ").list.first(), point=pl.col("method").str.split(", ").list.last()
    )
    found = {}
    for arm in tried["method"].unique().sort():
        mine, theirs = tried.filter(method=arm), played.filter(arm=arm)
        points = [
            point for point in mine["point"].unique(maintain_order=True) if point in set(theirs["point"])
        ]
        if len(points) < 2:
            continue
        seeds = sorted(theirs["seed"].unique())
        by_seed = theirs.group_by("point", "seed").agg(pl.col("value").mean())
        means = {(point, seed): value for point, seed, value in by_seed.iter_rows()}
        validation = np.array(
            [
                [
                    mine.filter(point=point, seed=seed).sort("task")["value"].to_list()
                    for seed in sorted(mine["seed"].unique())
                ]
                for point in points
            ]
        )
        found[arm] = validation, np.array([[means[point, seed] for seed in seeds] for point in points])
    return found


def four_trials(validation: Array, rng: np.random.Generator) -> int:
    """Returns the rate that four random trials of one seed on two orders choose."""
    rates, seeds, orders = validation.shape
    tried = rng.integers(rates, size=TRIALS)
    some = rng.permutation(orders)[:ORDERS]
    scores = [validation[rate, rng.integers(seeds)][some].mean() for rate in tried]
    return int(tried[int(np.argmax(scores))])


def full_grid(validation: Array, rng: np.random.Generator) -> int:
    """Returns the rate that all points, all seeds and all orders choose."""
    seeds = rng.integers(validation.shape[1], size=validation.shape[1])
    return int(np.argmax(validation[:, seeds].mean((1, 2))))


def winner(left: Array, right: Array) -> int:
    """Returns 1 or -1 for who is better by a t test over seeds, 0 for nobody."""
    gap = left.mean() - right.mean()
    if left.var() + right.var() < 1e-12:
        return int(np.sign(gap))
    p = float(stats.ttest_ind(left, right, equal_var=False).pvalue)
    return int(np.sign(gap)) if p <= ALPHA else 0


def verdict(recipe: str, pair: list[tuple[Array, Array]], rng: np.random.Generator) -> int:
    """Returns whom a recipe names, on resampled seeds."""
    choose = four_trials if recipe == "four trials" else full_grid
    rates = [choose(validation, rng) for validation, _ in pair]
    seeds = rng.integers(pair[0][1].shape[1], size=pair[0][1].shape[1])
    held_out = [scores[:, seeds] for _, scores in pair]
    if recipe == "oracle rival":
        worse = int(held_out[0][rates[0]].mean() > held_out[1][rates[1]].mean())
        rates[worse] = int(np.argmax(held_out[worse].mean(1)))
    return winner(*(scores[rate] for scores, rate in zip(held_out, rates, strict=True)))


def audit(folder: Path, marks: int, resamples: int) -> list[dict[str, object]]:
    """Returns a row for each pair and recipe: how often it is right, wrong, and names nobody."""
    found, rows, rng = grids(folder, marks), [], np.random.default_rng(0)
    for one, other in combinations(found, 2):
        best = [found[arm][1].mean(1).max() for arm in (one, other)]
        gap = float(best[0] - best[1])
        truth = 0 if abs(gap) < TIE else int(np.sign(gap))
        for recipe in RECIPES:
            named = [verdict(recipe, [found[one], found[other]], rng) for _ in range(resamples)]
            shares = {name: sum(v == name for v in named) / resamples for name in (-1, 0, 1)}
            rows.append(
                {
                    "marks": marks,
                    "pair": f"{one} − {other}",
                    "gap": gap,
                    "recipe": recipe,
                    "right": shares[truth] if truth else shares[0],
                    "wrong": shares[-truth] if truth else 1 - shares[0],
                    "nobody": shares[0],
                }
            )
    return rows


def main(resamples: int) -> None:
    """Prints and writes the audit of every family of which seeds are finished."""
    rows = [
        row
        for marks in pl.read_parquet(HERE / "runs.parquet")["marks"].unique().sort()
        for row in audit(HERE, marks, resamples)
    ]
    (HERE / "audit.json").write_text(json.dumps(rows, indent=1) + "\n")
    table = pl.DataFrame(rows)
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True):
        print(
            table.group_by("marks", "recipe", maintain_order=True).agg(
                pl.col("right", "wrong", "nobody").mean()
            )
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
