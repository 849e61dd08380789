import numpy as np
import pytest
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
