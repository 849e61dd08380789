"""Success rates of players, and their page."""

import polars as pl
import pytest
from fvm_eval.report.players import Played, render_players
from fvm_eval.statistics.rates import success_rates
from fvm_eval.table import TableError


def episodes(**solved):
    """Ten episodes of each player on each of two tasks, of which the first so many were solved."""
    rows = [
        {"player": player, "task": task, "episode": i, "score": float(i < count)}
        for player, counts in solved.items()
        for task, count in zip(("b/x", "b/y"), counts, strict=True)
        for i in range(10)
    ]
    return pl.DataFrame(rows)


def test_rates_and_their_limits_are_those_of_the_binomial():
    """Clopper and Pearson for 0 of 10: 1 - .025 ** (1 / 10); for 10 of 10 the mirror image."""
    rates = {(r.player, r.task): r for r in success_rates(episodes(one=(0, 10), two=(5, 5)))}
    assert len(rates) == 6
    zero, all_ = rates["one", "b/x"], rates["one", "b/y"]
    assert (zero.solved, zero.episodes, zero.low) == (0, 10, 0.0)
    assert zero.high == pytest.approx(1 - 0.025**0.1)
    assert (all_.low, all_.high) == (pytest.approx(0.025**0.1), 1.0)
    both = rates["one", ""]
    assert (both.part, both.episodes) == (0.5, 20)
    half = rates["two", "b/x"]
    assert half.low == pytest.approx(0.187086, abs=1e-6)  # textbook value for 5 of 10
    assert half.high == pytest.approx(0.812914, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop("task"), "lacks the columns task"),
        (lambda t: t.with_columns(score=pl.lit(0.5)), "neither 0 nor 1"),
        (lambda t: pl.concat([t, t]), "more than once"),
        (lambda t: t.head(15), "more episodes of one task"),
    ],
)
def test_tables_without_a_rate_are_refused(change, words):
    with pytest.raises(TableError, match=words):
        success_rates(change(episodes(one=(3, 4))))


def test_the_page_says_who_solved_what():
    played = Played(
        title="Two <tasks>",
        estimand="How often.",
        episodes=episodes(planner=(10, 9), random=(0, 1)),
        labels={"planner": "Planner", "random": "Random"},
        notes=("Simulator: none.",),
        rerun="study --again",
    )
    files = render_players(played)
    assert set(files) == {"report.html", "players.pdf", "players.png", "players.svg"}
    assert render_players(played) == files, "the same input gives the same bytes"
    page = files["report.html"].decode().replace("\N{NO-BREAK SPACE}", " ")
    assert "Episodes solved: Planner 95 %, Random 5 %." in page
    assert "9 of 10" in page
    assert "Two &lt;tasks&gt;" in page
    assert "Simulator: none." in page
    assert "study --again" in page
    assert page.count("<svg") == 2
