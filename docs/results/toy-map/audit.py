"""How often each way to tune names a wrong winner, by resampling the stored grid: polars, numpy, scipy.

    python docs/results/toy-map/audit.py

The truth of a pair of arms is who has the higher mean on held-out orders, each at its own best rate there,
over all seeds; pairs nearer than .02 have no winner. A recipe chooses a rate for both arms on validation
orders, compares them on the held-out orders of resampled seeds, and names a winner where Welch's two-sided t
test of level .05 does:

* four trials   rates drawn at random from the grid, each tried with one seed on the same two orders, as was
                done for the first table
* full grid     every rate, all tuning seeds and orders
* oracle rival  the full grid for the winner, which must beat the other's best rate on the held-out orders

Tuning seeds and study seeds are resampled with replacement. Nothing is drawn: every multiset of seeds is
weighed by its chance, so the shares are exact. `drawn.py` finds them again by drawing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

HERE = Path(__file__).parent
BUDGET, TIE, ALPHA, TRIALS, ORDERS = 3_072, 0.02, 0.05, 4, 2
RECIPES = ("four trials", "full grid", "oracle rival")
Array = NDArray[np.float64]
Grids = dict[str, tuple[Array, Array]]  # by arm, validation [rate, seed, order] and held-out [rate, seed]


def grids(folder: Path, marks: int) -> Grids:
    """Returns each arm's scores on validation and on held-out orders, at the rates that have both."""
    tried = pl.read_parquet(folder / "responses.parquet").filter(marks=marks)
    played = pl.read_parquet(folder / "runs.parquet").filter(marks=marks, env_step=BUDGET)
    arm, point = pl.col("method").str.split(", ").list.first(), pl.col("method").str.split(", ").list.last()
    played = played.with_columns(arm=arm, point=point)
    found: Grids = {}
    for name in tried["method"].unique().sort():
        mine, theirs = tried.filter(method=name), played.filter(arm=name)
        points = [p for p in mine["point"].unique(maintain_order=True) if p in set(theirs["point"])]
        if len(points) < 2:  # one row on the held-out orders, as RL2
            continue
        by_seed = theirs.group_by("point", "seed").agg(pl.col("value").mean()).sort("seed")
        held_out = np.array([by_seed.filter(point=p)["value"].to_list() for p in points])
        seeds = sorted(mine["seed"].unique())
        validation = np.array(
            [[mine.filter(point=p, seed=s).sort("task")["value"].to_list() for s in seeds] for p in points]
        )
        found[name] = validation, held_out
    return found


def resamples(n: int) -> tuple[Array, Array]:
    """Returns every multiset of n seeds out of n as counts [multiset, seed], and the chance of each."""
    counts = np.array([np.bincount(m, minlength=n) for m in combinations_with_replacement(range(n), n)])
    ways = np.array([factorial(n) / np.prod([factorial(c) for c in row]) for row in counts])
    return counts.astype(float), ways / float(n) ** n


def by_four_trials(validation: Array) -> Array:
    """Returns the chance of each rate to be the best of four random trials; the first of several."""
    rates, orders = len(validation), validation.shape[2]
    chance = np.zeros(rates)
    pairs = list(combinations(range(orders), ORDERS))
    for some in pairs:
        scores = validation[:, :, some].mean(2).round(12)  # [rate, seed], each as likely
        for value in np.unique(scores):
            best = np.mean(scores <= value) ** TRIALS - np.mean(scores < value) ** TRIALS
            chance += best * (scores == value).sum(1) / (scores == value).sum() / len(pairs)
    return chance


def by_full_grid(validation: Array) -> Array:
    """Returns the chance of each rate to have the highest mean over all orders of resampled seeds."""
    counts, weights = resamples(validation.shape[1])
    best = (counts @ validation.mean(2).T).round(12).argmax(1)
    return np.bincount(best, weights=weights, minlength=len(validation))


def choices(validation: Array) -> dict[str, Array]:
    """Returns by recipe the chance of each rate to be chosen."""
    grid = by_full_grid(validation)
    return {"four trials": by_four_trials(validation), "full grid": grid, "oracle rival": grid}


def tested(one: Array, other: Array, counts: Array) -> tuple[Array, NDArray[np.int64]]:
    """Returns the difference of two rates by resample, and whom Welch's test names: 1, 0, -1."""
    n = counts.shape[1]
    means, errors = [], []
    for scores in (one, other):
        mean = counts @ scores / n
        means.append(mean)
        errors.append((counts @ scores**2 / n - mean**2).clip(0) / (n - 1))
    gap, error = means[0] - means[1], errors[0] + errors[1]
    known = error > 1e-12  # without spread there is no test
    with np.errstate(all="ignore"):
        degrees = error**2 / ((errors[0] ** 2 + errors[1] ** 2) / (n - 1))
        p = 2 * stats.t.sf(np.abs(gap) / np.sqrt(error), np.where(known, degrees, 1.0))
    return gap, np.where(known & (p <= ALPHA), np.sign(gap), 0).astype(int)


def verdicts(pair: list[tuple[Array, Array]]) -> Iterator[tuple[str, Array, Array, NDArray[np.int64]]]:
    """Yields, for every choice of a pair's rates: recipe; by resample chance, difference, who is named."""
    held_out = [scores for _, scores in pair]
    counts, weights = resamples(held_out[0].shape[1])
    chosen = [choices(validation) for validation, _ in pair]
    best = [(counts @ scores.T).round(12).argmax(1) for scores in held_out]  # of each resample
    tests = [[tested(mine, theirs, counts) for theirs in held_out[1]] for mine in held_out[0]]
    named = np.array([[test[1] for test in row] for row in tests])  # [rate, rate, multiset]
    each = np.arange(len(counts))
    for i, row in enumerate(tests):
        for j, (gap, plain) in enumerate(row):
            wins, loses = named[i, best[1], each] == 1, named[best[0], j, each] == -1
            for recipe in RECIPES:
                chance = chosen[0][recipe][i] * chosen[1][recipe][j] * weights
                yield recipe, chance, gap, wins.astype(int) - loses if recipe == "oracle rival" else plain


def audit(folder: Path, marks: int) -> list[dict[str, Any]]:
    """Returns a row for each pair and recipe: how often it names the better arm, a wrong one, and nobody.

    Of a pair without a winner whoever is named is wrong.
    `leader` is how often the truly worse arm has the higher mean, tested or not; null where the pair has no
    winner, and of the last recipe, which compares no single two rates.
    """
    found, rows = grids(folder, marks), []
    for one, other in combinations(found, 2):
        best = [found[arm][1].mean(1).max() for arm in (one, other)]
        truth_gap = float(best[0] - best[1])
        truth = 0 if abs(truth_gap) < TIE else int(np.sign(truth_gap))
        sums = {recipe: dict.fromkeys((-1, 0, 1, "leader"), 0.0) for recipe in RECIPES}
        for recipe, chance, gap, named in verdicts([found[one], found[other]]):
            for who in (-1, 0, 1):
                sums[recipe][who] += float(chance[named == who].sum())
            sums[recipe]["leader"] += float(chance[gap * truth < 0].sum())
        for recipe, mine in sums.items():
            rows.append(
                {
                    "marks": marks,
                    "pair": [one, other],
                    "gap": truth_gap,
                    "recipe": recipe,
                    "right": mine[truth] if truth else 0.0,
                    "wrong": mine[-truth] if truth else mine[1] + mine[-1],
                    "nobody": mine[0],
                    "leader": mine["leader"] if truth and recipe != "oracle rival" else None,
                }
            )
    return rows


def lost(folder: Path, marks: int) -> list[dict[str, Any]]:
    """Returns by arm and recipe what a chosen rate has less, on held-out orders, than the best one there."""
    return [
        {"marks": marks, "arm": arm, "recipe": recipe, "lost": float(held.max() - chance @ held)}
        for arm, (validation, scores) in grids(folder, marks).items()
        for recipe, chance in choices(validation).items()
        if recipe != "oracle rival"
        for held in (scores.mean(1),)
    ]


def main() -> None:
    """Prints and writes the audit of every family of which seeds are finished."""
    families = pl.read_parquet(HERE / "runs.parquet")["marks"].unique().sort()
    rows = [row for marks in families for row in audit(HERE, marks)]
    fewer = [row for marks in families for row in lost(HERE, marks)]
    (HERE / "audit.json").write_text(json.dumps({"pairs": rows, "lost": fewer}, indent=1) + "\n")
    named = (pl.col("wrong").sum() / (pl.col("right") + pl.col("wrong")).sum()).alias("wrong of the named")
    shares = [pl.col("right", "wrong", "nobody").mean(), named, pl.col("leader").mean()]
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_width_chars=140, fmt_str_lengths=60):
        print(pl.DataFrame(rows).group_by("marks", "recipe", maintain_order=True).agg(*shares))
        less = pl.DataFrame(fewer).pivot("recipe", index=["marks", "arm"], values="lost")
        print(less, less.drop("arm").group_by("marks").mean())


if __name__ == "__main__":
    main()
