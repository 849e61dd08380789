import numpy as np
import pytest
from fvm_eval.statistics.power import equivalence_power, equivalence_seeds_needed, power, seeds_needed
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


@pytest.mark.parametrize(("shared", "chance"), [(0.12, 0.058), (0.06, 0.718)])
def test_equality_within_a_tenth_from_eight_seeds(shared, chance):
    """Residual sd .16 over 20 tasks."""
    spread = np.hypot(shared, 0.16 / 20**0.5)
    assert equivalence_power(0.10, [spread, spread], 8) == pytest.approx(chance, abs=0.001)


@pytest.mark.parametrize(("spreads", "seeds"), [((0.07, 0.07), 8), ((0.12, 0.03), 10), ((0.06,), 6)])
def test_power_of_equality_is_what_a_simulation_finds(spreads, seeds):
    rng = np.random.default_rng(1)
    arms = [rng.normal(0, spread, (20_000, seeds)) for spread in spreads]
    variances = [arm.var(1, ddof=1) / seeds for arm in arms]
    se = np.sqrt(sum(variances))
    df = sum(variances) ** 2 / sum(v**2 / (seeds - 1) for v in variances)
    difference = arms[0].mean(1) - (arms[1].mean(1) if len(arms) > 1 else 0)
    found = (np.abs(difference) < 0.10 - stats.t.ppf(0.95, df) * se).mean()
    # Four standard errors of the simulation, and .01 for degrees of freedom that are estimated there.
    assert abs(found - equivalence_power(0.10, spreads, seeds)) < 4 * 0.5 / 20_000**0.5 + 0.01


def test_seeds_that_show_equality():
    """In large samples n = 2 (sd / margin)^2 (z_.95 + z_.9)^2, and a few more for t."""
    needed = equivalence_seeds_needed(0.10, [0.12, 0.12])
    normal = 2 * 1.2**2 * (1.644854 + 1.281552) ** 2
    assert normal < needed < normal + 3
    assert (
        equivalence_power(0.10, [0.12] * 2, needed) >= 0.8 > equivalence_power(0.10, [0.12] * 2, needed - 1)
    )
    assert equivalence_seeds_needed(0.001, [1.0, 1.0]) is None
    assert (equivalence_power(0.1, [0.0, 0.0], 2), equivalence_power(0.1, [0.1], 1)) == (1.0, 0.0)


def test_corners():
    assert power(1.0, [1, 1], 1) == 0
    assert power(0.1, [0, 0], 2) == 1
    assert power(1000, [1, 1], 3) == 1
    assert power(0, [1, 1], 10) == pytest.approx(0.05)
    assert seeds_needed(0, [1, 1]) is None
    assert seeds_needed(1e-9, [1, 1]) is None
    assert seeds_needed(5, [0.1, 0.1]) == 2
    assert seeds_needed(0.1, [0.12, 0.0]) < seeds_needed(0.1, [0.12, 0.12])


def test_equivalence_power_away_from_zero_is_simulated():
    rng, studies, seeds, sd, truth = np.random.default_rng(0), 4000, 12, 0.08, 0.04
    left = truth + sd * rng.normal(size=(studies, seeds))
    right = sd * rng.normal(size=(studies, seeds))
    low, high = stats.ttest_ind(left, right, axis=1, equal_var=False).confidence_interval(0.9)
    simulated = np.mean((low > -0.1) & (high < 0.1))
    assert equivalence_power(0.1, [sd, sd], seeds, difference=truth) == pytest.approx(simulated, abs=0.03)
    assert equivalence_seeds_needed(0.1, [sd, sd], difference=0.1) is None
    assert equivalence_seeds_needed(0.1, [sd, sd], difference=0.05) > equivalence_seeds_needed(0.1, [sd, sd])
