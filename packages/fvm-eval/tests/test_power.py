import numpy as np
import pytest
from fvm_eval.power import power, seeds_needed
from scipy import stats


@pytest.mark.parametrize(("effect", "seeds"), [(1.0, 17), (0.8, 26), (0.5, 64), (0.2, 394)])
def test_textbook_sample_sizes(effect, seeds):
    """Cohen 1988, table 2.4.1: two-sided .05, power .80, two groups."""
    assert seeds_needed(effect, [1.0, 1.0]) == seeds
    assert power(effect, [1, 1], seeds) >= 0.8 > power(effect, [1, 1], seeds - 1)


def test_power_is_what_a_simulation_finds():
    rng = np.random.default_rng(0)
    left, right = rng.normal(0.1, 0.12, (4000, 6)), rng.normal(0, 0.05, (4000, 6))
    found = (stats.ttest_ind(left, right, axis=1, equal_var=False).pvalue < 0.05).mean()
    assert abs(found - power(0.1, [0.12, 0.05], 6)) < 4 * 0.5 / 4000**0.5


def test_corners():
    assert power(1.0, [1, 1], 1) == 0
    assert power(0.1, [0, 0], 2) == 1
    assert power(1000, [1, 1], 3) == 1
    assert power(0, [1, 1], 10) == pytest.approx(0.05)
    assert seeds_needed(0, [1, 1]) is None
    assert seeds_needed(1e-9, [1, 1]) is None
    assert seeds_needed(5, [0.1, 0.1]) == 2
    assert seeds_needed(0.1, [0.12, 0.0]) < seeds_needed(0.1, [0.12, 0.12])
