import numpy as np
import polars as pl
import pytest
from fvm_eval.statistics.bounded import gaffke_limits, korn_graubard_limits
from fvm_eval.statistics.contrasts import contrast
from fvm_eval.statistics.intervals import difference_interval, mean_interval, new_tasks_interval
from scipy import stats


def simulated_gaffke(values, tail, rng, draws=200_000):
    """The upper limit from the definition in a loop over draws, in no way the package's."""
    z = np.append(np.sort(values), 1.0)
    total = np.ones(draws)
    u = np.sort(rng.random((draws, len(values))), axis=1)
    for i in range(len(values)):
        total -= u[:, i] * (z[i + 1] - z[i])
    return np.quantile(total, 1 - tail)


@pytest.mark.parametrize(
    "values",
    [
        [0.2, 0.5, 0.9],
        [0.0, 0.0, 0.0, 0.7, 0.8, 0.81, 0.85, 0.9],
        [0.4, 1.0, 1.0, 1.0],
        [0.0, 0.0, 0.0, 0.6],
        [0.3, 0.3 + 1e-15, 0.8],
    ],
)
def test_gaffke_is_its_definition(values):
    rng = np.random.default_rng(123)
    low, high = gaffke_limits(values)
    assert high == pytest.approx(simulated_gaffke(values, 0.025, rng), abs=0.003)
    assert low == pytest.approx(1 - simulated_gaffke(1 - np.array(values), 0.025, rng), abs=0.003)
    assert gaffke_limits(values) == gaffke_limits(values[::-1])
    wide = gaffke_limits(values, level=1 - 1e-9)
    assert 0 <= wide[0] < low < high < wide[1] <= 1


@pytest.mark.parametrize("trials", [3, 8, 160])
def test_gaffke_of_zeros_is_the_exact_binomial_limit(trials):
    oracle = stats.binomtest(0, trials).proportion_ci(method="exact")
    assert gaffke_limits([0.0] * trials) == pytest.approx((oracle.low, oracle.high))
    assert gaffke_limits([0.0] * trials)[1] == pytest.approx(1 - 0.025 ** (1 / trials))
    low, high = gaffke_limits([0.8] * trials)
    assert (low, high) == pytest.approx((0.8 * 0.025 ** (1 / trials), 1 - 0.2 * 0.025 ** (1 / trials)))


def test_eight_zero_checkpoints_allow_37_percent_160_zero_runs_2_percent(cells):
    eight = mean_interval(cells(np.zeros((8, 20))), score_bounds=(0, 1))
    runs = cells(np.zeros((160, 1)), tasks=[[f"t{i % 20}"] for i in range(160)])
    assert eight.high == pytest.approx(0.369, abs=0.001)
    assert mean_interval(runs, score_bounds=(0, 1)).high == pytest.approx(0.0228, abs=0.0001)
    # No interval may be narrower for new tasks.
    for arm in (cells(np.zeros((8, 20))), runs):
        these, new = mean_interval(arm, score_bounds=(0, 1)), new_tasks_interval(arm, score_bounds=(0, 1))
        assert (new.low, new.high >= these.high) == (0, True)


def test_values_outside_the_range_are_refused(cells):
    with pytest.raises(ValueError, match="outside the range"):
        mean_interval(cells([[0.5], [1.2]]), score_bounds=(0, 1))
    with pytest.raises(ValueError, match="expected two finite numbers"):
        mean_interval(cells([[0.5], [0.2]]), score_bounds=(0, np.inf))
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        gaffke_limits([0.5, 1.1])


def test_korn_and_graubard_by_hand():
    shares = np.array([0.4, 0.52, 0.6, 0.48, 0.44])  # of 25 episodes each
    p, size = shares.mean(), len(shares)
    v = np.square(shares - p).sum() / (size * (size - 1))
    trials = min(125, p * (1 - p) / v) * (stats.t.ppf(0.975, 124) / stats.t.ppf(0.975, size - 1)) ** 2
    low = stats.beta.ppf(0.025, trials * p, trials * (1 - p) + 1)
    high = stats.beta.ppf(0.975, trials * p + 1, trials * (1 - p))
    found = korn_graubard_limits(p, v, episodes=125, clusters=size)
    assert found == pytest.approx((low, high))
    oracle = stats.binomtest(5, 5).proportion_ci(method="exact")
    assert korn_graubard_limits(1.0, 0.0, episodes=125, clusters=5) == pytest.approx((oracle.low, 1.0))


def test_success_rates_get_korn_and_graubards_limits(cells):
    shares = np.array([[0.4, 0.6], [0.2, 0.4], [0.5, 0.7]])
    rates = cells(10 * shares).with_columns(won_of=pl.lit(10))
    found = mean_interval(rates, score_bounds=(0, 10))
    means = shares.mean(1)
    low, high = korn_graubard_limits(means.mean(), means.var(ddof=1) / 3, episodes=60, clusters=3)
    assert (found.low, found.high, found.how) == (
        pytest.approx(10 * low),
        pytest.approx(10 * high),
        "Korn-Graubard",
    )
    t = stats.ttest_1samp(10 * means, 0).confidence_interval()
    assert found.beside == (pytest.approx(t.low), pytest.approx(t.high), "t")


def test_differences_are_movers(cells):
    rng = np.random.default_rng(2)
    left, right = rng.uniform(0.6, 0.9, (6, 2)), rng.uniform(0.1, 0.5, (5, 2))
    found = difference_interval(cells(left, "l"), cells(right, "r"), score_bounds=(0, 1))
    m1, m2 = left.mean(), right.mean()
    (l1, u1), (l2, u2) = gaffke_limits(left.mean(1)), gaffke_limits(right.mean(1))
    d = m1 - m2
    assert found.low == pytest.approx(d - np.sqrt((m1 - l1) ** 2 + (u2 - m2) ** 2))
    assert found.high == pytest.approx(d + np.sqrt((u1 - m1) ** 2 + (m2 - l2) ** 2))
    assert found.how == "MOVER"
    welch = stats.ttest_ind(left.mean(1), right.mean(1), equal_var=False).confidence_interval()
    assert found.beside == (pytest.approx(welch.low), pytest.approx(welch.high), "t")


def test_p_values_invert_gaffkes_limits(cells):
    arm = cells(np.array([[0.1], [0.3], [0.35], [0.5], [0.2]]))
    found = contrast({"m": arm}, {"m": 1}, score_bounds=(0, 1))
    for level in (0.8, 0.95, 0.99):
        interval = found.interval(level)
        assert found.p_above(interval.low) == pytest.approx((1 - level) / 2, rel=1e-3)
        assert found.p_below(interval.high) == pytest.approx((1 - level) / 2, rel=1e-3)
    assert found.p_above(0.0) < 1e-4
    assert found.p_below(0.999) < found.p_below(0.99) < 1e-4  # no tail is too thin


def test_twenty_checkpoints_get_t(cells):
    rng = np.random.default_rng(0)
    few, enough = (cells(rng.uniform(0.2, 0.8, (n, 3))) for n in (19, 20))
    assert mean_interval(few, score_bounds=(0, 1)).how == "Gaffke"
    assert mean_interval(enough, score_bounds=(0, 1)).how == "cluster-t"


def test_strata_of_unequal_size_are_combined(cells):
    rng = np.random.default_rng(3)
    sizes = {"a": 4, "b": 7}
    values = {task: rng.uniform(0, 1, (n, 1)) for task, n in sizes.items()}
    arm = pl.concat([cells(v, t, tasks=[[t]] * len(v)) for t, v in values.items()])
    found = mean_interval(arm, score_bounds=(0, 1))
    limits = {t: gaffke_limits(v[:, 0]) for t, v in values.items()}
    above = np.sqrt(sum((0.5 * (limits[t][1] - values[t].mean())) ** 2 for t in sizes))
    assert found.high == pytest.approx(found.mean + above)


def covered(rng, studies, draw, limits, truth):
    hits = 0
    for _ in range(studies):
        low, high = limits(draw(rng))
        hits += low <= truth <= high
    return hits / studies


def test_korn_and_graubard_cover_rare_successes_in_clusters():
    """p = .02, 20 clusters of 25, intra-cluster correlation .1: a plain t of the shares covers far less."""
    p, rho, size, episodes = 0.02, 0.1, 20, 25

    def draw(rng):
        own = rng.beta(p * (1 - rho) / rho, (1 - p) * (1 - rho) / rho, size)
        return rng.binomial(episodes, own) / episodes

    def ours(shares):
        variance = shares.var(ddof=1) / size
        return korn_graubard_limits(shares.mean(), variance, episodes=size * episodes, clusters=size)

    def t(shares):
        half = stats.t.ppf(0.975, size - 1) * (shares.var(ddof=1) / size) ** 0.5
        return shares.mean() - half, shares.mean() + half

    rng = np.random.default_rng(4)
    assert covered(rng, 1500, draw, ours, p) > 0.905  # .92 over many studies
    assert covered(rng, 1500, draw, t, p) < 0.89


@pytest.mark.parametrize("seeds", [3, 5, 8, 20])
def test_korn_and_graubard_cover_bernoulli_seeds(seeds):
    """Seeds with their own rate around .6, 25 episodes each."""

    def draw(rng):
        return rng.binomial(25, np.clip(0.6 + 0.1 * rng.normal(size=seeds), 0, 1)) / 25

    def ours(shares):
        return korn_graubard_limits(
            shares.mean(), shares.var(ddof=1) / seeds, episodes=25 * seeds, clusters=seeds
        )

    assert covered(np.random.default_rng(5), 1000, draw, ours, 0.6) > 0.93


@pytest.mark.parametrize("seeds", [3, 5, 8, 12])
def test_gaffke_covers_failing_seeds_and_t_does_not(seeds):
    """15 % of the seeds fail, the good ones lie close together."""
    truth = 0.85 * 0.8

    def draw(rng):
        return np.where(rng.random(seeds) < 0.15, 0.0, np.clip(0.8 + 0.02 * rng.normal(size=seeds), 0, 1))

    def t(values):
        half = stats.t.ppf(0.975, seeds - 1) * values.std(ddof=1) / seeds**0.5
        return values.mean() - half, values.mean() + half

    rng = np.random.default_rng(6)
    assert covered(rng, 400, draw, gaffke_limits, truth) > 0.97
    assert covered(rng, 1000, draw, t, truth) < 0.93
