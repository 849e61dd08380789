import numpy as np
import polars as pl
import pytest
from fvm_eval.statistics.aggregate import iqm
from fvm_eval.statistics.contrasts import contrast, slope_weights
from fvm_eval.statistics.improvement import probability_of_improvement
from fvm_eval.statistics.intervals import difference_interval, mean_interval
from fvm_eval.statistics.jackknife import jackknife
from fvm_eval.statistics.variance import estimate
from scipy import stats


def test_slope_weights_are_those_of_least_squares():
    weights = slope_weights({"100": 2, "1000": 3, "10000": 4})
    assert weights == pytest.approx({"100": -0.5, "1000": 0.0, "10000": 0.5})
    x, y = np.array([1.0, 2.0, 4.0]), np.array([0.3, 0.1, 0.9])
    weights = slope_weights(dict(zip("abc", x, strict=True)))
    assert sum(w * v for w, v in zip(weights.values(), y, strict=True)) == pytest.approx(
        stats.linregress(x, y).slope
    )
    with pytest.raises(ValueError, match="needs two different"):
        slope_weights({"a": 2.0, "b": 2.0})


def test_a_slope_adds_the_variances_of_separate_checkpoints(cells):
    rng = np.random.default_rng(0)
    values = {"100": rng.normal(0, 1, 4), "1000": rng.normal(1, 2, 5), "10000": rng.normal(3, 1, 6)}
    arms = {name: cells(value[:, None], name) for name, value in values.items()}
    weights = {"100": -0.7, "1000": 0.2, "10000": 0.5}
    found = contrast(arms, weights)
    parts = {name: weights[name] ** 2 * values[name].var(ddof=1) / len(values[name]) for name in values}
    variance = sum(parts.values())
    df = variance**2 / sum(part**2 / (len(values[name]) - 1) for name, part in parts.items())
    assert found.mean == pytest.approx(sum(weights[name] * values[name].mean() for name in values))
    assert (found.se, found.df, found.checkpoints) == (pytest.approx(variance**0.5), pytest.approx(df), 4)
    assert found.how == "Welch"
    assert found.note == "with fewer than 20 checkpoints rare failing seeds are assumed away"


def test_p_values_are_those_of_scipy(cells):
    rng = np.random.default_rng(1)
    left, right = rng.normal(0.4, 1, 5), rng.normal(0, 2, 7)
    arms = {"l": cells(left[:, None], "l"), "r": cells(right[:, None], "r")}
    found = contrast(arms, {"l": 1, "r": -1})
    for threshold in (-0.5, 0.0, 0.7):
        oracle = [
            stats.ttest_ind(left - threshold, right, equal_var=False, alternative=side).pvalue
            for side in ("greater", "less")
        ]
        assert (found.p_above(threshold), found.p_below(threshold)) == pytest.approx(oracle)
        both = stats.ttest_ind(left - threshold, right, equal_var=False).pvalue
        assert found.p_different(threshold) == pytest.approx(both)


def test_the_special_cases_are_contrasts(cells):
    rng = np.random.default_rng(2)
    arms = {name: cells(rng.normal(0, 1, (4, 3)), name) for name in "lr"}
    assert contrast(arms, {"l": 1, "r": -1}).interval() == difference_interval(arms["l"], arms["r"])
    assert contrast(arms, {"l": 1, "r": 0}).interval() == mean_interval(arms["l"])
    assert contrast(arms, {"l": 1, "absent": 1e-20}).interval() == mean_interval(arms["l"])


def test_arms_on_the_same_checkpoints_are_combined_within_each(cells):
    """A change from the first trial to the last, less the change of a control on checkpoints of its own."""
    rng = np.random.default_rng(3)
    luck = rng.normal(0, 10, (5, 1))
    first, last = luck + rng.normal(0, 1, (5, 2)), luck + rng.normal(1, 1, (5, 2))
    control_first, control_last = rng.normal(0, 1, (6, 2)), rng.normal(0, 1, (6, 2))
    arms = {
        "first": cells(first, "m"),
        "last": cells(last, "m"),
        "control first": cells(control_first, "c"),
        "control last": cells(control_last, "c"),
    }
    change = contrast(arms, {"last": 1, "first": -1})
    oracle = stats.ttest_rel(last.mean(1), first.mean(1))
    assert change.p_above(0) == pytest.approx(oracle.pvalue / 2)
    assert change.how == "paired cluster-t"
    both = contrast(arms, {"last": 1, "control last": -1, "first": -1, "control first": 1})
    oracle = stats.ttest_ind(
        (last - first).mean(1), (control_last - control_first).mean(1), equal_var=False
    ).confidence_interval()
    interval = both.interval()
    assert (interval.low, interval.high) == pytest.approx((oracle.low, oracle.high))
    assert len(both.spreads) == 2


def test_equal_differences_have_no_spread_however_they_round(cells):
    luck = np.array([[0.1], [0.7], [0.2], [0.3], [0.6]])
    arms = {"a": cells(luck + 0.1), "b": cells(luck + 0.2), "c": cells(luck + 0.3)}
    found = contrast(arms, {"a": 1, "b": -2, "c": 1})
    assert (found.mean, found.how) == (0, "none")
    assert "agree exactly" in found.note
    assert (found.p_above(-1), found.p_below(1), found.p_different()) == (None, None, None)


def test_an_agreeing_arm_brings_its_binomial_limits(cells):
    arms = {"full": cells([[1.0]] * 5, "f"), "other": cells([[0.0], [0.1], [0.1], [0.2], [0.0]], "o")}
    found = contrast(arms, {"full": 0.5, "other": -2}, score_bounds=(0, 1))
    other = mean_interval(arms["other"], score_bounds=(0, 1))
    assert found.mean == pytest.approx(0.5 - 2 * 0.08)
    interval = found.interval()
    below = np.hypot(0.5 * (1 - 0.025**0.2), 2 * (other.high - other.mean))
    assert interval.low == pytest.approx(found.mean - below)
    assert interval.high == pytest.approx(found.mean + 2 * (other.mean - other.low))
    assert (interval.how, found.df, interval.beside) == ("MOVER", None, None)


def test_p_values_of_binomial_limits_invert_the_interval(cells):
    found = contrast({"m": cells([[1.0]] * 5)}, {"m": 1}, score_bounds=(0, 1))
    # Five successes of five: P(X = 5 | share .6) = .6^5.
    assert found.p_above(0.6) == pytest.approx(0.6**5)
    assert found.interval(1 - 2 * 0.6**5).low == pytest.approx(0.6)
    assert found.p_below(0.6) == pytest.approx(1 - 0.6**5)
    assert (found.p_below(1.01), found.p_above(0.99), found.p_above(1.0)) == (0.0, 0.5, 0.5)
    negated = contrast({"m": cells([[1.0]] * 5)}, {"m": -2}, score_bounds=(0, 1))
    assert negated.p_below(-1.2) == pytest.approx(0.6**5)


def test_one_checkpoint_gives_an_estimate_and_no_more(cells):
    found = contrast({"a": cells([[1.0]], "a"), "b": cells([[0.0], [0.5]], "b")}, {"a": 1, "b": -1})
    assert (found.mean, found.se, found.df, found.checkpoints) == (0.75, None, None, 1)
    assert "one checkpoint only" in found.note
    assert (found.interval().low, found.p_above(0), found.spreads) == (None, None, ())


@pytest.mark.parametrize(
    ("right", "weights", "message"),
    [
        (([[1.0, 2.0]] * 3, "r"), {"l": 1, "r": 1}, "tested on t1"),
        (([[1.0]] * 2, "l"), {"l": 1, "r": 1}, "r shares some checkpoints"),
        (([[1.0]] * 3, "r"), {"l": 0, "r": 0}, "every weight is 0"),
        (([[1.0]] * 3, "r"), {"l": 1, "x": 1}, "no cells of x"),
    ],
)
def test_what_cannot_be_contrasted(cells, right, weights, message):
    with pytest.raises(ValueError, match=message):
        contrast({"l": cells([[1.0], [2.0], [3.0]], "l"), "r": cells(*right)}, weights)


def test_one_checkpoint_that_gaps_leave_is_not_said_to_be_all_that_ran(cells):
    """Three checkpoints lack a task each; the fourth has one of its own."""
    table = cells(np.ones((4, 2)), tasks=[["a", "b"], ["b", "c"], ["c", "a"], ["d", "d"]])
    gaps = "on 1 of 4 tasks, since some checkpoints lack a, b, c"
    wanted = f"{gaps}; one checkpoint only: no spread, so no interval; run what is missing"
    assert contrast({"m": table}, {"m": 1}).note == estimate(table).problem == wanted
    assert jackknife({"m": table}, {"m": 1}, iqm).note == wanted
    assert probability_of_improvement(table, table).note == wanted


def test_a_missing_run_leaves_its_task_out_of_every_arm_and_is_said(cells):
    left = cells([[1.0, 2.0], [2.0, 5.0], [4.0, 1.0]])
    right = left.filter(~((pl.col("checkpoint") == "m/1") & (pl.col("task") == "t1")))
    apart = cells([[0.0, 90.0], [1.0, 90.0]], "r")
    found = contrast({"l": left, "r": right, "a": apart}, {"l": 2, "r": -1, "a": -1})
    assert found.mean == pytest.approx((1 + 2 + 4) / 3 - 0.5)
    assert found.gaps == "on 1 of 2 tasks, since some checkpoints lack t1"
    assert found.gaps in found.note
    nothing = contrast({"l": left, "r": right.head(4).tail(3)}, {"l": 1, "r": -1})
    assert np.isnan(nothing.mean)
    assert (nothing.interval().low, nothing.p_above(0)) == (None, None)
    assert "no task is left" in nothing.note
