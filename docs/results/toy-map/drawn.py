"""The audit of tuning again, by drawing instead of by weighing: numpy and scipy.

    python docs/results/toy-map/drawn.py [RESAMPLES]

Each resample draws the trials, the tuning seeds and the study's seeds, and asks scipy's own t test. Shares
further from `audit.json` than five standard errors end it with status 1.
"""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np
from audit import ALPHA, HERE, ORDERS, RECIPES, TRIALS, Array, grids
from scipy import stats


def four_trials(validation: Array, rng: np.random.Generator) -> int:
    """Returns the rate that four random trials of one seed on two orders choose."""
    rates, seeds, orders = validation.shape
    tried = rng.integers(rates, size=TRIALS)
    some = rng.permutation(orders)[:ORDERS]
    scores = [validation[rate, rng.integers(seeds)][some].mean().round(12) for rate in tried]
    return int(tried[int(np.argmax(scores))])


def full_grid(validation: Array, rng: np.random.Generator) -> int:
    """Returns the rate that all points, all orders and resampled seeds choose."""
    seeds = rng.integers(validation.shape[1], size=validation.shape[1])
    return int(np.argmax(validation[:, seeds].mean((1, 2)).round(12)))


def winner(left: Array, right: Array) -> int:
    """Returns 1 or -1 for who is better by a t test over seeds, 0 for nobody."""
    if left.var() + right.var() < 1e-12:  # without spread there is no test
        return 0
    with warnings.catch_warnings(action="ignore"):  # one of the two may have no spread
        p = float(stats.ttest_ind(left, right, equal_var=False).pvalue)
    return int(np.sign(left.mean() - right.mean())) if p <= ALPHA else 0


def verdict(recipe: str, pair: list[tuple[Array, Array]], rng: np.random.Generator) -> int:
    """Returns whom a recipe names on resampled seeds."""
    choose = four_trials if recipe == "four trials" else full_grid
    mine, theirs = (choose(validation, rng) for validation, _ in pair)
    seeds = rng.integers(pair[0][1].shape[1], size=pair[0][1].shape[1])
    one, other = (scores[:, seeds] for _, scores in pair)
    if recipe != "oracle rival":
        return winner(one[mine], other[theirs])
    best, rival = (scores[int(np.argmax(scores.mean(1).round(12)))] for scores in (one, other))
    return max(winner(one[mine], rival), 0) + min(winner(best, other[theirs]), 0)


def main(resamples: int) -> int:
    """Returns 1 if a share of `audit.json` is not what drawing finds."""
    rows, bad = json.loads((HERE / "audit.json").read_text())["pairs"], 0
    found = {marks: grids(HERE, marks) for marks in {row["marks"] for row in rows}}
    rng = np.random.default_rng(0)
    for row in rows:
        pair = [found[row["marks"]][arm] for arm in row["pair"]]
        named = np.array([verdict(row["recipe"], pair, rng) for _ in range(resamples)])
        truth = int(np.sign(row["gap"])) if abs(row["gap"]) >= 0.02 else 0
        wrong = float(np.mean(named == -truth if truth else named != 0))
        for what, share in (("nobody", float(np.mean(named == 0))), ("wrong", wrong)):
            told = row[what]
            if abs(share - told) > 5 * (told * (1 - told) / resamples) ** 0.5 + 2 / resamples:
                bad += 1
                print(f"DIFFERENT  {row['pair']}, {row['recipe']}: {what} {share}, the page has {told}")
    print(f"{2 * len(rows)} shares of {len(RECIPES)} recipes drawn again, {bad} different")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
