import numpy as np
import polars as pl
import pytest
from fvm_eval.statistics.bounded import binomial_limits
from fvm_eval.statistics.intervals import difference_interval, mean_interval, new_tasks_interval
from scipy import stats


def test_one_fold_is_the_plain_t_interval_of_checkpoint_means(cells):
    # Checkpoint means 1, 2, 6: mean 3, sd sqrt(7), se sqrt(7/3), t(.975, 2) = 4.302653.
    interval = mean_interval(cells([[0, 2], [1, 3], [5, 7]]))
    assert interval.mean == 3
    assert interval.high - 3 == pytest.approx(4.302653 * (7 / 3) ** 0.5, rel=1e-6)
    assert interval.half_width == pytest.approx(4.302653 * (7 / 3) ** 0.5, rel=1e-6)
    assert (interval.how, interval.df, interval.checkpoints) == ("cluster-t", pytest.approx(2), 3)
    assert interval.sd == pytest.approx(7**0.5)


def test_several_adaptations_of_one_checkpoint_are_one_unit(cells):
    once = cells([[0, 2], [1, 3], [5, 7]])
    wobble = pl.concat([once.with_columns(pl.col("value") + d) for d in (-1, 1)])
    assert mean_interval(wobble) == mean_interval(once)


def test_folds_are_strata_weighted_by_their_tasks(cells):
    # Fold 0: task a, values 0, 2 (mean 1, var 2). Fold 1: tasks b, c, means 3, 5, 7 (mean 5, var 4).
    fold0 = cells([[0], [2]], "x", folds=[0, 0], tasks=[["a"]] * 2)
    fold1 = cells([[2, 4], [4, 6], [6, 8]], "y", folds=[1] * 3, tasks=[["b", "c"]] * 3)
    interval = mean_interval(pl.concat([fold0, fold1]))
    v0, v1 = (1 / 3) ** 2 * 2 / 2, (2 / 3) ** 2 * 4 / 3
    assert interval.mean == pytest.approx((1 + 2 * 5) / 3)
    assert interval.df == pytest.approx((v0 + v1) ** 2 / (v0**2 / 1 + v1**2 / 2))
    assert interval.half_width == pytest.approx(stats.t.ppf(0.975, interval.df) * (v0 + v1) ** 0.5)


def test_scratch_runs_of_their_own_do_not_count_task_differences_as_noise(cells):
    # One checkpoint a run: tasks differ by 100, seeds by 1.
    runs = cells([[0], [1], [100], [101]], tasks=[["a"], ["a"], ["b"], ["b"]])
    interval = mean_interval(runs)
    assert interval.mean == 50.5
    assert interval.half_width == pytest.approx(stats.t.ppf(0.975, 2) * (2 * 0.25 * 0.5 / 2) ** 0.5)


def test_the_difference_is_welchs(cells):
    rng = np.random.default_rng(0)
    left, right = rng.normal(1, 1, (4, 3)), rng.normal(0, 3, (7, 3))
    interval = difference_interval(cells(left, "l"), cells(right, "r"))
    oracle = stats.ttest_ind(left.mean(1), right.mean(1), equal_var=False).confidence_interval()
    assert (interval.low, interval.high) == pytest.approx((oracle.low, oracle.high))
    assert interval.how == "Welch"


def test_shared_checkpoints_are_paired(cells):
    left, right = np.array([[1.0], [5.0], [9.0]]), np.array([[0.0], [3.0], [8.0]])
    interval = difference_interval(cells(left), cells(right))
    oracle = stats.ttest_rel(left[:, 0], right[:, 0]).confidence_interval()
    assert (interval.low, interval.high) == pytest.approx((oracle.low, oracle.high))
    with pytest.raises(ValueError, match="shares some checkpoints"):
        difference_interval(cells(left), cells(right[:2]))


def test_other_tasks_are_refused(cells):
    with pytest.raises(ValueError, match="only one of the two methods was tested on t1"):
        difference_interval(cells([[1, 2]], "l"), cells([[1]], "r"))


def test_one_checkpoint_has_no_interval_and_says_so(cells):
    interval = mean_interval(cells([[1, 2, 3]]))
    assert (interval.mean, interval.low, interval.high, interval.sd) == (2, None, None, None)
    assert "one checkpoint only" in interval.note
    assert "one checkpoint only" in difference_interval(cells([[1]], "l"), cells([[1], [2]], "r")).note
    uneven = cells([[1], [2], [3]], tasks=[["a"], ["a"], ["b"]])
    assert "only on 1 of the tasks" in mean_interval(uneven).note


def test_agreeing_checkpoints_get_binomial_limits_or_none(cells):
    full = cells([[10, 10]] * 5)
    interval = mean_interval(full, score_bounds=(0, 10))
    assert (interval.low, interval.high) == (pytest.approx(10 * 0.025**0.2), 10)
    assert interval.how == "Gaffke"
    assert mean_interval(full).low is None
    assert "agree exactly" in mean_interval(cells([[3.3]] * 5), score_bounds=(0, 10)).note
    zero = mean_interval(cells([[0]] * 5), score_bounds=(0, 10))
    assert (zero.low, zero.high) == (0, pytest.approx(10 * (1 - 0.025**0.2)))


def test_a_difference_with_an_agreeing_arm_keeps_its_uncertainty(cells):
    full, spread = cells([[1.0]] * 5, "l"), cells([[0.0], [0.1], [0.1], [0.2], [0.0]], "r")
    interval = difference_interval(full, spread, score_bounds=(0, 1))
    right = mean_interval(spread, score_bounds=(0, 1))
    assert interval.low == pytest.approx(interval.mean - np.hypot(1 - 0.025**0.2, right.high - right.mean))
    assert interval.high == pytest.approx(interval.mean + right.mean - right.low)
    assert difference_interval(full, spread).low is None
    with pytest.raises(ValueError, match="nothing to average"):
        mean_interval(full.clear())


def test_binomial_limits_are_clopper_pearson():
    oracle = stats.binomtest(3, 10).proportion_ci(method="exact")
    assert binomial_limits(3, 10) == pytest.approx((oracle.low, oracle.high))
    assert binomial_limits(0, 10)[0] == 0


def test_new_tasks_by_hand(cells):
    # Checkpoint means 1.5, 4.5; task means 1.5, 4.5; residuals +-1: var 2.25 + 2.25 - 1.
    values = [[1.0, 2.0], [2.0, 7.0]]
    interval = new_tasks_interval(cells(values))
    df = 3.5**2 / (2.25**2 + 2.25**2 + 1)
    assert interval.df == pytest.approx(df)
    assert interval.half_width == pytest.approx(stats.t.ppf(0.975, df) * 3.5**0.5)
    # Where all mean squares are equal, two of the three parts cancel and say nothing: df 1, not 1 / 3.
    assert new_tasks_interval(cells([[1.0, 1.0], [1.0, 5.0]])).df == pytest.approx(1)
    alone = new_tasks_interval(cells([[1.0], [2.0]]))
    assert (alone.low, alone.note) == (None, "one task only: nothing is known of other tasks")
    assert "no spread" in new_tasks_interval(cells([[1.0, 2.0]])).note
    assert "neither" in new_tasks_interval(cells([[1.0, 1.0]] * 2)).note
    # Paired by checkpoint: the interval of the differences, which are those of the first case.
    left = np.add(values, [[7.0, 2.0], [3.0, 5.0]])
    paired = new_tasks_interval(cells(left), cells(left - values))
    assert (paired.low, paired.high, paired.df) == pytest.approx((interval.low, interval.high, df))
    assert "neither" in new_tasks_interval(cells(values), cells(values)).note


def test_checkpoints_good_at_one_task_each_do_not_make_limits_in_the_millions(cells):
    # Means of checkpoints and of tasks hardly differ, single cells do: 1 on one task, 0 on the others.
    values = np.eye(4) + np.array([[0.04], [0.0], [0.0], [0.0]])
    interval = new_tasks_interval(cells(values))
    assert interval.how == "two-way"
    assert interval.df == pytest.approx(3)
    se = np.std(values.mean(axis=1), ddof=1) / 4**0.5
    assert interval.half_width == pytest.approx(stats.t.ppf(0.975, 3) * se)


@pytest.mark.parametrize("scale", [1.0, 0.1, 1 / 3, 7e5])
def test_for_new_tasks_runs_from_scratch_are_as_good_as_their_task_means(cells, scale):
    """The two parts that cancel leave rounding, which must not decide the degrees of freedom."""
    values = scale * np.random.default_rng(3).uniform(0.2, 0.8, (5, 4))
    runs = cells(values.T.reshape(-1, 1), tasks=[[f"t{i // 5}"] for i in range(20)])
    found = new_tasks_interval(runs)
    oracle = stats.ttest_1samp(values.mean(0), 0).confidence_interval()
    assert (found.low, found.high) == (pytest.approx(oracle.low), pytest.approx(oracle.high))


def test_limits_over_new_tasks_that_all_agree_stay_within_the_possible_scores(cells):
    found = new_tasks_interval(cells([[-1.0, -1.0]] * 3), score_bounds=(-1.0, 1.0))
    assert found.low == -1.0
    assert -1.0 < found.high <= 1.0


def test_tasks_that_differ_by_rounding_do_not_differ(cells):
    """The mean of three times 0.1 is not 0.1: an interval of no width would be all too sure."""
    left = cells([[0.1]] * 5, "l", folds=[0, 0, 0, 1, 1], tasks=[["a"]] * 3 + [["b"]] * 2)
    right = cells([[0.7]] * 5, "r", folds=[0, 0, 0, 1, 1], tasks=[["a"]] * 3 + [["b"]] * 2)
    for found in (new_tasks_interval(left), new_tasks_interval(left, right)):
        assert (found.low, found.how, found.note) == (None, "none", "neither tasks nor checkpoints differ")


@pytest.mark.parametrize("values", [[[0, 0], [0, 0], [0, 1]], [[0, 0], [0, 1], [0.5, 0.5]]])
@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (40, -7), (3, 0.1), (0.5, 0)])
def test_where_checkpoints_and_tasks_spread_alike_rounding_decides_nothing(cells, values, scale, shift):
    """Three checkpoints on two tasks, v = s^2 / 3 of either: df 2 or 1, by a bit that the scale turned."""
    values = np.array(values, float)
    assert values.mean(1).var(ddof=1) / 3 == pytest.approx(values.mean(0).var(ddof=1) / 2)
    found = new_tasks_interval(cells(scale * values + shift))
    half = stats.t.ppf(0.975, 1) * (values.mean(1).var(ddof=1) / 3) ** 0.5
    assert found.df == pytest.approx(1)
    assert (found.high - found.low) / 2 == pytest.approx(scale * half)
