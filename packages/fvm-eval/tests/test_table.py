import io

import numpy as np
import polars as pl
import pytest
from fvm_eval import check_table
from fvm_eval.table import COLUMNS, KEY, TableError


def table(**change):
    rows = {
        "method": ["b", "a", "a"],
        "fold": [0, 0, 0],
        "seed": [1, 0, 0],
        "checkpoint": ["b/1", "a/0", "a/0"],
        "task": ["t/2", "t/1", "t/1"],
        "env_step": [0, 100, 0],
        "episode": [0, 0, 0],
        "score": [1.0, 2.0, 3.0],
    }
    return pl.DataFrame({**rows, **change})


def parquet(frame):
    sink = io.BytesIO()
    check_table(frame).write_parquet(sink)
    return sink.getvalue()


def test_equal_results_give_equal_bytes():
    shuffled = table()[[2, 0, 1]].select(reversed(list(COLUMNS))).with_columns(pl.col("seed").cast(pl.UInt8))
    assert parquet(shuffled) == parquet(table())
    checked = check_table(shuffled.with_columns(extra=1))
    assert checked["score"].to_list() == [3.0, 2.0, 1.0]
    assert dict(checked.schema) == {name: dtype() for name, dtype in COLUMNS.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": [1.0, float("nan"), 3.0]}, "column score, row 1: nan is not a finite number"),
        ({"score": ["1", "2", "3"]}, "column score holds String, expected numbers"),
        ({"seed": [0, None, 1]}, "column seed, row 1: the value is missing"),
        ({"seed": [0.0, 1.5, 1.0]}, "column seed, row 1: 1.5 is not a whole number >= 0"),
        ({"seed": [0.0, 1.0, float("inf")]}, "column seed, row 2: inf is not a whole number"),
        ({"env_step": [0, 1, -5]}, "column env_step, row 2: -5 is not a whole number >= 0"),
        ({"task": [1, 2, 3]}, "column task holds Int64, expected text"),
        ({"env_step": [0, 0, 0]}, "row 1: this episode comes more than once .*method='a'"),
    ],
)
def test_bad_values_name_column_and_row(change, message):
    with pytest.raises(TableError, match=message):
        check_table(table(**change))


def test_missing_columns_are_named_with_what_came():
    with pytest.raises(TableError, match=r"lacks the columns fold, env_step; it has method, .* and needs"):
        check_table(table().drop("fold", "env_step"))
    assert check_table(table().clear()).is_empty()


@pytest.mark.parametrize("most", [3, 10**6, 2**62])
def test_the_canonical_order_is_that_of_all_columns_one_after_the_other(most):
    rng = np.random.default_rng(most % 97)
    size = 400
    frame = pl.DataFrame(
        {
            "method": rng.choice(["b", "a", "ä", ""], size),
            **{name: rng.integers(0, most, size) for name in ("fold", "seed", "env_step")},
            "checkpoint": rng.choice(["x/1", "x/10", "x/2"], size),
            "task": rng.choice(["t", "u"], size),
            "episode": rng.permutation(size),
            "score": rng.normal(size=size),
        }
    )
    assert check_table(frame).equals(frame.select(*COLUMNS).sort(KEY))
    with pytest.raises(TableError, match="comes more than once"):
        check_table(pl.concat([frame, frame[7:8].with_columns(score=0.0)]))
