import numpy as np
import pytest
from fvm_eval.statistics.aggregate import mean
from fvm_eval.statistics.bootstrap import bootstrap
from fvm_eval.statistics.profiles import performance_profile
from scipy import stats


def test_shares_by_hand_and_a_band_around_them(cells):
    values = [[0.0, 0.5], [0.5, 1.0], [0.2, 0.9]]
    profile = performance_profile(cells(values), [-1, 0.0, 0.5, 2.0], rng=np.random.default_rng(0))
    assert profile["threshold"].to_list() == [-1, 0, 0.5, 2]
    assert profile["share"].to_list() == pytest.approx([1, 5 / 6, 2 / 6, 0])
    assert profile["low"].to_list() == pytest.approx([1, 0, 0, 0])  # the widened band is cut to [0, 1]
    # Above .5 are none or one of a checkpoint's two: 97.5 % of the draws have at most a half.
    widening = 1.5**0.5 * stats.t.ppf(0.975, 2) / stats.norm.ppf(0.975)
    assert profile["high"].to_list() == pytest.approx([1, 1, 1 / 3 + widening / 6, 0])


def test_the_band_is_that_of_the_mean_of_indicators(cells):
    values = np.random.default_rng(1).uniform(size=(8, 50))
    profile = performance_profile(cells(values), [0.4], rng=np.random.default_rng(2))
    above = bootstrap(cells(values > 0.4), {"above": mean}, rng=np.random.default_rng(2), resamples=2000)[
        "above"
    ]
    assert profile.row(0)[1:] == pytest.approx((above.mean, above.low, above.high))


def test_one_checkpoint_has_no_band(cells):
    profile = performance_profile(cells([[0.0, 1.0]]), [0.5], rng=np.random.default_rng(0))
    assert profile.row(0) == (0.5, 0.5, None, None)
