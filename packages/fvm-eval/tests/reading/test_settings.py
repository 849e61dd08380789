"""Columns that nobody named: settings whose rows would be averaged are said, what was measured is not."""

import random

import polars as pl
import pytest
from fvm_eval.reading import Request, read

RUNS = [(method, seed, task) for method in "ab" for seed in range(4) for task in "pq"]


def table(*values, name="lr", more=None):
    rows = [(*run, value, float(i)) for i, run in enumerate(RUNS) for value in values]
    frame = pl.DataFrame(rows, schema=["method", "seed", "task", name, "score"], orient="row")
    return frame if more is None else frame.with_columns(**more)


def settings(frame, **request):
    return [text for text in read(frame, Request(**request)).said if "each run has rows" in text]


@pytest.mark.parametrize(
    ("frame", "listed"),
    [
        (table(0.1, 0.01), "'lr' (0.01, 0.1), averaged"),
        (table("train", "eval", name="phase"), "'phase' (eval, train), averaged"),
        (table(*range(1, 12), name="iteration"), "'iteration' (1, 2, 3, ...), averaged"),
        (table("x", "x", "y", name="split"), "'split' (x, y), averaged"),
        (table(0.1, 0.01)[:-1], "'lr' (0.01, 0.1), averaged"),  # one run failed
    ],
)
def test_a_setting_whose_rows_are_averaged_is_said(frame, listed):
    (said,) = settings(frame)
    assert f"each run has rows of several {listed} here as its episodes" in said
    assert ("--map env_step=iteration" in said) == ("iteration" in listed)


@pytest.mark.parametrize(
    "frame",
    [
        table(0.1),  # one value
        table(0.1, 0.1),  # rows that do not differ in it
        table(7, 8, name="episode_length"),
        table(7, 8, name="wall_time"),
    ],
)
def test_what_tells_no_setting_apart_is_not_said(frame):
    assert not settings(frame)


def test_what_was_measured_beside_the_score_is_no_setting():
    rng = random.Random(0)
    frame = table(*range(10), name="trial").drop("trial")
    won = pl.Series([rng.random() < 0.5 for _ in range(len(frame))])
    assert not settings(frame.with_columns(won=won, loss=pl.Series([rng.random() for _ in won])))


def test_episodes_that_are_numbered_are_not_averaged_unawares():
    assert not settings(table(0, 1, name="which"), columns={"episode": "which"})
    assert not settings(table(0, 1, name="which"), columns={"env_step": "which"})
    assert not settings(table(0.1, 0.01).filter(pl.col("lr") == 0.1))


def test_it_stands_on_the_page():
    from fvm_eval import compare

    assert any("rows of several 'lr'" in note for note in compare(table(0.1, 0.01)).study.notes)
