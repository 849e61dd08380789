import numpy as np
import pytest
from fvm_eval.statistics.contrasts import contrast
from fvm_eval.statistics.hypothesis import equivalence, holm, non_inferiority, permutation, sign_flip
from scipy import stats


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_sign_flip_is_exact(rng):
    assert sign_flip([1.0] * 8, rng) == 2 / 2**8  # the least that eight checkpoints can give
    assert sign_flip([1.0, 2.0, -3.0], rng) == 1
    assert sign_flip([3.0, 2.0, -1.0], rng) == 4 / 8  # sums of at least 4: +-6, +-4
    assert (
        sign_flip([0.1, 0.2, -0.3, 0.7], rng) == 10 / 16
    )  # with + .7 five of eight >= .7, however they round
    values = rng.normal(0.5, 1, 9)
    oracle = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=2**9)
    assert sign_flip(values, rng) == pytest.approx(oracle.pvalue)


def test_many_checkpoints_are_sampled(rng):
    values = rng.normal(0.4, 1, 30)
    assert sign_flip(values, rng) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    assert sign_flip([1.0] * 30, rng) == 1 / 100_001


def test_permutation_is_exact(rng):
    assert permutation([1, 2, 3], [4, 5, 6], rng) == 2 / 20
    assert permutation([1, 2], [1, 2], rng) == 1
    left, right = rng.normal(0.8, 1, 6), rng.normal(0, 1, 4)

    def difference(a, b, axis=-1):
        return np.abs(a.mean(axis) - b.mean(axis))

    oracle = stats.permutation_test(
        (left, right), difference, n_resamples=1000, vectorized=True, alternative="greater"
    )
    assert permutation(left, right, rng) == pytest.approx(oracle.pvalue)


def test_many_splits_are_sampled(rng):
    left, right = rng.normal(0.5, 1, 25), rng.normal(0, 1, 25)
    assert permutation(left, right, rng) == pytest.approx(stats.ttest_ind(left, right).pvalue, abs=0.01)
    assert permutation(np.arange(12), 100 + np.arange(12), rng) == 1 / 100_001


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_equality_within_a_margin(cells):
    rng = np.random.default_rng(3)
    left, right = rng.normal(0, 0.1, 8), rng.normal(0, 0.1, 8)
    found = contrast({"l": cells(left[:, None], "l"), "r": cells(right[:, None], "r")}, {"l": 1, "r": -1})
    welch = {"equal_var": False}
    above = stats.ttest_ind(left + 0.2, right, alternative="greater", **welch).pvalue
    below = stats.ttest_ind(left - 0.2, right, alternative="less", **welch).pvalue
    assert non_inferiority(found, 0.2) == pytest.approx(above)
    assert equivalence(found, 0.2) == pytest.approx(max(above, below))
    alone = contrast({"l": cells([[1.0]])}, {"l": 1})
    assert (non_inferiority(alone, 0.2), equivalence(alone, 0.2)) == (None, None)
