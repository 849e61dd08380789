import numpy as np
import pytest
from fvm_eval.statistics.aggregate import iqm, mean, median
from fvm_eval.statistics.contrasts import contrast
from fvm_eval.statistics.jackknife import jackknife
from scipy import stats


def same(found, other):
    ours = (found.mean, found.se, found.df, found.checkpoints, found.how)
    assert ours == pytest.approx((other.mean, other.se, other.df, other.checkpoints, other.how))


def test_the_means_jackknife_is_the_contrast(cells):
    rng = np.random.default_rng(0)
    arms = {
        "a": cells(rng.normal(size=(4, 3)), "x"),
        "b": cells(rng.normal(size=(4, 3)), "x"),
        "folds": cells(rng.normal(size=(6, 3)), "y", folds=[0, 0, 0, 1, 1, 1]),
        "runs": cells(
            rng.normal(size=(9, 1)), "z", tasks=[[f"t{i % 3}"] for i in range(9)]
        ),  # each run its own checkpoint: tasks are strata
    }
    for weights in ({"a": 1}, {"a": 1, "b": -1}, {"a": 1, "folds": -1}, {"b": 2, "runs": 0.5}):
        same(jackknife(arms, weights, mean), contrast(arms, weights))


def test_by_hand(cells):
    # IQM of 0, 1, 2, 9 is 1.5; leaving one out the middle of three, uncut: 4, 11/3, 10/3, 1.
    left = jackknife({"m": cells([[0.0], [1.0], [2.0], [9.0]])}, {"m": 1}, iqm)
    replicates = np.array([4, 11 / 3, 10 / 3, 1])
    assert left.mean == 1.5
    assert left.se == pytest.approx((3 * replicates.var()) ** 0.5)
    assert left.df == pytest.approx(3)
    right = jackknife({"r": cells([[0.0], [1.0], [3.0], [3.0], [5.0]], "r")}, {"r": 1}, iqm)
    both = jackknife(
        {"m": cells([[0.0], [1.0], [2.0], [9.0]]), "r": cells([[0.0], [1.0], [3.0], [3.0], [5.0]], "r")},
        {"m": 1, "r": -1},
        iqm,
    )
    assert both.se == pytest.approx(np.hypot(left.se, right.se))
    half = stats.t.ppf(0.975, both.df) * both.se
    assert both.interval().half_width == pytest.approx(half)


def test_shared_checkpoints_are_left_out_of_both(cells):
    rng = np.random.default_rng(1)
    luck = rng.normal(0, 10, (6, 1))
    arms = {"a": cells(luck + rng.normal(size=(6, 4))), "b": cells(luck + rng.normal(size=(6, 4)))}
    paired = jackknife(arms, {"a": 1, "b": -1}, iqm)
    alone = jackknife({"a": arms["a"]}, {"a": 1}, iqm)
    assert paired.how == "paired cluster-t"
    assert paired.se < alone.se / 2


def test_without_a_spread_there_is_no_interval(cells):
    # The middle half is always 1: nothing changes, although the checkpoints differ.
    saturated = cells([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 0.5]])
    found = jackknife({"m": saturated}, {"m": 1}, median)
    assert (found.mean, found.interval().low) == (1, None)
    assert "the same whichever checkpoint is left out" in found.note
    assert "one checkpoint only" in jackknife({"m": cells([[1.0, 2.0]])}, {"m": 1}, iqm).note
