"""Our aggregates against rliable 1.2.0: the nox session `oracle`; skipped where rliable is absent."""

import numpy as np
import pytest
from fvm_eval.statistics.aggregate import AGGREGATES, Scores
from fvm_eval.statistics.improvement import probability_of_improvement
from fvm_eval.statistics.profiles import performance_profile

pytest.importorskip("rliable", reason="rliable needs pandas < 3: nox -s oracle")
from rliable import library, metrics

ORACLES = {
    "Mean": metrics.aggregate_mean,
    "IQM": metrics.aggregate_iqm,
    "Median": metrics.aggregate_median,
    "Optimality gap": metrics.aggregate_optimality_gap,
}
SHAPES = [(1, 1), (2, 3), (5, 10), (10, 20), (7, 3)]  # runs x tasks, multiples of 4 and not


@pytest.fixture(params=SHAPES, ids=str)
def values(request):
    """Scores with ties, some above 1."""
    return np.random.default_rng(sum(request.param)).normal(0.6, 0.4, request.param).round(1)


@pytest.mark.parametrize("name", list(ORACLES))
def test_aggregates(cells, values, name):
    scores = Scores.of(cells(values))
    assert AGGREGATES[name](scores, scores.once)[0] == pytest.approx(ORACLES[name](values), abs=1e-12)


@pytest.mark.parametrize("name", list(ORACLES))
def test_aggregates_of_a_draw(cells, name):
    """A draw of checkpoints is a matrix of their rows."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 5))
    drawn = rng.integers(0, 6, (20, 6))
    weights = np.stack([np.bincount(draw, minlength=6) for draw in drawn]).astype(float)
    scores = Scores.of(cells(values))
    found = AGGREGATES[name](scores, weights[:, scores.checkpoints])
    assert found == pytest.approx([ORACLES[name](values[draw]) for draw in drawn])


def test_probability_of_improvement(cells, values):
    other = np.random.default_rng(9).normal(0.5, 0.4, (4, values.shape[1])).round(1)
    found = probability_of_improvement(cells(values, "l"), cells(other, "r"))
    assert found.mean == pytest.approx(metrics.probability_of_improvement(values, other))


def test_performance_profiles(cells, values):
    taus = np.array([-0.1, 0.0, 0.3, 0.6, 1.0])
    oracle, _ = library.create_performance_profile({"m": values}, taus, reps=2)
    found = performance_profile(cells(values), taus, rng=np.random.default_rng(0), resamples=2)
    assert found["share"].to_numpy() == pytest.approx(oracle["m"])
