"""What a study shows while it runs: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from study.engines import Event
from study.plan import Job, Plan

PLAIN_EVERY_S = 30.0


def duration(seconds: float) -> str:
    """Returns a time for people: 45 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(number: float) -> str:
    """Returns a number for people: 950, 12k, 1.5M, 1.7G."""
    for unit in ("", "k", "M"):
        if number < 999.5:  # what rounds to 1000 is 1 of the next unit
            return f"{number:.3g}{unit}" if unit else f"{number:.0f}"
        number /= 1000
    return f"{number:.3g}G"


@dataclass
class Running:
    """A job under way."""

    job: Job
    started: float
    first_env_step: int | None = None
    env_step: int = 0
    return_: float | None = None

    @property
    def rate(self) -> float:
        """Env steps a second since this process took it up."""
        taken = self.env_step - (self.first_env_step or 0)
        return taken / max(time.monotonic() - self.started, 1e-9)


class Terminal:
    """Shows events as they come; use as a context."""

    def __init__(self, console: Console, plan: Plan, done: Sequence[Job]) -> None:
        self.console, self.plan = console, plan
        self.finished, self.failed = len(done), 0
        self.total = len(plan.jobs)
        self.steps_before = self.steps_done = sum(job.budget_env_steps for job in done)
        self.running: dict[str, Running] = {}
        self.started = self.last_line = time.monotonic()
        self.live = Live(console=console, refresh_per_second=4, get_renderable=self.render)
        self.is_live = console.is_terminal and not console.is_dumb_terminal

    def __enter__(self) -> Terminal:
        if self.is_live:
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.is_live:
            self.live.stop()

    def take(self, event: Event) -> None:
        """Shows one event."""
        job, key = event.job, event.job.key
        if event.what == "started":
            self.running[key] = Running(job, time.monotonic())
        elif event.what == "progress":
            running = self.running[key]
            if running.first_env_step is None:
                running.first_env_step = event.env_step
                running.started = time.monotonic()
            running.env_step = event.env_step
            running.return_ = event.metrics.get("return", running.return_)
        elif event.what in ("finished", "failed", "lost"):
            gone = self.running.pop(key)
            if event.what == "finished":
                self.finished += 1
                self.steps_done += job.budget_env_steps
                took = duration(time.monotonic() - gone.started)
                self.say(f"[{self.finished}/{self.total}] {job.title}: done in {took}")
            elif event.what == "failed":
                self.failed += 1
                self.say(f"{job.title}: FAILED: {event.message}")
            else:
                self.say(f"{job.title}: {event.message}; it goes on from its last checkpoint")
        if not self.is_live and time.monotonic() - self.last_line >= PLAIN_EVERY_S:
            self.say(self.summary())

    def say(self, text: str) -> None:
        """Prints a line above the bars."""
        self.last_line = time.monotonic()
        self.console.print(escape(text), soft_wrap=True, highlight=False)

    def summary(self) -> str:
        """Returns jobs, env steps, speed and time left, in a line."""
        elapsed = time.monotonic() - self.started
        if not self.plan.env_steps:  # nothing is trained
            return f"{self.finished}/{self.total} jobs, {duration(elapsed)} so far"
        steps = self.steps_done + sum(running.env_step for running in self.running.values())
        rate = (steps - self.steps_before) / max(elapsed, 1e-9)
        left = f"about {duration((self.plan.env_steps - steps) / rate)} left" if rate > 0 else "measuring"
        return (
            f"{self.finished}/{self.total} jobs, {count(steps)} of {count(self.plan.env_steps)} env steps, "
            f"{count(rate)} steps/s, {duration(elapsed)} so far, {left}"
        )

    def render(self) -> RenderableType:
        """Returns the live part of the screen."""
        rows = Table.grid(padding=(0, 2))
        rows.add_column(max_width=52)  # the only one that a narrow screen shortens
        rows.add_column(width=12)
        rows.add_column(justify="right", no_wrap=True)
        rows.add_column(no_wrap=True)
        for running in self.running.values():
            budget = running.job.budget_env_steps
            if budget == 0:
                rows.add_row(
                    Text(running.job.title, no_wrap=True, overflow="ellipsis"), Text("playing"), "", ""
                )
                continue
            shown = "" if running.return_ is None else f"return {running.return_:.2f}"
            speed = f"{count(running.rate)} steps/s" if running.env_step else "starting"
            rows.add_row(
                Text(running.job.title, no_wrap=True, overflow="ellipsis"),
                ProgressBar(total=budget, completed=running.env_step),
                speed,
                shown,
            )
        rows.add_row("", "", "", "")
        total: float = self.plan.env_steps
        done: float = self.steps_done + sum(running.env_step for running in self.running.values())
        if not total:
            total, done = self.total, self.finished
        rows.add_row(Text("all", style="bold"), ProgressBar(total=total, completed=done), "", "")
        return Group(rows, Text(self.summary()))
