"""The page of players that never learn: how often each solves each task, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import polars as pl
from markupsafe import Markup

from fvm_eval.naming import plural
from fvm_eval.report import drawing, sections
from fvm_eval.report.cells import Cell, Grid, filled
from fvm_eval.report.figures.labels import short
from fvm_eval.report.figures.players import by_player
from fvm_eval.report.page import document
from fvm_eval.statistics.rates import Rate, success_rates

FIGURE, _HEADING = "players", "Task by task"


@dataclass(frozen=True, kw_only=True)
class Played:
    """What is known of a study of players.

    Attributes:
        title: What was played.
        estimand: One sentence.
        episodes: Columns player, task, episode, score: 1.0 where it was solved, else 0.0.
        labels: Readable names of the players, in the order in which they are shown.
        notes: Shown under the answer.
        config: What the study was asked to do.
        environment: Versions, hardware.
        rerun: The command that makes it again.
    """

    title: str
    estimand: str
    episodes: pl.DataFrame
    labels: Mapping[str, str]
    notes: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    rerun: str = ""


def render_players(played: Played) -> dict[str, bytes]:
    """Returns the page's files by name, as `fvm_eval.report.render` does: the same input, the same bytes.

    Raises:
        TableError: Episodes without a success rate.
    """
    rates = success_rates(played.episodes)
    draw = partial(by_player, rates, played.labels)
    files, inline = drawing.drawn(FIGURE, draw, _HEADING)
    caption = "Bars: exact 95 % intervals over episodes."
    content = [
        _header(played, rates),
        filled(
            "figure.html", drawn=Markup(inline), heading=_HEADING, caption=caption, within=False, folded=False
        ),
        filled("tables.html", heading="Numbers", intro="", tables=[_table(played, rates)]),
        filled("estimand.html", estimand=played.estimand, claims=[], conditions=[], held=0, unfolded=0),
        sections.configuration(played.config, played.environment),
        sections.rerun(played.rerun),
    ]
    return {"report.html": document(played.title, content), **files}


def _header(played: Played, rates: Sequence[Rate]) -> Markup:
    """Returns title, each player's rate over all tasks, notes and the study's size."""
    overall = {rate.player: rate for rate in rates if not rate.task}
    said = ", ".join(f"{played.labels[name]} {percent(overall[name].part)}" for name in played.labels)
    tasks = plural(played.episodes["task"].n_unique(), "task")
    numbers = ", ".join(f"{played.labels[name]} {interval(overall[name])}" for name in played.labels)
    facts = {
        "Tasks": f"{played.episodes['task'].n_unique():,}",
        "Players": f"{len(played.labels)}",
        "Episodes": f"{len(played.episodes):,}",
    }
    answer = filled(
        "answer.html",
        label="",
        tone="",
        decision=f"Episodes solved: {said}.",
        numbers=f"Mean over {tasks}, 95 %: {numbers}.",
    )
    return filled("header.html", title=played.title, answer=answer, notes=played.notes, facts=facts)


def _table(played: Played, rates: Sequence[Rate]) -> Grid:
    """Returns a row a task, a column a player, all tasks last."""
    found = {(rate.task, rate.player): rate for rate in rates}
    tasks = list(dict.fromkeys(rate.task for rate in rates if rate.task))
    rows = []
    for task in [*tasks, ""]:
        name = Cell(short(task, tasks)) if task else Cell("All tasks", strong=True)
        rows.append([name, *(_cell(found[task, player]) for player in played.labels)])
    return Grid(["Task", *played.labels.values()], rows)


def _cell(rate: Rate) -> Cell:
    return Cell(f"{rate.solved:,} of {rate.episodes:,}", [interval(rate)])


def percent(part: float) -> str:
    """Returns a part as per cent, as in "100 %", "99.8 %"; the space does not break."""
    return f"{100 * part:.1f}".removesuffix(".0") + "\N{NO-BREAK SPACE}%"


def interval(rate: Rate) -> str:
    """Returns "[low %, high %]"."""
    return f"[{percent(rate.low)}, {percent(rate.high)}]"
