"""Coverage of the intervals and error rates of the tests in fvm-eval, by simulated studies.

    OMP_NUM_THREADS=1 uv run python benchmarks/coverage.py [--studies 2000] [--resamples 1000] [--seeds 3 5 8]

A score is the task's level + the checkpoint's luck (sd .12, shared by its tasks) + a residual (sd .16).
Prints Markdown: rows are procedures, columns checkpoints a method, cells the share of studies. The last line
gives the simulation's own error. docs/statistics.md says what the rows mean.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from fvm_eval.statistics.aggregate import Scores, iqm, mean
from fvm_eval.statistics.bootstrap import bootstrap, cluster_weights, widened, widening
from fvm_eval.statistics.contrasts import contrast
from fvm_eval.statistics.estimates import Interval
from fvm_eval.statistics.hypothesis import equivalence, permutation
from fvm_eval.statistics.intervals import difference_interval, mean_interval, new_tasks_interval
from fvm_eval.statistics.jackknife import jackknife
from fvm_eval.statistics.variance import estimate
from scipy import stats

SHARED, RESIDUAL, TASKS = 0.12, 0.16, 10
METHOD_BY_TASK, FEW_TASKS, MANY_TASKS = 0.25, 5, 20
MARGIN = 0.10
Study = Callable[[int, int, np.random.Generator], Mapping[str, bool]]


def scores_of(seeds: int, tasks: int, rng: np.random.Generator, shared: float = SHARED) -> np.ndarray:
    """Returns scores [seeds, tasks] of tasks from hard (0) to easy (1), true mean .5."""
    values = rng.normal(0, shared, (seeds, 1)) + rng.normal(0, RESIDUAL, (seeds, tasks))
    return values + np.linspace(0, 1, tasks)


def cells(values: np.ndarray, name: str, own: bool = False) -> pl.DataFrame:
    """Returns cells of scores [seeds, tasks]; `own` pretends that each run is a checkpoint of its own."""
    seeds, tasks = values.shape
    seed, task = np.repeat(np.arange(seeds), tasks), np.tile(np.arange(tasks), seeds)
    names = [f"{name}/{s}/{t}" if own else f"{name}/{s}" for s, t in zip(seed, task, strict=True)]
    return pl.DataFrame(
        {
            "fold": [0] * len(seed),
            "checkpoint": names,
            "task": [f"t{t}" for t in task],
            "value": values.ravel(),
        }
    )


def covers(interval: Interval, truth: float) -> bool:
    return interval.low is not None and interval.high is not None and interval.low <= truth <= interval.high


def draws_of(arm: pl.DataFrame, resamples: int, rng: np.random.Generator) -> np.ndarray:
    scores = Scores.of(arm)
    return mean(scores, cluster_weights(scores, resamples, rng))


def percentiles_cover(draws: np.ndarray, value: float, truth: float, factor: float = 1.0) -> bool:
    low, high = widened(np.array([value]), draws[:, None], factor)
    return bool(low[0] <= truth <= high[0])


def one_method(seeds: int, resamples: int, rng: np.random.Generator) -> Mapping[str, bool]:
    values = scores_of(seeds, TASKS, rng)
    arm, runs = cells(values, "m"), cells(values, "m", own=True)
    boot = bootstrap(arm, {"mean": mean, "iqm": iqm}, rng=rng, resamples=resamples)
    middle = 0.5  # of the interquartile mean too: tasks lie symmetrically
    return {
        "cluster-t (`mean_interval`)": covers(mean_interval(arm), 0.5),
        "jackknife, IQM": covers(jackknife({"m": arm}, {"m": 1}, iqm).interval(), middle),
        "widened bootstrap of checkpoints, mean": covers(boot["mean"], 0.5),
        "widened bootstrap of checkpoints, IQM": covers(boot["iqm"], middle),
        "percentiles of checkpoints, not widened": percentiles_cover(
            draws_of(arm, resamples, rng), values.mean(), 0.5
        ),
        "percentiles of runs, as if independent": percentiles_cover(
            draws_of(runs, resamples, rng), values.mean(), 0.5
        ),
    }


def two_methods(seeds: int, resamples: int, rng: np.random.Generator) -> Mapping[str, bool]:
    left, right = scores_of(seeds, TASKS, rng), scores_of(seeds, TASKS, rng)
    arms, runs = (cells(left, "l"), cells(right, "r")), (cells(left, "l", True), cells(right, "r", True))
    draws = [draws_of(arm, resamples, rng) for arm in arms]
    independent = [draws_of(arm, resamples, rng) for arm in runs]
    steady = cells(scores_of(10, TASKS, rng, 0.03), "s")
    gap = left.mean() - right.mean()
    factor = widening(estimate(arms[0]))
    pair = {"l": arms[0], "r": arms[1]}
    return {
        "Welch (`difference_interval`)": covers(difference_interval(*arms), 0),
        "Welch, the other method with 10 checkpoints of shared sd .03": covers(
            difference_interval(arms[0], steady), 0
        ),
        "jackknife and Welch-Satterthwaite, IQM": covers(
            jackknife(pair, {"l": 1, "r": -1}, iqm).interval(), 0
        ),
        "widened bootstrap of checkpoints": percentiles_cover(draws[0] - draws[1], gap, 0, factor),
        "percentiles of runs, as if independent": percentiles_cover(independent[0] - independent[1], gap, 0),
    }


def new_tasks(seeds: int, resamples: int, rng: np.random.Generator) -> Mapping[str, bool]:
    """Methods are equal over all tasks, but each is better on some."""
    left = scores_of(seeds, FEW_TASKS, rng) + rng.normal(0, METHOD_BY_TASK, (1, FEW_TASKS))
    arms = cells(left, "l"), cells(scores_of(seeds, FEW_TASKS, rng), "r")
    return {
        "two-way (`new_tasks_interval`)": covers(new_tasks_interval(*arms), 0),
        "Welch over checkpoints only": covers(difference_interval(*arms), 0),
    }


def error_rates(seeds: int, resamples: int, rng: np.random.Generator) -> Mapping[str, bool]:
    left, right = scores_of(seeds, MANY_TASKS, rng), scores_of(seeds, MANY_TASKS, rng)
    fewer = slice(0, TASKS)
    pair = {"l": cells(left + MARGIN, "l"), "r": cells(right, "r")}
    at_margin = equivalence(contrast(pair, {"l": 1, "r": -1}), MARGIN)
    return {
        "Welch's test": not covers(difference_interval(cells(left, "l"), cells(right, "r")), 0),
        "permutation of checkpoints": permutation(left.mean(1), right.mean(1), rng) <= 0.05,
        "two one-sided tests, difference of one margin": at_margin is not None and at_margin <= 0.05,
        "t-test over 10 tasks on seed means": bool(
            stats.ttest_rel(left[:, fewer].mean(0), right[:, fewer].mean(0)).pvalue <= 0.05
        ),
        "t-test over 20 tasks on seed means": bool(
            stats.ttest_rel(left.mean(0), right.mean(0)).pvalue <= 0.05
        ),
    }


STUDIES: Mapping[str, Study] = {
    f"Coverage, one method, {TASKS} tasks": one_method,
    f"Coverage, difference of two methods with checkpoints of their own, {TASKS} tasks": two_methods,
    f"Coverage over new tasks, {FEW_TASKS} seen, method-by-task sd {METHOD_BY_TASK}": new_tasks,
    f"False positives at .05, {MANY_TASKS} tasks": error_rates,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies a cell")
    parser.add_argument("--resamples", type=int, default=1000, help="of each bootstrap")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 8, 10], help="checkpoints a method")
    options = parser.parse_args()
    start = time.perf_counter()
    for title, study in STUDIES.items():
        shares: dict[str, list[float]] = defaultdict(list)
        for seeds in options.seeds:
            rng = np.random.default_rng(seeds)
            found = [study(seeds, options.resamples, rng) for _ in range(options.studies)]
            for name in found[0]:
                shares[name].append(float(np.mean([one[name] for one in found])))
        print(f"\n| {title} | {' | '.join(map(str, options.seeds))} |\n|---|{'---|' * len(options.seeds)}")
        for name, row in shares.items():
            print(f"| {name} | {' | '.join(f'{share:.3f}'.lstrip('0') for share in row)} |")
    error = 1.96 * (0.95 * 0.05 / options.studies) ** 0.5
    print(
        f"\n{options.studies:,} studies a cell: a true .95 comes out within ±{error:.3f} in 19 of 20 cells. "
        f"{options.resamples:,} resamples. {time.perf_counter() - start:.0f} s."
    )


if __name__ == "__main__":
    main()
