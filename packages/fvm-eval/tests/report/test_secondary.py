"""The page's secondary numbers: what they leave out, and what they say of their own limits."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from fvm_eval import compare
from fvm_eval.analysis import analyse
from fvm_eval.analysis.secondary import secondary_of
from fvm_eval.report.captions import pictures
from fvm_eval.report.secondary import secondary
from fvm_eval.report.text import distinct
from fvm_eval.statistics.bounded import gaffke_limits
from scipy import stats


@pytest.fixture(scope="module")
def study(design):
    return design(families=4, sizes=(100,), tasks=3, seeds=3)


def text_of(study):
    analysis = analyse(study)
    return re.sub("<[^>]+>", " ", str(secondary(analysis, secondary_of(analysis))))


def test_a_memory_s_time_is_not_counted_on_an_axis_that_it_does_not_walk(study):
    """RL2's lifetime is over long before the budget that others spend."""
    alone = replace(study, spending=None)
    found = secondary_of(analyse(alone))
    assert set(found.reached) == set(study.methods) - {"rl2"}
    assert "RL2: left out, since a lifetime’s own steps are fewer than the axis has." in text_of(alone)
    # One whose ledger took every step of the budget, as where it fine-tunes too, is like the others.
    assert set(secondary_of(analyse(study)).reached) == set(study.methods)


def test_where_a_memory_s_steps_end_stands_under_the_curves(study):
    own = pl.col("method") == "rl2"
    short = study.spending.with_columns(env_steps=pl.when(own).then(484).otherwise("env_steps"))
    caption = pictures(analyse(replace(study, spending=short)))[0].caption
    assert "RL2: env steps within one lifetime, at most 484; beyond, its memory stays as it is." in caption


def test_arms_of_further_measures_have_their_methods_names(study):
    names = ["rl2 trial 1", "random play, rl2", "multitask", "rl22 trial 1"]
    rows = [(arm, 0, seed, f"{arm}/{seed}", "t", 0.1 * seed) for arm in names for seed in range(3)]
    columns = ["method", "fold", "seed", "checkpoint", "task", "value"]
    told = replace(study, cells={"Return": pl.DataFrame(rows, schema=columns, orient="row")}, claims=[])
    rl2, multitask = (told.labels[name] for name in ("rl2", "multitask"))
    text = " ".join(text_of(told).split())
    text = text[text.index("Further measures") :]
    for name in (f"{rl2} trial 1", f"random play, {rl2}", multitask, "rl22 trial 1"):
        assert f" {name} 0.10 " in text
    assert " rl2 trial" not in text


def test_a_note_that_another_one_says_stands_once():
    assert distinct(["b", "cut: t knows no range", "cut"]) == ["b", "cut: t knows no range"]
    assert distinct({"a", "b"}) == ["a", "b"]
    # One mean has two rare seeds missing and a difference none: both notes begin alike.
    rows = [(m, s, t, v + 0.1 * s**2) for m, v in (("a", 1.0), ("b", 0.0)) for s in range(4) for t in "tu"]
    text = compare(pl.DataFrame(rows, schema=["method", "seed", "task", "score"], orient="row")).text()
    notes = re.findall(r"^Note: (.*)\.$", text, re.MULTILINE)
    assert notes
    assert not [a for a in notes for b in notes if a != b and a in b]


def test_times_to_a_threshold_lie_between_0_and_the_budget(study):
    found = secondary_of(analyse(study))
    last = study.final_step
    for at in found.reached.values():
        assert 0 <= at.time.low <= at.time.mean <= at.time.high <= last
    # All three runs of one task got there at once, or never: Gaffke's limits of the whole span.
    rows = [("a", s, "t", step, 1.0 if step and s else 0.0) for s in range(3) for step in (0, 10, 20)]
    frame = pl.DataFrame(rows, schema=["method", "seed", "task", "env_step", "score"], orient="row")
    table = compare(frame, score_range=(0.0, 1.0))
    time = secondary_of(table.analysis).reached["a"].time
    low, high = gaffke_limits(
        [1.0, 0.5, 0.5]
    )  # of 20: the seed that never got there counts 20, the others 10
    assert (time.mean, time.low, time.high) == pytest.approx((40 / 3, 20 * low, 20 * high))


def test_no_limit_of_an_aggregate_lies_beyond_what_is_possible():
    """Of 16 rare successes t's limits of mean, interquartile mean and gap reach below 0 and above 1."""
    rng = np.random.default_rng(0)
    rows = [("a", s, t, float(rng.random() < 0.1)) for s in range(4) for t in "tuvw"]
    frame = pl.DataFrame(rows, schema=["method", "seed", "task", "score"], orient="row")
    found = compare(frame, score_range=(0.0, 1.0))
    aggregates = secondary_of(found.analysis).aggregates
    gap = aggregates["Optimality gap"]["a"]
    values = frame.group_by("seed").agg(pl.col("score").mean())["score"].to_numpy()
    half = stats.t.ppf(0.975, 3) * stats.sem(values)
    assert values.mean() - half < 0, "uncut it would lie beyond"
    assert (gap.low, gap.high) == (pytest.approx(1 - values.mean() - half), 1.0)
    assert aggregates["Interquartile mean"]["a"].low in (None, 0.0)
    assert "by the jackknife, cut to what is possible" in found.files["report.html"].decode()


def test_a_split_that_shares_no_task_with_another_has_a_page():
    """Each seed drew four of 24 tasks: what overlaps is chance, and every number has its limits."""
    rng = np.random.default_rng(0)
    splits = [[3, 14, 22, 23], [5, 10, 20, 23], [0, 5, 14, 20], [6, 11, 16, 23], [8, 13, 18, 21]]
    rows = [
        (m, 105 + s, 105 + s, f"t{t}", rng.uniform(low, 1))
        for m, low in (("a", 0.0), ("b", 0.3))
        for s, split in enumerate(splits)
        for t in split
    ]
    frame = pl.DataFrame(rows, schema=["method", "fold", "seed", "task", "score"], orient="row")
    found = compare(frame, score_range=(0.0, 1.0))
    secondary = secondary_of(found.analysis)
    assert all(one.low is not None for by in secondary.aggregates.values() for one in by.values())
    assert secondary.profiles["low"].null_count() == 0
    assert all(pair.improvement.low is not None for pair in secondary.pairs)
    assert found.files["report.html"].decode().count("drew tasks of its own") == 1


def test_a_further_measure_that_is_a_rate_has_limits_of_rates(study):
    """Two pretrainings at .2 and .8 of rates: t says [-3.3, 4.3]; within 0 to 1 Gaffke's limits decide."""
    cells = pl.DataFrame(
        {
            **{"method": ["mt", "mt"], "fold": [0, 0], "seed": [0, 1], "checkpoint": ["a", "b"]},
            **{"task": ["t", "t"], "value": [0.2, 0.8]},
        }
    )
    measured = replace(study, cells={"Rate": cells}, cell_bounds={"Rate": (0.0, 1.0)})
    rate = secondary_of(analyse(measured)).measures["Rate"]["mt"]
    assert (rate.low, rate.high) == pytest.approx(gaffke_limits([0.2, 0.8]))
    assert rate.beside is not None
    assert rate.beside[:2] == (0.0, 1.0)


def test_few_against_many_print_their_simulated_coverage_on_the_page_and_in_the_terminal():
    """3 checkpoints against 20 and no range: Welch's interval covers .86 where both are exponential."""
    rng = np.random.default_rng(0)
    rows = [(m, s, t, rng.normal()) for m, n in (("few", 3), ("many", 20)) for s in range(n) for t in "tu"]
    found = compare(pl.DataFrame(rows, schema=["method", "seed", "task", "score"], orient="row"))
    said = (
        "with fewer than 20 checkpoints rare failing seeds are assumed away; simulated coverage of a .95 "
        "interval of 3 against 20: Gaussian 0.93, exponential 0.86, log-normal 0.87"
    )
    assert said in found.text()
    assert f"W{said[1:]}" in found.files["report.html"].decode()


def test_what_is_assumed_over_new_tasks_alone_says_so():
    rng = np.random.default_rng(0)
    rows = [(m, s, t, rng.uniform()) for m in "ab" for s in range(4) for t in "tuv"]
    frame = pl.DataFrame(rows, schema=["method", "seed", "task", "score"], orient="row")
    page = compare(frame, score_range=(0.0, 1.0)).files["report.html"].decode()
    assert "Over new tasks: with fewer than 20 checkpoints rare failing seeds are assumed away." in page
    assert "With fewer than 20" not in page  # Gaffke's limits over these tasks assume nothing of the kind


def test_pairs_that_are_not_shown_count_in_the_adjustment_and_that_is_said(design):
    study = design(families=6, sizes=(100,), tasks=2, seeds=3)
    text = text_of(study)
    found = secondary_of(analyse(study))
    assert len(found.pairs) < 15  # of six methods
    assert "Adjusted for all 15 pairs, of which these have a reference." in text
