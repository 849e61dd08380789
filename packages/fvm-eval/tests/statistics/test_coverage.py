"""Simulated studies: do the intervals cover as often as they say? benchmarks/coverage.py is the long version.

Hits in n studies are binomial. An interval that covers .95 leaves the bounds of `within(n, .95)` once in
10,000 tests; where a method is an approximation the range of its true coverage is given.
"""

import numpy as np
import pytest
from fvm_eval.statistics.aggregate import iqm, mean
from fvm_eval.statistics.bootstrap import bootstrap
from fvm_eval.statistics.contrasts import contrast
from fvm_eval.statistics.hypothesis import equivalence
from fvm_eval.statistics.intervals import difference_interval, mean_interval, new_tasks_interval
from fvm_eval.statistics.jackknife import jackknife
from scipy import stats

TASKS = np.linspace(0, 1, 10)


def scores(rng, checkpoints, tasks=TASKS, shared=0.12, residual=0.16):
    luck = rng.normal(0, shared, (checkpoints, 1))
    return tasks + luck + rng.normal(0, residual, (checkpoints, len(tasks)))


def within(studies, low, high=None):
    """Fewest and most hits that a true coverage between low and high leaves likely."""
    least = stats.binom.ppf(0.5e-4, studies, low)
    return range(int(least), int(stats.binom.ppf(1 - 0.5e-4, studies, high or low)) + 1)


def covers(interval, truth):
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize("seeds", [3, 8])
def test_one_method_and_what_ignoring_checkpoints_would_do(cells, seeds):
    rng, studies = np.random.default_rng(7), 500
    ours = ignored = 0
    for _ in range(studies):
        values = scores(rng, seeds)
        ours += covers(mean_interval(cells(values)), 0.5)
        runs = cells(values.reshape(-1, 1), tasks=[[f"t{i % 10}"] for i in range(values.size)])
        ignored += covers(mean_interval(runs), 0.5)
    assert ours in within(studies, 0.95)
    # The same interval, told that each run is a checkpoint: it must fail by far, or this test could not.
    assert ignored in within(studies, 0.50, 0.75)
    assert ignored < within(studies, 0.95).start


def test_two_methods_that_differ_in_spread_and_seeds(cells):
    rng, studies = np.random.default_rng(8), 500
    hits = 0
    for _ in range(studies):
        arms = cells(scores(rng, 4), "l"), cells(scores(rng, 8, shared=0.03), "r")
        hits += covers(difference_interval(*arms), 0)
    assert hits in within(studies, 0.93, 0.97)  # Welch is an approximation


@pytest.mark.parametrize("aggregate", [mean, iqm])
def test_widened_bootstrap_and_jackknife(cells, aggregate):
    rng, studies = np.random.default_rng(9), 300
    hits = {"bootstrap": 0, "percentiles": 0, "jackknife": 0}
    for _ in range(studies):
        arm = cells(scores(rng, 5))
        found = bootstrap(arm, {"a": aggregate}, rng=rng, resamples=300)["a"]
        hits["bootstrap"] += covers(found, 0.5)
        factor = (5 / 4) ** 0.5 * stats.t.ppf(0.975, 4) / stats.norm.ppf(0.975)
        low = found.mean - (found.mean - found.low) / factor
        high = found.mean + (found.high - found.mean) / factor
        hits["percentiles"] += low <= 0.5 <= high
        hits["jackknife"] += covers(jackknife({"m": arm}, {"m": 1}, aggregate).interval(), 0.5)
    assert hits["bootstrap"] in within(studies, 0.92, 0.97)
    assert hits["jackknife"] in within(studies, 0.93, 0.97)
    assert hits["percentiles"] < within(studies, 0.92).start


def test_new_tasks_need_the_tasks_in_the_interval(cells):
    rng, studies, tasks = np.random.default_rng(11), 400, TASKS[:5]
    new = these = 0
    for _ in range(studies):
        left = 0.3 + scores(rng, 10, tasks) + rng.normal(0, 0.25, (1, 5))
        arms = cells(left, "l"), cells(scores(rng, 10, tasks), "r")
        new += covers(new_tasks_interval(*arms), 0.3)
        these += covers(difference_interval(*arms), 0.3)
    assert new in within(studies, 0.93, 0.98)
    assert these in within(studies, 0.60, 0.80)


def test_false_positives(cells):
    """A t-test over tasks on seed means calls equal methods different half of the time; ours do not."""
    rng, studies, tasks = np.random.default_rng(12), 400, np.linspace(0, 1, 20)
    welch = over_tasks = equal = 0
    for _ in range(studies):
        left, right = scores(rng, 5, tasks), scores(rng, 5, tasks)
        arms = {"l": cells(left, "l"), "r": cells(right, "r")}
        welch += not covers(difference_interval(arms["l"], arms["r"]), 0)
        over_tasks += stats.ttest_rel(left.mean(0), right.mean(0)).pvalue <= 0.05
        shifted = {"l": cells(left + 0.3, "l"), "r": arms["r"]}
        equal += equivalence(contrast(shifted, {"l": 1, "r": -1}), 0.3) <= 0.05
    assert welch in within(studies, 0.03, 0.06)
    assert equal in within(studies, 0.03, 0.06)
    assert over_tasks in within(studies, 0.45, 0.65)
