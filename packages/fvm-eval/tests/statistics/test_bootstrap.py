import numpy as np
import pytest
from fvm_eval.statistics.aggregate import AGGREGATES, Scores, mean
from fvm_eval.statistics.bootstrap import bootstrap, cluster_weights, widened, widening
from fvm_eval.statistics.intervals import mean_interval
from fvm_eval.statistics.variance import estimate
from scipy import stats


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_checkpoints_are_drawn_with_all_their_scores_within_strata(cells, rng):
    scores = Scores.of(
        cells(np.zeros((5, 3)), folds=[0, 0, 1, 1, 1], tasks=[list("abc")] * 2 + [list("def")] * 3)
    )
    weights = cluster_weights(scores, 200, rng)
    assert weights.shape == (200, 15)
    by_checkpoint = weights.reshape(200, 5, 3)
    assert (by_checkpoint == by_checkpoint[:, :, :1]).all()
    assert (by_checkpoint[:, :2, 0].sum(1) == 2).all()
    assert (by_checkpoint[:, 2:, 0].sum(1) == 3).all()
    # Each of n checkpoints is drawn once on average, with the variance 1 - 1/n of a multinomial count.
    assert abs(by_checkpoint.mean() - 1) < 1e-12
    assert by_checkpoint[:, 2:, 0].var() == pytest.approx(2 / 3, abs=0.12)


def test_the_widening_of_one_stratum(cells):
    factor = widening(estimate(cells([[0.0], [1.0], [5.0]])))
    assert factor == pytest.approx((3 / 2) ** 0.5 * stats.t.ppf(0.975, 2) / 1.959964)
    low, high = widened(np.array([1.0]), np.linspace(0, 3, 1001)[:, None], 2.0)
    assert (low[0], high[0]) == (pytest.approx(1 - 2 * (1 - 0.075)), pytest.approx(1 + 2 * (2.925 - 1)))


def test_of_the_mean_it_is_the_cluster_t_interval(cells, rng):
    """Up to the draws and the percentiles of few checkpoints, which are not quite normal."""
    one_fold = cells(rng.normal(size=(10, 4)) + rng.normal(size=(10, 1)))
    runs = cells(rng.normal(size=(40, 1)), tasks=[[f"t{i % 4}"] for i in range(40)])
    for arm in (one_fold, runs):
        found = bootstrap(arm, {"Mean": mean}, rng=rng)["Mean"]
        oracle = mean_interval(arm)
        assert found.mean == pytest.approx(oracle.mean)
        assert found.half_width == pytest.approx(oracle.half_width, rel=0.06)
        assert (found.how, found.checkpoints) == ("widened cluster bootstrap", 10)


def test_draws_repeat_and_batches_do_not_show(cells, monkeypatch):
    arm = cells(np.random.default_rng(1).normal(size=(5, 8)))
    found = bootstrap(arm, AGGREGATES, rng=np.random.default_rng(2), resamples=500)
    assert bootstrap(arm, AGGREGATES, rng=np.random.default_rng(2), resamples=500) == found
    monkeypatch.setattr("fvm_eval.statistics.bootstrap._AT_ONCE", 40 * 170)
    assert bootstrap(arm, AGGREGATES, rng=np.random.default_rng(2), resamples=500) == found
    assert all(interval.low < interval.mean < interval.high for interval in found.values())


def test_without_a_spread_there_is_no_interval(cells, rng):
    alone = bootstrap(cells([[1.0, 2.0]]), AGGREGATES, rng=rng)
    assert all("one checkpoint only" in interval.note for interval in alone.values())
    agreeing = bootstrap(cells([[1.0, 2.0]] * 3), AGGREGATES, rng=rng)
    assert {interval.low for interval in agreeing.values()} == {None}
    assert agreeing["Mean"].mean == 1.5
