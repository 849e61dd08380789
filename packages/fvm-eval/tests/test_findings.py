"""What is said of a stranger's table by itself: successes, scales, clusters; nothing that is not so."""

import json
import re
import subprocess
import sys
from html import unescape

import numpy as np
import polars as pl
import pytest
from fvm_eval import Comparison, compare
from fvm_eval.statistics.bounded import korn_graubard_limits
from fvm_eval.table import TableError


def frame(score, tasks=("t", "u"), seeds=5, methods="ab", episodes=1):
    names = ["method", "seed", "task", "episode", "score"]
    rows = [
        (m, s, t, e, float(score(m, s, t)))
        for m in methods
        for s in range(seeds)
        for t in tasks
        for e in range(episodes)
    ]
    return pl.DataFrame(rows, schema=names, orient="row")


@pytest.fixture(scope="module")
def won():
    rng = np.random.default_rng(0)
    return frame(lambda m, *_: rng.random() < (0.3 if m == "a" else 0.6), episodes=20)


def test_scores_of_0_and_1_are_rates(won):
    found = compare(won)
    interval = found.analysis.summaries[0].fixed["a"]
    assert interval.how == "Korn-Graubard"
    seeds = won.filter(method="a").group_by("seed").agg(pl.col("score").mean())["score"].to_numpy()
    low, high = korn_graubard_limits(
        seeds.mean(), seeds.var(ddof=1) / 5, episodes=200, clusters=5, df=4.0, level=0.95
    )
    assert (interval.low, interval.high) == pytest.approx((low, high))
    assert "Every score is 0 or 1: taken for successes" in found.text()
    assert "Success rate" in found.files["report.html"].decode()


def test_what_may_be_no_success_is_none(won):
    for scores in (pl.lit(0.0), pl.col("score") * 0.5, pl.col("score") - 1):
        other = compare(won.with_columns(score=scores))
        assert "taken for successes" not in other.text()
        assert other.analysis.score_bounds is None
    assert compare(won, score_range=(0.0, 2.0)).analysis.score_bounds == (0.0, 1.0)


def test_scores_that_are_rounding_are_refused_unless_a_range_says_how_large_they_are():
    """Their variance is 0, so that all checkpoints would agree exactly."""
    small = frame(lambda m, s, t: 1e-200 * (s + 1) * (1 + (m == "b")))
    with pytest.raises(
        TableError, match=r"no score is larger than 1e-199, .* multiply all by a power of ten"
    ):
        compare(small)
    ranges = dict.fromkeys("tu", (0.0, 1e-199))
    assert compare(small, normalise=ranges).analysis.summaries[0].fixed["a"].low is not None
    compare(frame(lambda *_: 0.0))


def test_a_mean_over_tasks_of_different_scales_is_said():
    rng = np.random.default_rng(0)
    size = {"seaquest": 40_000, "pong": 20}
    raw = frame(lambda m, s, t: size[t] * rng.uniform(0.5, 1), tasks=tuple(size))
    said = "their mean over tasks is decided by the tasks with large scores"
    assert said in compare(raw).text()
    assert said not in compare(raw, normalise={"seaquest": (0, 4e4), "pong": (0, 20)}).text()
    near = frame(lambda m, s, t: (10 if t == "t" else 90) * rng.uniform(0.9, 1))
    assert said not in compare(near).text()


def test_units_are_said_on_the_page_and_words_fit_one_task():
    rng = np.random.default_rng(0)
    found = compare(frame(lambda *_: rng.normal(), tasks=("t",)))
    page, text = found.files["report.html"].decode(), found.text()
    assert "Intervals are over checkpoints, 5 a method: each method and seed is one" in page
    assert "name it in a column checkpoint" not in page
    assert "these tasks" not in text
    assert "95 % this task" in text
    assert "Intra-checkpoint correlation" not in page  # of one task nothing can be shared
    several = compare(frame(lambda *_: rng.normal())).text()
    assert "where each task had a training of its own, name it in a column checkpoint" in several


def test_without_claims_and_episode_numbers_the_checks_say_so_and_fail_nothing():
    rng = np.random.default_rng(0)
    found = compare(frame(lambda *_: rng.normal()).drop("episode"))
    checks = {check.rule: check for check in found.analysis.checks}
    assert (checks[7].status, checks[9].status) == ("cannot be checked", "cannot be checked")
    assert checks[10].reason.startswith("no claim was fixed, so that none is decided")
    assert "1 of 4 rules holds" in found.files["report.html"].decode()


def test_an_optimality_gap_is_never_below_0():
    one_short = frame(lambda m, seed, t: 0.5 if (m, seed, t) == ("a", 0, "t") else 0.6 if m == "b" else 1.2)
    found = compare(one_short, normalise={"t": (0, 1), "u": (0, 1)})
    gaps = pl.read_csv(found.files["aggregates.csv"]).filter(measure="Optimality gap")
    short, half = gaps.filter(arm="a").row(0, named=True), 2.7764 * 0.05  # of t with 4 degrees of freedom
    assert (short["mean"], short["low"]) == (0.05, 0)  # not 0.05 - half
    assert short["high"] == pytest.approx(0.05 + half, abs=1e-4)
    assert "cut at 0, below which it cannot be" in found.files["report.html"].decode()


def test_columns_stay_aligned_beside_letters_that_take_two():
    rng = np.random.default_rng(0)
    text = compare(frame(lambda *_: rng.normal(), methods=("強化学習", "🚀", "ab", "é"))).text()
    lines = text.split("\n\n")[0].split("\n")[1:6]
    wide = [sum(2 if re.match(r"[^\x00-\xff−]", letter) else 1 for letter in line) for line in lines]
    assert len(set(wide)) == 1, lines


def test_reading_and_judging_a_table_needs_no_figures():
    code = "import sys, fvm_eval; fvm_eval.compare; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_methods_that_share_some_checkpoints_are_not_compared_and_the_others_are():
    """The second way to adapt lacks a checkpoint of the first: neither paired nor apart."""
    rng = np.random.default_rng(0)
    table = frame(lambda *_: rng.normal(), methods="abc").with_columns(
        checkpoint=pl.when(pl.col("method") == "c").then(pl.lit("c/")).otherwise(pl.lit("ab/"))
        + pl.col("seed").cast(pl.String)
    )
    table = table.filter(~((pl.col("method") == "b") & (pl.col("seed") == 4)))
    found = compare(table)
    assert [(d.left, d.right) for d in found.analysis.differences] == [("a", "c"), ("b", "c")]
    assert [(p.left, p.right) for p in found.analysis.pairs["Score"]] == [("a", "c"), ("b", "c")]
    assert re.search("a − b +not compared: they share some checkpoints, not all", found.text())
    said = "Not compared: a and b (they share some checkpoints, not all)."
    assert said in found.files["report.html"].decode()
    assert said in found.files["tables.md"].decode()
    assert said in found._repr_html_()
    assert b"no interval" not in found.files["report.html"]
    asked = [Comparison(left="a", right="c", estimand="e")]
    assert re.search("b − c +not compared: not among the comparisons", compare(table, claims=asked).text())


def test_methods_tested_on_different_tasks_are_named_on_the_page_too():
    """Six pairs of one reason, four of them by name; the two on the same tasks are compared."""
    rng = np.random.default_rng(0)
    table = frame(lambda *_: rng.normal(), methods="abcde")
    moved = pl.col("method").is_in(["d", "e"])
    table = table.with_columns(
        task=pl.when(moved).then(pl.lit("other/") + pl.col("task")).otherwise(pl.col("task"))
    )
    page = compare(table).files["report.html"].decode()
    assert (
        "Not compared: a and d, a and e, b and d, b and e, 2 more pairs (tested on different tasks)." in page
    )
    assert "Not compared" not in compare(frame(lambda *_: rng.normal())).files["report.html"].decode()


def test_means_that_are_not_over_the_same_tasks_are_named_with_their_method():
    """Equal methods; one run is missing, and the mean of what is left is a fifth of the other's."""
    whole = frame(lambda m, s, t: {"t": 1.0, "u": 9.0}[t] + 0.01 * s)
    holed = whole.filter(~((pl.col("method") == "b") & (pl.col("seed") == 3) & (pl.col("task") == "u")))
    found = compare(holed)
    means = {method: at.mean for method, at in found.analysis.summaries[0].fixed.items()}
    assert means == pytest.approx({"a": 5.02, "b": 1.02})
    said = (
        "Means are not over the same tasks: b’s is over 1 of 2 (without u). Compare methods by their "
        "differences, which are over the tasks that both have."
    )
    assert f"Note: {said}" in found.text()
    page = unescape(re.sub(r"<[^>]+>", " ", found.files["report.html"].decode()))
    assert said in page
    assert page.index(said) < page.index("What is estimated")
    assert found.analysis.differences[0].fixed.mean == pytest.approx(0.0)
    for same in (whole, whole.filter(~((pl.col("seed") == 3) & (pl.col("task") == "u")))):
        assert "not over the same tasks" not in compare(same).text()


def test_a_player_that_was_not_seen_on_every_task_is_named_too():
    """Random play has 1 of the 10 of the only task it was seen on, and would stand beside means over both."""
    learn = frame(lambda m, s, t: {"t": 1.0, "u": 9.0}[t] + 0.01 * s).with_columns(env_step=pl.lit(9))
    random = learn.filter((pl.col("method") == "b") & (pl.col("task") == "u"))
    random = random.with_columns(method=pl.lit("random"), env_step=pl.lit(0))
    said = "Means are not over the same tasks: random’s is over 1 of 2 (without t)."
    assert said in compare(pl.concat([learn, random])).text()
    both = pl.concat([random, random.with_columns(task=pl.lit("t"))])
    assert "not over the same" not in compare(pl.concat([learn, both])).text()


def test_folds_that_share_no_task_are_a_plan_unless_it_is_said_otherwise():
    """Three folds of two tasks each: drawn splits have the fold as their unit, a plan its checkpoints."""
    rng = np.random.default_rng(0)
    table = frame(lambda *_: rng.normal(), tasks=tuple("abcdef"), seeds=3)
    own = {0: "ab", 1: "cd", 2: "ef"}
    table = table.filter(
        pl.struct("seed", "task").map_elements(lambda r: r["task"] in own[r["seed"]], pl.Boolean)
    ).with_columns(fold="seed")
    assumed, planned, drawn = (compare(table, splits=told) for told in (None, "planned", "redrawn"))
    said = "Folds share no task: taken as planned, such as leave-one-out; if each drew its tasks anew"
    assert [said in found.text() for found in (assumed, planned, drawn)] == [True, False, False]
    assert said in assumed.files["report.html"].decode()
    assert assumed.analysis.summaries[0].fixed["a"].low is None
    assert planned.analysis.summaries[0].fixed["a"].low is None
    units = table.filter(method="a").group_by("fold").agg(pl.col("score").mean())["score"].to_numpy()
    half = 4.302652729911275 * units.std(ddof=1) / 3**0.5  # t, two degrees of freedom
    found = drawn.analysis.summaries[0].fixed["a"]
    assert (found.low, found.high) == pytest.approx((units.mean() - half, units.mean() + half))
    assert all(d.fixed.low is not None for d in drawn.analysis.differences)
    assert [json.loads(f.files["report.json"]).get("redrawn_splits") for f in (assumed, planned, drawn)] == [
        None,
        False,
        True,
    ]


def test_the_headline_s_scores_have_the_same_decimals():
    means = {"a": 0.29, "b": -0.00798, "c": 0.5}
    table = frame(lambda m, s, _: means[m] + (s - 2) / 10, methods="abc")
    assert "c 0.50, a 0.29, b −0.01." in unescape(compare(table).files["report.html"].decode())


def test_folds_of_which_nothing_is_assumed():
    rng = np.random.default_rng(0)
    table = frame(lambda *_: rng.normal(), seeds=4)
    for folds in (pl.lit(0), pl.col("seed")):  # one fold; folds on the same tasks
        assert "Folds share" not in compare(table.with_columns(fold=folds)).text()


def test_a_mean_that_is_not_estimable_is_a_dash():
    """Splits without a column that names them: nothing tells them from holes."""
    rng = np.random.default_rng(0)
    rows = [
        ("a", s, f"t{t}", rng.normal()) for s, split in enumerate(((0, 1), (1, 2), (2, 0))) for t in split
    ]
    table = pl.DataFrame(rows, schema=["method", "seed", "task", "score"], orient="row")
    found = compare(table)
    assert np.isnan(found.analysis.summaries[0].fixed["a"].mean)
    assert re.search("^a +– +no interval +no interval", found.text(), re.MULTILINE)
    assert "no task is left that all of them have (where each seed drew tasks of its own, a" in found.text()
    named = compare(table.with_columns(fold=pl.col("seed"))).analysis.summaries[0].fixed["a"]
    assert named.mean == pytest.approx(table["score"].mean())
    assert named.checkpoints == 3

    def number(text):
        raise AssertionError(f"{text} is no JSON")

    numbers = json.loads(found.files["report.json"], parse_constant=number)
    assert numbers["summaries"][0]["mean"] is None
    assert "NaN" not in found.files["summaries.csv"].decode() + found.files["curves.csv"].decode()


def test_an_area_needs_every_run_at_step_0_and_the_rest_does_not():
    """One log begins at 0, the other after the first evaluation."""
    rng = np.random.default_rng(0)
    rows = [
        (m, s, t, step, rng.normal())
        for m in "ab"
        for s in range(3)
        for t in "xy"
        for step in (0, 10, 20)[m == "b" :]
    ]
    table = pl.DataFrame(rows, schema=["method", "seed", "task", "env_step", "score"], orient="row")
    found = compare(table)
    assert [summary.name for summary in found.analysis.summaries] == ["Value at budget"]
    assert "Read: Some runs have no score at env step 0: no area under the curve." in found.text()
    whole = compare(table.filter(method="a"))
    assert [summary.name for summary in whole.analysis.summaries][1:] == ["Area under the curve"]
    assert "no area" not in whole.text()


def test_a_report_is_not_written_over_other_files(tmp_path):
    found = compare(frame(lambda m, s, t: s + (m == "b")))
    (tmp_path / "report.json").write_text("mine")
    with pytest.raises(FileExistsError, match=r"it would replace report\.json, which no report wrote"):
        found.report(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert found.report(tmp_path / "new") == found.report(str(tmp_path / "new"))
    with pytest.raises(TableError, match="splits='drawn': expected planned or redrawn"):
        compare(frame(lambda *_: 1.0), splits="drawn")
