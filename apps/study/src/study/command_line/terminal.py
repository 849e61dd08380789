"""What a study shows while it runs: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from study.engines import Event
from study.errors import last_line
from study.estimates.pace import Pace
from study.plan import Job, Plan
from study.words import count, duration

STOPPING = "stopping, saving ..."
PLAIN_EVERY_S = 30.0
PLAIN_FIRST_S = 10.0  # a first line soon, so that nobody thinks that nothing happens


@dataclass
class Running:
    """A job under way.

    Attributes:
        busy_s: What it has trained since this process took it up, evaluations left out.
    """

    job: Job
    since: float
    first_env_step: int | None = None
    env_step: int = 0
    return_: float | None = None
    doing: str = ""
    part: float = 0.0
    busy_s: float = 0.0

    def move(self, event: Event, now: float) -> None:
        """Takes in how far the job has come."""
        if self.first_env_step is None:
            self.first_env_step = event.env_step
        elif self.doing == "":
            self.busy_s += now - self.since
        self.since, self.env_step = now, event.env_step
        self.doing, self.part = event.doing, event.part
        self.return_ = event.metrics.get("return", self.return_)

    @property
    def rate(self) -> float:
        """Env steps a second of training since this process took it up."""
        return (self.env_step - (self.first_env_step or 0)) / max(self.busy_s, 1e-9)


class Terminal:
    """Shows events as they come; use as a context."""

    def __init__(
        self,
        console: Console,
        plan: Plan,
        done: Sequence[Job],
        then_s: float = 0.0,
        elapsed: str = "{} so far",
    ) -> None:
        """Makes a screen for a plan.

        Args:
            console: Where it is shown.
            plan: All jobs of the study.
            done: Those that were finished before.
            then_s: What comes after the last job, in seconds.
            elapsed: How the time since now is told.
        """
        self.console, self.plan = console, plan
        self.finished, self.failed = len(done), 0
        self.total = len(plan.jobs)
        self.steps_done = sum(job.budget_env_steps for job in done)
        self.running: dict[str, Running] = {}
        self.begun: dict[str, float] = {}  # when each running job was taken up
        self.told: set[str] = set()  # why jobs failed
        self.silent = True
        self.stopping = False
        self.over = threading.Event()
        self.elapsed = elapsed
        self.started = self.last_line = time.monotonic()
        finished = {job.key for job in done}
        self.pace = Pace({job.key: job for job in plan.jobs if job.key not in finished}, then_s)
        self.live = Live(console=console, refresh_per_second=4, get_renderable=self.render)
        self.is_live = console.is_terminal and not console.is_dumb_terminal

    def __enter__(self) -> Terminal:
        if self.is_live:
            self.live.start()
        self.over.clear()
        threading.Thread(target=self.look_at_the_clock, daemon=True).start()
        return self

    def look_at_the_clock(self) -> None:
        """Has the pace notice when this process stood still, stopped by a signal."""
        while not self.over.wait(1.0):
            self.pace.at(time.monotonic())

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        if self.is_live:
            self.live.stop()

    def take(self, event: Event) -> None:
        """Shows one event."""
        job, key, now = event.job, event.job.key, time.monotonic()
        if event.what == "started":
            self.running[key] = Running(job, self.pace.at(now))
            self.begun[key] = now
            self.pace.begin(job, now)
        elif event.what == "progress":
            lived = self.pace.at(now)
            self.running.setdefault(key, Running(job, lived)).move(event, lived)
            self.pace.move(job, event.env_step, event.doing, event.part, now)
        elif event.what in ("finished", "failed", "lost"):
            gone = self.running.pop(key, None)
            if event.what == "finished":
                self.pace.finish(job, now)
                self.finished += 1
                self.steps_done += job.budget_env_steps
                took = f" in {duration(now - self.begun.pop(key, now))}" if gone else ""
                self.say(f"[{self.finished}/{self.total}] {job.title}: done{took}")
            elif event.what == "failed":
                self.pace.drop(job)
                self.failed += 1
                self.say(f"{job.title}: FAILED: {self.unsaid(event.message)}")
            else:
                self.pace.drop(job)
                self.say(f"{job.title}: {event.message}; it goes on from its last checkpoint")
        self.tick()

    def unsaid(self, message: str) -> str:
        """Returns why a job failed: a traceback where it is the first that ends so, else its last line."""
        why = last_line(message)
        if why in self.told:
            return why
        self.told.add(why)
        return message

    def tick(self) -> None:
        """Lets plain mode say how things are, now and then."""
        first = PLAIN_FIRST_S if self.silent else PLAIN_EVERY_S
        if not self.is_live and time.monotonic() - self.last_line >= first:
            self.silent = False
            self.say(self.summary())

    def stops(self, why: str = "") -> None:
        """Says that the study saves and ends, before it does."""
        self.stopping = True
        self.say(f"{why}{STOPPING}")

    def say(self, text: str) -> None:
        """Prints a line above the bars."""
        self.last_line = time.monotonic()
        self.console.print(text, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def summary(self, *, speed: bool = True) -> str:
        """Returns jobs, env steps, speed and time left, in a line."""
        now = time.monotonic()
        elapsed = self.elapsed.format(duration(now - self.started))
        left_s = self.pace.left_s(now)
        left = "measuring" if left_s is None else f"about {duration(left_s)} left"
        if self.finished == self.total:
            left = "all have run"
        elif self.stopping:
            left = "stopping, saving"
        if not self.plan.env_steps:  # nothing is trained
            return f"{self.finished}/{self.total} jobs, {elapsed}, {left}"
        steps = self.steps_done + sum(running.env_step for running in self.running.values())
        rate = sum(running.rate for running in self.running.values() if running.busy_s)
        rates = f"{count(rate)} steps/s, " if rate and speed else ""
        return (
            f"{self.finished}/{self.total} jobs, {count(steps)} of {count(self.plan.env_steps)} env steps, "
            f"{rates}{elapsed}, {left}"
        )

    def render(self) -> RenderableType:
        """Returns the live part of the screen."""
        rows = Table.grid(padding=(0, 2))
        rows.add_column(max_width=52)  # the only one that a narrow screen shortens
        rows.add_column(width=12)
        rows.add_column(justify="right", no_wrap=True)
        rows.add_column(no_wrap=True)
        for running in list(self.running.values()):
            budget = running.job.budget_env_steps
            title = Text(running.job.title, no_wrap=True, overflow="ellipsis")
            if budget == 0:
                bar = ProgressBar(total=1.0, completed=running.part, complete_style="cyan")
                rows.add_row(title, bar, "playing", "")
                continue
            shown = "" if running.return_ is None else f"return {running.return_:.2f}"
            if running.doing:
                bar = ProgressBar(total=1.0, completed=running.part, complete_style="cyan")
                speed = running.doing
            else:
                bar = ProgressBar(total=budget, completed=running.env_step)
                speed = f"{count(running.rate)} steps/s" if running.busy_s else "starting"
            rows.add_row(title, bar, speed, shown)
        rows.add_row("", "", "", "")
        total: float = self.plan.env_steps
        done: float = self.steps_done + sum(running.env_step for running in self.running.values())
        if not total:
            total, done = self.total, self.finished
        rows.add_row(Text("all", style="bold"), ProgressBar(total=total, completed=done), "", "")
        return Group(rows, Text(self.summary(speed=False)))  # each bar has its own


@contextmanager
def said_at_once(say: Callable[[], None]) -> Iterator[None]:
    """While open, Ctrl-C and SIGTERM stop the study, and `say` so before anything is saved.

    Python hears of a signal when the main thread is back from a library's code, which may take seconds. So a
    thread listens for it too, and says it where it is the first.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    unsaid = threading.Lock()

    def once() -> None:
        if unsaid.acquire(blocking=False):
            say()

    def stop(number: int, frame: object) -> None:
        signal.signal(number, before[signal.Signals(number)])  # the next one comes through
        once()
        raise KeyboardInterrupt

    def listen() -> None:
        with heard:
            while number := heard.recv(1):
                if number[0] in mine:
                    once()

    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.getsignal(number) for number in usual}
    mine = [number for number, handler in before.items() if handler is usual[number]]
    heard, told = socket.socketpair()
    told.setblocking(False)
    threading.Thread(target=listen, daemon=True).start()
    told_before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    for number in mine:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(told_before)
        told.close()
