import numpy as np
import polars as pl
import pytest
from fvm_eval.statistics.icc import checkpoint_variance


def test_shrout_and_fleiss(cells):
    """Shrout & Fleiss 1979, table 2: ICC(3,1) is .71; mean squares 11.24 and 1.02."""
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = checkpoint_variance(cells(ratings))
    assert found.icc == pytest.approx(0.7148, abs=5e-5)
    assert (found.low, found.high) == (pytest.approx(0.3425, abs=5e-5), pytest.approx(0.9459, abs=5e-5))
    assert found.residual_sd**2 == pytest.approx(1.0194, abs=5e-5)
    assert found.shared_sd**2 == pytest.approx((11.2417 - 1.0194) / 4, abs=5e-5)
    assert found.checkpoints == 6


def test_corners_by_hand(cells):
    nothing = checkpoint_variance(cells([[1.0, 1.0], [1.0, 5.0]]))  # both mean squares 4
    assert (nothing.shared_sd, nothing.residual_sd, nothing.icc, nothing.low) == (0, 2, 0, 0)
    everything = checkpoint_variance(cells([[0.0, 2.0], [4.0, 6.0]]))  # checkpoint means 1 and 5
    assert (everything.shared_sd, everything.residual_sd, everything.icc) == (8**0.5, 0, 1)
    assert (everything.low, everything.high) == (None, None)
    with pytest.raises(ValueError, match="no two checkpoints"):
        checkpoint_variance(cells([[1.0], [2.0]]))
    with pytest.raises(ValueError, match="without holes"):
        checkpoint_variance(cells([[1.0, 2.0], [3.0, 4.0]]).head(3))


def test_folds_are_pooled_and_the_truth_is_found(cells):
    rng = np.random.default_rng(0)
    folds = []
    for fold, tasks in enumerate((4, 6)):
        luck = rng.normal(0, 0.12, (400, 1))
        values = rng.normal(0, 1, tasks) + luck + rng.normal(0, 0.16, (400, tasks))
        names = [[f"{fold}/{t}" for t in range(tasks)]] * 400
        folds.append(cells(values, f"f{fold}", folds=[fold] * 400, tasks=names))
    found = checkpoint_variance(pl.concat(folds))
    assert found.shared_sd == pytest.approx(0.12, abs=0.01)
    assert found.residual_sd == pytest.approx(0.16, abs=0.005)
    assert (found.low, found.checkpoints) == (None, 800)
    one = checkpoint_variance(folds[0])
    assert one.low < 0.36 < one.high
    assert one.spread(20) == pytest.approx((one.shared_sd**2 + one.residual_sd**2 / 20) ** 0.5)
