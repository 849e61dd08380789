import numpy as np
import polars as pl
import pytest
from fvm_eval.statistics.aggregate import AGGREGATES, Scores, iqm, mean, median, optimality_gap, task_means
from scipy import stats


@pytest.fixture
def scores(cells):
    return lambda values, **layout: Scores.of(cells(values, **layout))


def test_by_hand(scores):
    # Sorted 0 .. 7: the middle half is 2, 3, 4, 5; task means 2, 3, 4, 5.
    found = scores([[0, 1, 2, 3], [4, 5, 6, 7]])
    assert {name: float(a(found, found.once)[0]) for name, a in AGGREGATES.items()} == {
        "Mean": 3.5,
        "IQM": 3.5,
        "Median": 3.5,
        "Optimality gap": pytest.approx(1 / 8),
    }
    skewed = scores([[0, 0, 1], [0, 2, 9]])  # task means 0, 1, 5; one score cut off either end
    assert mean(skewed, skewed.once) == 2
    assert median(skewed, skewed.once) == 1
    assert iqm(skewed, skewed.once) == 0.75
    assert optimality_gap(skewed, skewed.once, gamma=2) == pytest.approx((2 + 1 + 0.5) / 3)


def test_weights_are_how_often_a_score_counts(scores):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 3))
    found = scores(values)
    for counts in ([1, 1, 1, 1, 1], [0, 2, 1, 2, 0], [5, 0, 0, 0, 0]):
        drawn = np.repeat(values, counts, axis=0)
        weights = np.array(counts, float)[found.checkpoints][None]
        assert mean(found, weights) == pytest.approx(drawn.mean())
        assert median(found, weights) == pytest.approx(np.median(drawn.mean(0)))
        assert iqm(found, weights) == pytest.approx(stats.trim_mean(drawn, 0.25, axis=None))
        assert optimality_gap(found, weights) == pytest.approx(np.maximum(1 - drawn, 0).mean())


def test_a_checkpoint_counts_once_and_tasks_are_equal(cells):
    # Task a: checkpoint x 0 and 2, checkpoint y 5: mean of 1 and 5. Task b: checkpoint z alone.
    rows = [(0, "x", "a", 0.0), (0, "x", "a", 2.0), (0, "y", "a", 5.0), (0, "z", "b", 9.0)]
    found = Scores.of(pl.DataFrame(rows, schema=["fold", "checkpoint", "task", "value"], orient="row"))
    assert task_means(found, found.once).tolist() == [[3.0, 9.0]]
    assert mean(found, found.once) == 6
    assert found.strata == ((0, 1), (2,))
    with pytest.raises(ValueError, match="nothing to aggregate"):
        Scores.of(cells([[1.0]]).clear())
