"""Tables beside the page: what it prints can be computed again from them, whatever methods are called."""

import io
import json
import re

import numpy as np
import polars as pl
import pytest
from fvm_eval import compare
from fvm_eval.report import render
from scipy import stats

NAMES = ["cost$5 or $6_x^", "<b>&", "50 % {a}\\b", "a|b*c`", "\u202eab\x1b[31m\n", "😀 naïve雪"]


@pytest.fixture(scope="module")
def study(synthetic):
    return synthetic(seeds=4, tasks=3)


@pytest.fixture(scope="module")
def files(study):
    return render(study)


def table(files, name):
    return pl.read_csv(io.BytesIO(files[f"{name}.csv"]))


def test_means_and_intervals_from_the_cells_alone(files):
    cells, summaries = table(files, "cells"), table(files, "summaries")
    assert len(summaries) == 6
    for row in summaries.iter_rows(named=True):
        mine = cells.filter(summary=row["summary"], method=row["method"])
        by_checkpoint = mine.group_by("checkpoint").agg(pl.col("value").mean())["value"].to_numpy()
        half = stats.t.ppf(0.975, len(by_checkpoint) - 1) * stats.sem(by_checkpoint)
        ends = ("low", "high") if row["how"] == "cluster-t" else ("t_low", "t_high")
        assert [row["mean"], *(row[end] for end in ends)] == pytest.approx(
            [by_checkpoint.mean(), by_checkpoint.mean() - half, by_checkpoint.mean() + half]
        )


def test_interquartile_mean_and_improvement_from_the_cells_alone(files):
    cells = table(files, "cells").filter(summary="Value at budget")
    scores = {m: cells.filter(method=m).sort("task", "checkpoint") for m in ("multitask", "scratch")}
    aggregates = table(files, "aggregates").filter(measure="Interquartile mean")
    for method, mine in scores.items():
        expected = stats.trim_mean(mine["value"].to_numpy(), 0.25)
        assert aggregates.filter(arm=method)["mean"].item() == pytest.approx(expected)
    wins = []
    for task in scores["scratch"]["task"].unique():
        a, b = (scores[m].filter(task=task)["value"].to_numpy() for m in ("multitask", "scratch"))
        wins.append(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)))
    row = table(files, "improvement").row(0, named=True)
    share = np.mean(wins)
    assert row["mean"] == pytest.approx(share if row["left"] == "multitask" else 1 - share)


def test_json_has_what_the_csv_has(files):
    content = json.loads(files["report.json"])
    assert content["summaries"] == table(files, "summaries").to_dicts()
    assert content["score"] == {"label": "Episode return", "low": 0.0, "span": 10.0}


@pytest.fixture(scope="module")
def odd():
    rng = np.random.default_rng(0)
    rows = [
        (name, seed, task, rng.normal()) for name in NAMES for seed in range(3) for task in ("$t$_1", "<u>")
    ]
    return compare(pl.DataFrame(rows, schema=["method", "seed", "task", "score"], orient="row"))


def test_names_are_text_in_latex_and_markdown(odd):
    tex, markdown = odd.files["tables.tex"].decode(), odd.files["tables.md"].decode()
    assert r"cost\$5 or \$6\_x\textasciicircum{} & " in tex
    assert r"50 \% \{a\}\textbackslash{}b & " in tex
    assert r"\textless{}b\textgreater{}\& & " in tex
    assert tex.count(r"\toprule") == tex.count(r"\bottomrule") == tex.count(r"\end{tabular}")
    assert r"| a\|b\*c\` |" in markdown
    assert r"{\ifdefined\pdftexversion (U+1F600)\else 😀\fi} naïve" in tex
    assert r"\<b\>\&" in markdown
    assert not {"\u202e", "\x1b"} & {*tex, *markdown}


def test_names_are_text_in_figures_page_and_terminal(odd):
    page = odd.files["report.html"].decode()
    assert "cost$5 or $6_x^" in page[page.index("<svg") :]
    assert "&lt;b&gt;&amp;" in page
    assert "😀 naïve雪" in page[page.index("<svg") :]
    assert "😀 naïve雪" in odd.text()
    assert "<b>&amp;" not in page
    assert "\x1b" not in page
    assert "\\u202eab\\x1b[31m" in odd.text()
    assert "\x1b" not in odd.text()


def test_words_fit_a_table_without_adaptation(odd):
    page = odd.files["report.html"].decode().lower()
    for word in ("held-out", "jump-start", "adaptation run", "zero-shot", "leak audit", "at budget"):
        assert word not in page
    assert ">checks<" in page
    steps = [("a", s, "t", step, float(s + step)) for s in range(3) for step in (0, 10, 20)]
    steps += [("b", s, "t", step, float(s * step)) for s in range(3) for step in (0, 10, 20)]
    curve = compare(pl.DataFrame(steps, schema=["method", "seed", "task", "env_step", "score"], orient="row"))
    page = curve.files["report.html"].decode().lower()
    for word in ("held-out", "jump-start", "adaptation to", "env steps of adaptation", "zero-shot"):
        assert word not in page
    assert "final score" in page
    assert "at budget" not in page


def test_no_limit_lies_outside_the_range_and_where_it_is_cut_is_said():
    # Two tasks half the range apart say next to nothing of a third one.
    rows = [("a", s, t, v + 0.01 * s) for t, v in (("t", 0.95), ("u", 0.5)) for s in range(4)]
    frame = pl.DataFrame(rows, schema=["method", "seed", "task", "score"], orient="row")
    found = compare(frame, score_range=(0.0, 1.0))
    new = found.analysis.summaries[0].new["a"]
    assert (new.low, new.high) == (0.0, 1.0)
    said = "t does not know that scores lie in 0.00 to 1.00: its limits are cut to what is possible."
    assert said in found.files["report.html"].decode()
    free = compare(frame)
    assert free.analysis.summaries[0].new["a"].high > 1
    assert "its limits are cut" not in free.files["report.html"].decode()


def test_a_difference_has_no_limit_beyond_the_span():
    rows = [(m, s, t, v) for m, v in (("a", 1.0), ("b", 0.0)) for s in range(2) for t in "tu"]
    rows[0] = ("a", 0, "t", 0.2)
    frame = pl.DataFrame(rows, schema=["method", "seed", "task", "score"], orient="row")
    for found in compare(frame, score_range=(0.0, 1.0)).analysis.differences:
        limits = [(found.fixed.low, found.fixed.high), (found.new.low, found.new.high)]
        limits += [] if found.fixed.beside is None else [found.fixed.beside[:2]]
        assert all(-1 <= end <= 1 for pair in limits for end in pair if end is not None)


def test_one_task_is_said_in_the_singular(synthetic):
    rows = [(m, s, "t", v + 0.1 * s) for m, v in (("a", 1.0), ("b", 0.0)) for s in range(3)]
    frame = pl.DataFrame(rows, schema=["method", "seed", "task", "score"], orient="row")
    pages = [compare(frame).files, render(synthetic(seeds=2, tasks=1))]
    for page in (re.sub("<[^>]+>", " ", files["report.html"].decode()) for files in pages):
        assert re.findall(r"(?<![\d,.])1 [a-z-]* ?(?:tasks|seeds|episodes|runs)\b", page) == []
        assert "these 1" not in page
        assert "these tasks" not in page[: page.index("The estimand is a sentence")]
        assert not re.search(r"1 \S*\s?task, each|the task, each", page)


def test_a_headline_names_few_of_many_methods():
    rows = [(f"m{i:02d}", s, "t", i + 0.1 * s) for i in range(26) for s in range(2)]
    frame = pl.DataFrame(rows, schema=["method", "seed", "task", "score"], orient="row")
    page = compare(frame).files["report.html"].decode()
    head = re.search(r'<p class="answer">(.*?)</p>', page).group(1)
    assert head == "m25 25.05, m24 24.05, m23 23.05, m22 22.05, 22 others 21.05 to 0.05."


def test_report_in_one_line(odd, tmp_path):
    page = odd.report(tmp_path / "deep" / "out")
    assert page == tmp_path / "deep" / "out" / "report.html"
    assert {path.name for path in page.parent.iterdir()} == set(odd.files)
    assert odd.figures == ["adaptation", "differences", "profiles"]
    for name in odd.figures:
        assert odd.figure(name)._repr_svg_().lstrip().startswith("<?xml")
    with pytest.raises(KeyError, match="no figure 'profile'; there are adaptation"):
        odd.figure("profile")


def test_a_notebook_shows_answer_tables_and_figures_wherever_they_are_put(odd):
    shown = odd._repr_html_()
    assert "<template" not in shown  # what is put into a page by innerHTML stays closed
    style = re.search(r"<style>(.*?)</style>", shown, re.DOTALL).group(1)
    selectors = [text.strip() for text in re.findall(r"[^{}]+(?=\{)", style)]
    assert {text[:9] for text in selectors if not text.startswith("@")} == {".fvm-eval"}
    body = shown[shown.index("</style>") :]
    assert "No comparison was fixed beforehand" in body
    assert "&lt;b&gt;&amp;" in body
    assert body.count('<svg class="wide"') == 2
