import re
from html import unescape
from html.parser import HTMLParser

import polars as pl
import pytest
from fvm_eval import Comparison
from fvm_eval.analysis import analyse
from fvm_eval.claims import pretraining_learned
from fvm_eval.fairness import Check
from fvm_eval.report import render
from fvm_eval.report.figures.labels import short, steps_text
from fvm_eval.report.sections import estimand
from fvm_eval.report.text import number
from fvm_eval.table import TableError


@pytest.fixture(scope="module")
def small(synthetic):
    return synthetic(seeds=3, tasks=3)


@pytest.fixture(scope="module")
def files(small):
    return render(small)


@pytest.fixture(scope="module")
def page(files):
    return files["report.html"].decode()


def test_the_same_results_give_the_same_bytes(files, synthetic):
    shuffled = synthetic(seeds=3, tasks=3)
    object.__setattr__(shuffled, "online", shuffled.online.sample(fraction=1, shuffle=True, seed=1))
    again = render(shuffled)
    assert list(again) == list(files)
    assert [name for name in files if files[name] != again[name]] == []


def figures_in(files):
    return {name for name in files if name.endswith((".png", ".svg", ".pdf"))}


def test_every_figure_comes_as_png_svg_and_pdf(files):
    figures = ["adaptation", "differences", "by_task", "online", "pretraining", "profiles"]
    assert figures_in(files) == {f"{name}.{kind}" for name in figures for kind in ("png", "svg", "pdf")}
    assert all(files[f"{name}.pdf"].startswith(b"%PDF") for name in figures)
    assert all(files[f"{name}.png"].startswith(b"\x89PNG") for name in figures)
    assert not any(b"<dc:date>" in files[f"{name}.svg"] for name in figures)


def test_the_page_needs_nothing_else(page):
    assert not re.search(r"https?:|//[a-z]|<script|<link|<img|@import|url\((?!#)", page)


def test_the_page_is_well_formed_and_ids_are_its_own(page):
    class Checker(HTMLParser):
        void = frozenset({"meta", "br", "link"})

        def __init__(self):
            super().__init__()
            self.open, self.ids = [], []

        def handle_starttag(self, tag, attrs):
            self.ids += [value for name, value in attrs if name == "id"]
            if tag not in self.void:
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page))
    assert used <= set(checker.ids)


def test_sections_come_in_the_reader_s_order(page):
    order = [
        "Undecided: too small.",
        "What is estimated",
        "Adaptation to held-out tasks",
        "Results",
        "Return while adapting",
        "Task by task",
        "Pretraining",
        "Fairness checklist",
        "Budgets and costs",
        "Splits",
        "Setting",
        "Run it again",
    ]
    places = [page.index(f">{heading}<") for heading in order]
    assert places == sorted(places)


def test_what_was_given_is_shown(page, small):
    assert next(iter(small.folds.values())).sha256 in page
    assert "uv run study --benchmark procgen --preset quick --seeds 3" in page
    assert "not the paper's setting" in unescape(page)
    assert "10 of 10 rules hold" in page
    assert "var(--m0)" in page
    assert "#0072b2" not in page[page.index("<svg") :]


def test_text_from_outside_is_escaped(synthetic):
    hostile = synthetic(seeds=1, tasks=1, title="<script>x</script>", labels={"scratch": "<b>&"})
    page = render(hostile)["report.html"].decode()
    assert "<script" not in page
    assert "&lt;b&gt;&amp;" in page


def test_a_study_with_enough_seeds_decides_in_the_headline(synthetic):
    page = render(synthetic(seeds=5, tasks=3))["report.html"].decode()
    assert "Multi-task beats Scratch by more than the margin." in page
    worse = Comparison(left="scratch", right="multitask", estimand="e", kind="non-inferiority")
    page = render(synthetic(seeds=5, tasks=3, comparisons=[worse]))["report.html"].decode()
    assert "Scratch is not at least as good as Multi-task, within the margin." in page


def test_a_single_seed_is_reported_without_intervals(synthetic):
    files = render(synthetic(seeds=1, tasks=2, online=None, pretraining=None, baselines=None))
    page = files["report.html"].decode()
    names = ("adaptation", "by_task", "profiles")
    assert figures_in(files) == {f"{n}.{k}" for n in names for k in ("png", "svg", "pdf")}
    assert "no interval" in page
    assert "Undecided: too small." in page


def test_shown_units_are_raw_where_all_tasks_share_a_range(small, synthetic):
    analysis = analyse(small)
    raw = small.episodes.filter(pl.col("method") == "scratch", pl.col("env_step") == 40_000)["score"].mean()
    assert analysis.scale.value(analysis.summaries[0].fixed["scratch"].mean) == pytest.approx(raw)
    ranges = dict(small.score_ranges)
    ranges[small.tasks[0]] = (0.0, 20.0)
    assert analyse(synthetic(seeds=3, tasks=3, score_ranges=ranges)).scale.label.startswith("Normalised")


def test_bounds_may_be_wider_than_the_ranges(small, synthetic):
    ranges = dict.fromkeys(small.tasks, (5.0, 10.0))
    bounds = dict.fromkeys(small.tasks, (0.0, 10.0))
    analysis = analyse(synthetic(seeds=3, tasks=3, score_ranges=ranges, score_bounds=bounds))
    assert analysis.score_bounds == (-1.0, 1.0)
    assert analyse(small).score_bounds == (0.0, 1.0)


def test_a_given_check_stands_where_it_is_worse(synthetic):
    given = Check(3, "fails", "two levels look the same")
    assert analyse(synthetic(seeds=1, tasks=1, checks=[given])).checks[2] == given


def test_results_that_do_not_fit_are_refused(small, synthetic):
    with pytest.raises(TableError, match="episode table is empty"):
        synthetic(seeds=1, tasks=1, episodes=small.episodes.clear())
    with pytest.raises(TableError, match="online lacks return"):
        synthetic(seeds=1, tasks=1, online=small.online.drop("return"))
    with pytest.raises(ValueError, match="names 'mt'; the table has"):
        synthetic(seeds=1, tasks=1, comparisons=[Comparison(left="mt", right="scratch", estimand="e")])
    cut = small.episodes.filter(~((pl.col("seed") == 0) & (pl.col("env_step") == 40_000)))
    with pytest.raises(TableError, match="6 of 18 runs have no evaluation at env_step 40000"):
        render(synthetic(seeds=1, tasks=1, episodes=cut, score_ranges=small.score_ranges))


def test_numbers_and_names():
    shown = {
        **{0.123: "0.12", 12.345: "12.35", 123.45: "123.5", 12345.6: "12,346", -1.0: "−1.00"},
        **{0.0025: "0.0025", 0.00123456: "0.00123", -0.001: "−0.001", 0.05: "0.05", 0.0999: "0.0999"},
        **{0.0: "0.00", 1e-17: "0.00", 2.5e-7: "2.50e−7", 1e300: "1.00e300"},
    }
    assert {value: number(value) for value in shown} == shown
    assert number(0.0012, like=0.5) == "0.00"  # beside a larger number
    # On which side of 0 a difference's limit lies is seen, however wide its interval is.
    assert [number(v, signed=True, like=0.5) for v in (0.0012, -0.0034, 1e-7)] == ["+0.001", "−0.003", "0.00"]
    assert number(-0.3, signed=True, like=900) == "−0.3"
    assert number(1, signed=True) == "+1.00"
    assert [steps_text(v) for v in (0, 500, 40_000, 32_768, 2.5e6)] == ["0", "500", "40k", "32.8k", "2.5M"]
    assert short("procgen/coinrun-easy/7", ["procgen/coinrun-easy/7", "procgen/coinrun-easy/8"]) == "level 7"
    assert short("atari/pong", ["atari/pong", "toy/x"]) == "atari/pong"
    assert short("atari/pong", ["atari/pong"]) == "atari/pong"


def test_long_lists_are_folded(synthetic):
    many = [
        pretraining_learned([6.1, 6.6], [2.2, 2.4], name=f"the pretraining of {i} learned") for i in range(9)
    ]
    page = estimand(analyse(synthetic(seeds=1, tasks=1, preconditions=many)))
    assert "<summary>9 of 9 hold</summary><ul><li>The pretraining of 0 learned" in page
