import numpy as np
import polars as pl
import pytest
from fvm_eval.statistics.aggregate import Scores
from fvm_eval.statistics.contrasts import contrast
from fvm_eval.statistics.intervals import difference_interval, mean_interval, new_tasks_interval
from fvm_eval.statistics.variance import estimate, lacking, rows_of
from scipy import stats


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e140])
def test_what_is_no_number_is_not_estimable(cells, value):
    """Polars holds NaN <= NaN true, so that an arm of NaN once had the mean 0."""
    values = np.full((8, 1), 0.5) + 0.01 * np.arange(8)[:, None]
    values[1:] = value
    broken, fine = cells(values, "b"), cells(np.full((8, 1), 0.2) + 0.01 * np.arange(8)[:, None], "f")
    for weights in ({"b": 1}, {"b": 1, "f": -1}, {"f": 1, "b": -1}):
        for bounds in (None, (0, 1)):
            found = contrast({"b": broken, "f": fine}, weights, score_bounds=bounds)
            assert np.isnan(found.mean)
            assert (found.p_above(0), found.p_below(0), found.interval().low) == (None, None, None)
            assert found.note.startswith("not estimable: 7 of 8 checkpoints")
    assert np.isnan(new_tasks_interval(broken, fine).mean)
    with pytest.raises(ValueError, match="not estimable"):
        Scores.of(broken)


def test_the_largest_number_that_is_one_has_both_intervals(cells):
    values = 9e74 * np.array([[0.1, 0.5], [0.3, 0.9], [0.2, 1.0]])
    found = new_tasks_interval(cells(values))
    assert np.isfinite([found.low, found.high, found.df]).all()
    assert found.df == pytest.approx(new_tasks_interval(cells(values / 9e74)).df)


def test_a_paired_arm_of_nan_is_no_zero(cells):
    luck = np.arange(5.0)[:, None]
    both = {"a": cells(luck), "b": cells(luck * np.nan)}
    assert np.isnan(contrast(both, {"a": 1, "b": -1}).mean)


def test_leave_one_out_lacks_nothing(cells):
    """Cells absent by plan: each fold holds out one task."""
    folds = [
        cells(np.random.default_rng(f).normal(f, 1, (4, 1)), f"f{f}", folds=[f] * 4, tasks=[[f"t{f}"]] * 4)
        for f in range(3)
    ]
    found = estimate(pl.concat(folds))
    assert (found.gaps, found.checkpoints, len(found.parts)) == ("", 4, 3)


def test_structured_gaps_are_estimated_on_common_cells_and_said(cells):
    """Half of the tasks by 2 of 8 checkpoints: a .95 interval of everything covers about .82."""
    rng, hits, naive, studies = np.random.default_rng(0), 0, 0, 300
    for _ in range(studies):
        luck = rng.normal(0, 1, (8, 1))
        whole = luck + rng.normal(0, 0.5, (8, 6))
        arm = cells(whole).filter(
            ~(pl.col("task").is_in(["t3", "t4", "t5"]) & ~pl.col("checkpoint").is_in(["m/0", "m/1"]))
        )
        found = mean_interval(arm)
        hits += found.low <= 0 <= found.high
        by_task = [whole[:, t] if t < 3 else whole[:2, t] for t in range(6)]
        influence = np.zeros(8)
        for values in by_task:
            influence[: len(values)] += (values - values.mean()) / len(values) / 6
        half = stats.t.ppf(0.975, 7) * np.sqrt(8 / 7 * np.square(influence).sum())
        naive += abs(np.mean([values.mean() for values in by_task])) <= half
    assert "on 3 of 6 tasks, since some checkpoints lack t3, t4, t5" in found.note
    assert hits / studies > 0.92
    assert naive / studies < 0.90
    assert lacking(rows_of(arm)) == {"t3", "t4", "t5"}


def test_splits_drawn_anew_have_their_checkpoint_for_unit(cells):
    """Each seed holds out 4 of 24 tasks: the unit is the mean of a (split, pretraining)."""
    rng, hits, studies = np.random.default_rng(1), 0, 300
    level = rng.normal(0, 1, 24)
    for _ in range(studies):
        arms = []
        for seed in range(8):
            held_out = rng.choice(24, 4, replace=False)
            values = level[held_out] + rng.normal(0, 0.5) + rng.normal(0, 0.3, 4)
            arms.append(cells(values[None], f"m{seed}", folds=[seed], tasks=[[f"t{t}" for t in held_out]]))
        found = mean_interval(pl.concat(arms))
        hits += found.low <= level.mean() <= found.high
    assert (found.checkpoints, found.df) == (8, pytest.approx(7))
    assert 0.92 < hits / studies < 0.98
    means = [arm["value"].mean() for arm in arms]
    oracle = stats.ttest_1samp(means, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high))


def test_new_tasks_are_never_narrower():
    rng = np.random.default_rng(7)
    for trial in range(60):
        seeds, tasks = int(rng.integers(2, 9)), int(rng.integers(2, 6))
        values = np.clip(rng.normal(0.5, 0.3) + rng.normal(0, rng.choice([0, 0.2]), (seeds, tasks)), 0, 1)
        values = np.round(values, int(rng.integers(0, 3)))
        rows = [(0, f"c{c}", f"t{t}", values[c, t]) for c in range(seeds) for t in range(tasks)]
        arm = pl.DataFrame(rows, schema=["fold", "checkpoint", "task", "value"], orient="row")
        for bounds in (None, (0, 1)):
            these = mean_interval(arm, score_bounds=bounds)
            new = new_tasks_interval(arm, score_bounds=bounds)
            assert (new.low is None) == (these.low is None), trial
            if new.low is not None:
                assert new.low <= these.low + 1e-12
                assert new.high >= these.high - 1e-12


def test_a_narrow_interval_says_what_it_assumes(cells):
    rng = np.random.default_rng(1)
    eight = mean_interval(cells(rng.normal(0, 1, (8, 1))))
    assert "rare failing seeds are assumed away" in eight.note
    assert "log-normal 0.8" in eight.note
    assert mean_interval(cells(rng.normal(0, 1, (20, 1)))).note == ""
    few, many = cells(rng.normal(0, 1, (4, 1)), "f"), cells(rng.normal(0, 1, (20, 1)), "m")
    unequal = difference_interval(few, many)
    assert "of 4 against 20: Gaussian 0.94, exponential 0.89, log-normal 0.89" in unequal.note
    same = difference_interval(few, cells(rng.normal(0, 1, (5, 1)), "s"))
    assert same.note.endswith("are assumed away")


@pytest.mark.parametrize("other", [5, 20])
def test_skewed_differences_cover_unless_arms_are_unequal(other):
    rng, studies = np.random.default_rng(3), 4000
    left, right = rng.exponential(1, (studies, 5)), rng.exponential(1, (studies, other))
    interval = stats.ttest_ind(left, right, axis=1, equal_var=False).confidence_interval()
    covered = np.mean((interval.low <= 0) & (interval.high >= 0))
    assert covered == pytest.approx({5: 0.975, 20: 0.910}[other], abs=0.012)
