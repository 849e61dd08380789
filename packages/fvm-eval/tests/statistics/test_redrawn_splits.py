"""Secondary statistics where each fold drew its tasks anew: the unit is a checkpoint with its own tasks."""

from functools import partial

import numpy as np
import polars as pl
import pytest
from fvm_eval.statistics.aggregate import AGGREGATES, Scores, iqm, mean, median, optimality_gap
from fvm_eval.statistics.bootstrap import bootstrap, cluster_weights
from fvm_eval.statistics.contrasts import contrast
from fvm_eval.statistics.icc import checkpoint_variance
from fvm_eval.statistics.improvement import probability_of_improvement
from fvm_eval.statistics.jackknife import jackknife
from fvm_eval.statistics.profiles import performance_profile
from fvm_eval.statistics.variance import known_redrawn
from scipy import stats

# Five splits of a pool of 24; the last shares no task with any other, and most tasks are in one split alone.
SPLITS = [[3, 14, 22, 23], [5, 10, 20, 23], [0, 5, 14, 20], [6, 11, 16, 23], [8, 13, 18, 21]]


@pytest.fixture
def redrawn(cells):
    def redrawn(values, name="m", splits=SPLITS):
        names = [[f"t{task}" for task in split] for split in splits]
        return cells(values, name, folds=range(len(splits)), tasks=names)

    return redrawn


@pytest.mark.parametrize("last_alone", [True, False])
def test_the_means_jackknife_is_the_contrast(redrawn, last_alone):
    rng = np.random.default_rng(0)
    splits = SPLITS if last_alone else [*SPLITS[:4], [3, 5, 6, 0]]
    arms = {name: redrawn(rng.normal(size=(5, 4)), shared, splits) for name, shared in ("ax", "bx", "cy")}
    for weights in ({"a": 1}, {"a": 1, "b": -1}, {"a": 1, "c": -1}):
        ours, theirs = jackknife(arms, weights, mean), contrast(arms, weights)
        assert (ours.mean, ours.se, ours.df) == pytest.approx((theirs.mean, theirs.se, theirs.df))
        assert (ours.checkpoints, ours.how) == (theirs.checkpoints, theirs.how)


def test_aggregates_by_hand(redrawn):
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 1, (5, 4))
    arm = redrawn(values)
    gap = jackknife({"m": arm}, {"m": 1}, partial(optimality_gap, gamma=1.0))
    assert gap.mean == pytest.approx(1 - values.mean())
    assert gap.se == pytest.approx(stats.sem(values.mean(1)))  # all at or below 1: the mean's, turned over

    def medians(kept):
        of_task = {}
        for seed in kept:
            for task, value in zip(SPLITS[seed], values[seed], strict=True):
                of_task.setdefault(task, []).append(value)
        return np.median([np.mean(scores) for scores in of_task.values()])

    replicates = np.array([medians([s for s in range(5) if s != left]) for left in range(5)])
    middle = jackknife({"m": arm}, {"m": 1}, median)
    assert middle.mean == pytest.approx(medians(range(5)))
    assert middle.se == pytest.approx((4 * replicates.var()) ** 0.5)
    trimmed = np.array([stats.trim_mean(np.delete(values, left, 0), 0.25, axis=None) for left in range(5)])
    middle_half = jackknife({"m": arm}, {"m": 1}, iqm)
    assert middle_half.mean == pytest.approx(stats.trim_mean(values, 0.25, axis=None))
    assert middle_half.se == pytest.approx((4 * trimmed.var()) ** 0.5)
    assert middle_half.df == 4


def test_a_checkpoint_counts_as_much_as_another_with_more_tasks(cells):
    rows = [(0, 0.0, "a"), (0, 0.0, "b"), (0, 0.0, "c"), (1, 1.0, "a"), (2, 0.5, "b"), (2, 0.5, "d")]
    table = cells(
        [[value] for _, value, _ in rows], folds=[f for f, _, _ in rows], tasks=[[t] for *_, t in rows]
    )
    table = table.with_columns(checkpoint="fold")
    scores = Scores.of(table.cast({"checkpoint": str}))
    assert mean(scores, scores.once)[0] == pytest.approx(0.5)


def test_improvement_leaves_out_a_split_of_both_arms(redrawn):
    rng = np.random.default_rng(2)
    left, right = rng.normal(0.4, 1, (5, 4)), rng.normal(size=(5, 4))
    splits = [[4 * s + i for i in range(4)] for s in range(5)]
    splits[1][0] = splits[0][0] = 0  # one task in common: of two runs against two
    found = probability_of_improvement(redrawn(left, "l", splits), redrawn(right, "r", splits))

    def share(kept):
        of_task = {}
        for seed in kept:
            for place, task in enumerate(splits[seed]):
                of_task.setdefault(task, []).append((left[seed, place], right[seed, place]))
        wins = [np.mean([a > b for a, _ in runs for _, b in runs]) for runs in of_task.values()]
        return np.mean(wins)

    replicates = np.array([share([s for s in range(5) if s != gone]) for gone in range(5)])
    p = share(range(5))
    half = stats.t.ppf(0.975, 4) * (4 * replicates.var()) ** 0.5 / (p * (1 - p))
    assert found.mean == pytest.approx(p)
    assert np.log(found.high / (1 - found.high)) == pytest.approx(np.log(p / (1 - p)) + half)
    assert found.df == pytest.approx(4)


def test_a_split_that_shares_no_task_is_drawn_like_the_others(redrawn):
    rng = np.random.default_rng(3)
    arm = redrawn(np.where(np.arange(5)[:, None] == 4, 1.0, 0.0) * np.ones((5, 4)))
    scores = Scores.of(arm)
    assert scores.strata == ((0, 1, 2, 3, 4),)
    assert set(cluster_weights(scores, 100, rng)[:, -1]) > {0.0, 1.0}
    found = bootstrap(arm, AGGREGATES, rng=rng, resamples=200)
    assert found["Mean"].low < 0.2 < found["Mean"].high
    band = performance_profile(arm, [0.5], rng=rng)
    assert band["low"][0] < 0.2 < band["high"][0]


def test_what_tasks_share_cannot_be_told(redrawn):
    with pytest.raises(ValueError, match="each split drew tasks of its own"):
        checkpoint_variance(redrawn(np.arange(20.0).reshape(5, 4)))


def test_tasks_that_a_checkpoint_lacks_are_left_out_of_aggregates_too(cells):
    full = cells([[0.0, 0.2, 1.0], [0.4, 0.6, 0.0], [0.1, 0.9, 0.3]])
    lacking = full.filter(~((full["checkpoint"] == "m/2") & (full["task"] == "t2")))
    less = full.filter(full["task"] != "t2")
    for aggregate in (iqm, mean, median):
        ours, theirs = (jackknife({"m": table}, {"m": 1}, aggregate) for table in (lacking, less))
        assert (ours.mean, ours.se) == (theirs.mean, theirs.se)
        assert "on 2 of 3 tasks, since some checkpoints lack t2" in ours.interval().note
    other = cells([[0.5, 0.5, 0.5]] * 3, "n")
    found = probability_of_improvement(lacking, other)
    assert found.mean == probability_of_improvement(less, other.filter(other["task"] != "t2")).mean
    assert "lack t2" in found.note
    none = full.filter(
        ((full["checkpoint"] == "m/0") & (full["task"] == "t0"))
        | ((full["checkpoint"] == "m/1") & (full["task"] != "t2"))
        | ((full["checkpoint"] == "m/2") & (full["task"] != "t0"))
    )
    assert jackknife({"m": none}, {"m": 1}, median).note.startswith("not estimable")
    assert probability_of_improvement(none, none).note.startswith("not estimable")
    assert performance_profile(none, [0.5], rng=np.random.default_rng(0))["low"][0] is None


def test_pretrainings_on_one_split_share_it(cells):
    """Two pretrainings a split are one unit: counted one by one, a .95 interval of 5 splits covers .85."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(5, 2, 4))
    rows, folds = values.reshape(10, 4), np.repeat(range(5), 2)
    tasks = [[f"t{task}" for task in SPLITS[fold]] for fold in folds]
    arms = {name: cells(rows + gain, name, folds, tasks) for name, gain in (("a", 0.0), ("b", 0.1))}
    found = contrast(arms, {"a": 1})
    assert found.mean == pytest.approx(values.mean())
    assert (found.se, found.df) == (pytest.approx(stats.sem(values.mean((1, 2)))), 4)
    assert found.checkpoints == 5
    for weights in ({"a": 1}, {"a": 1, "b": -2}):
        ours, theirs = jackknife(arms, weights, mean), contrast(arms, weights)
        assert (ours.mean, ours.se, ours.df) == pytest.approx((theirs.mean, theirs.se, theirs.df))
    without = np.array([stats.trim_mean(np.delete(values, fold, 0), 0.25, axis=None) for fold in range(5)])
    assert jackknife(arms, {"a": 1}, iqm).se == pytest.approx((4 * without.var()) ** 0.5)
    drawn = cluster_weights(Scores.of(arms["a"]), 50, np.random.default_rng(5)).reshape(50, 5, 8)
    assert (drawn == drawn[:, :, :1]).all()
    assert probability_of_improvement(arms["b"], arms["a"]).df == 4


def test_runs_from_scratch_on_one_split_share_it(redrawn):
    """A checkpoint a task: what is hard about a split is hard for both methods, and weighs the same."""
    hard = np.random.default_rng(6).normal(size=24)
    values = np.array([[hard[task] for task in split] for split in SPLITS])
    pretrained, scratch = redrawn(values, "p"), redrawn(values, "s")
    alone = scratch.with_columns(checkpoint=pl.concat_str("checkpoint", "task", separator="/"))
    found, wanted = contrast({"m": alone}, {"m": 1}), contrast({"m": scratch}, {"m": 1})
    assert (found.mean, found.se, found.df) == (wanted.mean, wanted.se, wanted.df)
    assert contrast({"p": pretrained, "s": alone}, {"p": 1, "s": -1}).mean == pytest.approx(0, abs=1e-12)
    for aggregate in AGGREGATES.values():
        ours, theirs = (jackknife({"m": table}, {"m": 1}, aggregate) for table in (alone, scratch))
        assert (ours.mean, ours.se, ours.note) == (theirs.mean, theirs.se, theirs.note)
    assert performance_profile(alone, [0.0], rng=np.random.default_rng(0))["low"][0] is not None
    with pytest.raises(ValueError, match="each split drew tasks of its own"):
        checkpoint_variance(alone)


def test_a_task_that_more_runs_of_a_split_have_weighs_no_more(cells):
    rows = [(0, "a", 0.0), (0, "a", 1.0), (0, "b", 1.0), (1, "b", 1.0), (1, "c", 0.0)]
    folds, tasks = [fold for fold, *_ in rows], [[task] for _, task, _ in rows]
    table = cells([[value] for *_, value in rows], "s", folds, tasks)
    assert contrast({"m": table}, {"m": 1}).mean == pytest.approx((0.75 + 0.5) / 2)
    assert jackknife({"m": table}, {"m": 1}, mean).mean == pytest.approx((0.75 + 0.5) / 2)


def test_three_drawn_splits_that_share_no_task_have_an_interval(redrawn):
    """Of 24 tasks three splits of 4 are disjoint in 8 of 100 draws: a record alone tells them from a plan."""
    apart = [[0, 1, 2, 3], [8, 9, 10, 11], [20, 21, 22, 23]]
    means, rng = np.array([0.2, 0.5, 0.9]), np.random.default_rng(7)
    planned = redrawn(means[:, None] + np.array([-0.1, -0.05, 0.05, 0.1]), "m", apart)
    drawn = known_redrawn(planned, redrawn=True)
    found = contrast({"m": drawn}, {"m": 1}).interval()
    half = stats.t.ppf(0.975, 2) * stats.sem(means)
    assert (found.low, found.mean, found.high) == pytest.approx(
        (means.mean() - half, 1.6 / 3, 1.6 / 3 + half)
    )
    assert (found.checkpoints, found.df) == (3, 2)
    assert "one checkpoint only" in contrast({"m": planned}, {"m": 1}).interval().note
    assert planned.equals(known_redrawn(planned, redrawn=False))

    other = known_redrawn(redrawn(rng.normal(size=(3, 4)), "o", apart), redrawn=True)
    for aggregate in AGGREGATES.values():
        assert jackknife({"m": drawn}, {"m": 1}, aggregate).interval().low is not None
    assert jackknife({"m": drawn}, {"m": 1}, mean).se == pytest.approx(stats.sem(means))
    assert performance_profile(drawn, [0.5], rng=rng)["low"][0] is not None
    assert probability_of_improvement(drawn, other).checkpoints == 3
    with pytest.raises(ValueError, match="each split drew tasks of its own"):
        checkpoint_variance(drawn)


def test_two_pretrainings_on_each_drawn_split_are_one_unit_though_splits_are_disjoint(cells):
    values = np.array([[0.1, 0.3], [0.5, 0.5], [0.8, 1.0]])  # by split and pretraining; one task each
    tasks = [["a"], ["a"], ["b"], ["b"], ["c"], ["c"]]
    planned = cells(values.reshape(6, 1), "m", np.repeat(range(3), 2), tasks)
    units = values.mean(1)
    found = contrast({"m": known_redrawn(planned, redrawn=True)}, {"m": 1})
    assert (found.se, found.df) == (pytest.approx(stats.sem(units)), 2)
    tasks_fixed = contrast({"m": planned}, {"m": 1})  # leave-one-out: what tasks differ by is no error
    assert tasks_fixed.se == pytest.approx((2 * (0.1**2 / 9)) ** 0.5)


def test_a_single_drawn_split_has_the_checkpoints_as_units(cells):
    alone = cells([[0.1, 0.3], [0.5, 0.5], [0.8, 1.0]])
    ours, theirs = (contrast({"m": known_redrawn(alone, known)}, {"m": 1}) for known in (True, False))
    assert (ours.mean, ours.se, ours.df) == (theirs.mean, theirs.se, theirs.df)
