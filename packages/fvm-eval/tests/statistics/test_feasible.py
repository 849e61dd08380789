import pytest
from fvm_eval.statistics.feasible import SEEDS, doubts, wider


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
    assert SEEDS[0] == 3
    alone = doubts(5, most=5, one_arm=True)
    assert "simulated coverage of a .95 interval of 5: Gaussian 0.95" in alone.replace("0.955", "0.95")
    assert "exponential 0.87" in alone
    against = doubts(3, most=20, one_arm=False)
    assert "of 3 against 20: Gaussian 0.93, exponential 0.86, log-normal 0.87" in against
    balanced = doubts(5, most=5, one_arm=False)
    assert "simulated" not in balanced
