import json

import numpy as np
import pytest
from fvm_eval import Budget, BudgetExceeded, Ledger
from fvm_eval.budget import comparability


def test_a_charge_beyond_the_budget_is_refused_and_not_booked():
    ledger = Ledger(Budget(env_steps=100, updates=5))
    ledger.charge(env_steps=60, updates=5, trials=2)
    with pytest.raises(BudgetExceeded, match="env_steps: 60 spent, 41 more would pass the budget of 100"):
        ledger.charge(env_steps=41)
    with pytest.raises(BudgetExceeded, match="updates"):
        ledger.charge(env_steps=1, updates=1)
    with pytest.raises(BudgetExceeded, match="demos"):
        ledger.charge(demos=1)
    assert ledger.spent == {"env_steps": 60, "updates": 5, "demos": 0, "trials": 2}
    ledger.charge(env_steps=40)
    assert ledger.left_env_steps == 0


def test_updates_are_free_but_counted_without_a_limit():
    ledger = Ledger(Budget(env_steps=1))
    ledger.charge(updates=10**9)
    assert ledger.updates == 10**9


def test_negative_numbers_are_refused():
    with pytest.raises(ValueError, match="env_steps=-1 is negative"):
        Budget(-1)
    with pytest.raises(ValueError, match="demos=-1 is negative"):
        Ledger(Budget(1)).charge(demos=-1)


def test_state_survives_json():
    ledger = Ledger(Budget(100, demos=2))
    ledger.charge(env_steps=7, demos=1)
    other = Ledger(Budget(0))
    other.load_state_dict(json.loads(json.dumps(ledger.state_dict())))
    assert (other.budget, other.spent) == (ledger.budget, ledger.spent)


def test_only_matched_axes_make_methods_incomparable():
    a, b = Ledger(Budget(100, demos=3)), Ledger(Budget(100, demos=3))
    a.charge(env_steps=100, updates=3)
    b.charge(env_steps=100, updates=900, trials=5)
    assert comparability({"a": a, "b": b}) == []
    c = Ledger(Budget(100))  # has no use for its budget, as zero-shot
    (mismatch,) = comparability({"a": a, "c": c})
    assert str(mismatch) == "not comparable in demos: a 3, c 0"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, "3", True, -1, None])
def test_what_is_no_count_is_refused_before_it_is_compared(value):
    """Nothing is larger than NaN, so a budget of NaN never tripped."""
    for axis in ("env_steps", "updates", "demos"):
        if (axis, value) == ("updates", None):
            continue
        with pytest.raises(ValueError, match=r"whole number|negative"):
            Budget(**{"env_steps": 1, axis: value})
        with pytest.raises(ValueError, match=r"whole number|negative"):
            Ledger(Budget(10)).charge(**{axis: value})
    ledger = Ledger(Budget(10))
    state = ledger.state_dict()
    state["spent"]["env_steps"] = value
    with pytest.raises(ValueError, match=r"whole number|negative"):
        ledger.load_state_dict(state)
    assert Budget(np.int64(7)).env_steps == 7
