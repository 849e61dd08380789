"""Names that look alike are refused or said, values that pandas writes are read, constants are checked."""

import numpy as np
import polars as pl
import pytest
from fvm_eval import compare
from fvm_eval.table import TableError


def table(*names, role="method", seeds=3):
    rng = np.random.default_rng(0)
    rows = [
        {"method": "z", "task": "t"} | {role: name, "seed": seed, "score": rng.normal()}
        for name in (*names, "other")
        for seed in range(seeds)
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize("role", ["method", "task"])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ppo", "p\u200bpo"),  # a blank of no width
        ("ppo", "\uff50po"),  # a letter of full width
        ("a b", "a  b"),
        ("a b", "a\u00a0b"),
        ("1", "1.0"),
        ("1", "01"),
        ("caf\u00e9", "caf\u200de\u0301"),
    ],
)
def test_two_names_that_no_reader_tells_apart_are_refused(role, one, other):
    with pytest.raises(TableError, match=f"{role}s .* look alike and would be counted as two"):
        compare(table(one, other, role=role))


@pytest.mark.parametrize(
    ("one", "other"),
    [("PPO", "ppo"), ("ppo-2", "ppo_2"), ("ppo 2", "PPO2"), ("0.001", "1e-3"), (".5", "0.50")],
)
def test_names_that_differ_in_signs_alone_are_said(one, other):
    found = compare(table(one, other))
    first, second = sorted((one, other))
    assert f"Methods {first!r} and {second!r} are two here: their names differ in signs alone" in str(found)


def test_other_names_are_two_in_silence():
    for one, other in (("a", "b"), ("1", "-1"), ("1", "10"), ("1.5", "15"), ("+", "-")):
        assert not any("are two here" in text for text in compare(table(one, other)).reading.said)


def test_a_column_is_not_score_and_something_else_at_once():
    with pytest.raises(TableError, match="'seed' of the frame cannot be seed and score at once"):
        compare(table("a"), columns={"score": "seed"})


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"seed": "-1"}, "a whole number, 0 or more"),
        ({"seed": "1.5"}, "a whole number, 0 or more"),
        ({"score": "nan"}, "a finite number"),
        ({"score": "inf"}, "a finite number"),
        ({"env_step": "-5"}, "a whole number, 0 or more"),
    ],
)
def test_a_value_for_all_rows_is_checked_like_any_other(given, wanted):
    ((role, value),) = given.items()
    frame = table("a").drop(role, strict=False)
    with pytest.raises(TableError, match=f"--set {role}={value}: expected {wanted}"):
        compare(frame, constants=given)


def test_truth_values_are_read_as_pandas_writes_them(tmp_path):
    path = tmp_path / "runs.csv"
    rows = [f"{m},{s},t,{s % 2 == 0 or m == 'b'}" for m in "ab" for s in range(4)]
    path.write_text("\n".join(["method,seed,task,success", *rows]))
    fixed = compare(path).analysis.summaries[0].fixed
    assert {name: interval.mean for name, interval in fixed.items()} == {"a": 0.5, "b": 1.0}
    path.write_text("\n".join(["method,seed,task,success", *rows, "a,9,t,maybe"]))
    with pytest.raises(TableError, match=r"line 2 of the file\): 'True' is not a number"):
        compare(path)
