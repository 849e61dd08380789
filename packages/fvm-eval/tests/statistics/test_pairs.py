import math

import numpy as np
import pytest
from fvm_eval.statistics.contrasts import contrast
from fvm_eval.statistics.hypothesis import holm
from fvm_eval.statistics.improvement import probability_of_improvement
from fvm_eval.statistics.pairs import compare_pairs
from scipy import stats


def test_p_values_are_adjusted_over_the_pairs_that_have_one(cells):
    rng = np.random.default_rng(0)
    values = {name: rng.normal(gain, 1, (5, 2)) for name, gain in (("a", 0), ("b", 1), ("c", 2))}
    arms = {name: cells(value, name) for name, value in values.items()}
    arms["alone"] = cells([[1.0, 2.0]], "alone")
    arms["elsewhere"] = cells(values["a"], "e", tasks=[["x", "y"]] * 5)
    pairs = compare_pairs(arms)
    names = [(pair.left, pair.right) for pair in pairs]
    assert names == [("a", "b"), ("a", "c"), ("a", "alone"), ("b", "c"), ("b", "alone"), ("c", "alone")]
    tested = [pair for pair in pairs if "alone" not in (pair.left, pair.right)]
    oracle = [
        stats.ttest_ind(values[x].mean(1), values[y].mean(1), equal_var=False).pvalue
        for x, y in ("ab", "ac", "bc")
    ]
    assert [pair.p for pair in tested] == pytest.approx(oracle)
    assert [pair.p_holm for pair in tested] == pytest.approx(holm(oracle))
    assert {pair.p_holm for pair in pairs if pair not in tested} == {None}
    assert pairs[0].improvement == probability_of_improvement(arms["a"], arms["b"])


def test_an_arm_without_spread_or_range_has_a_permutation_test_and_no_interval(cells):
    """Scratch scores 0 in all of eight runs, the other arm does not: 2 of the 12,870 ways to part sixteen."""
    spread = np.random.default_rng(0).uniform(0.3, 0.9, (8, 2))
    arms = {"floor": cells(np.zeros((8, 2)), "f"), "learned": cells(spread, "l")}
    (pair,) = compare_pairs(arms)
    assert pair.difference.how == "none"
    assert (pair.test, pair.p) == ("permutation", pytest.approx(2 / math.comb(16, 8)))
    oracle = stats.permutation_test(
        (spread.mean(1), np.zeros(8)), lambda x, y: x.mean() - y.mean(), n_resamples=np.inf
    )
    assert pair.p == pytest.approx(oracle.pvalue)
    note = pair.difference.interval().note
    assert "a share of up to 0.37 may differ (exact, of 8), by any amount" in note  # 1 - .025^(1/8)
    assert "p = 0.00016 (exact permutation)" in note
    both = compare_pairs({"floor": arms["floor"], "other": cells(np.zeros((8, 2)), "o")})[0]
    assert both.p == 1
    # With a range there is an interval, and the test that goes with it.
    (known,) = compare_pairs(arms, score_bounds=(0, 1))
    assert known.test == "MOVER"
    assert known.difference.p_exchanged is None


def test_only_a_plain_difference_of_two_arms_is_exchanged(cells):
    arms = {
        name: cells(np.full((4, 2), level), name) for name, level in zip("abc", (0.0, 0.5, 0.7), strict=True)
    }
    assert contrast(arms, {"a": 1, "b": -1}).p_exchanged == pytest.approx(2 / math.comb(8, 4))
    assert contrast(arms, {"a": 0.5, "b": -2}).p_exchanged is None
    assert contrast(arms, {"a": 1, "b": 1}).p_exchanged is None
    assert contrast(arms, {"a": 1, "b": 1, "c": -2}).p_exchanged is None
    alone = contrast({"a": arms["a"]}, {"a": 1})
    assert alone.p_exchanged is None
    assert "up to 0.60 may differ" in alone.note  # 1 - .025^(1/4)
