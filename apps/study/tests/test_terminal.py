from __future__ import annotations

import io
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from study.command_line import terminal as shown
from study.command_line.announcements import announce
from study.command_line.terminal import Terminal, said_at_once
from study.config import Settings, StudyConfig
from study.engines import Event
from study.plan import Job, Plan, make_plan
from study.words import count, duration


@pytest.fixture
def plan(small: StudyConfig) -> Plan:
    return make_plan(replace(small, train_sizes=(4, 8), held_out=(84, 87)))


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shown.time, "monotonic", clock.monotonic)
    return clock


def console(width: int, *, terminal: bool) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        height=40,
        force_terminal=terminal,
        color_system=None,
        highlight=False,
    )


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (360_000, "100 h 0 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (949.6, "950"),
        (999.7, "1k"),
        (12_345, "12.3k"),
        (999_960, "1M"),
        (1_500_000, "1.5M"),
        (1_700_000_000, "1.7G"),
    ],
)
def test_counts(number: float, words: str) -> None:
    assert count(number) == words


def job(plan: Plan, kind: str) -> Job:
    return next(job for job in plan.jobs if job.kind == kind)


def test_plain_lines_tell_what_happened_once(plan: Plan, clock: Clock) -> None:
    screen = console(80, terminal=False)
    pretrain, adapt, baseline = job(plan, "pretrain"), job(plan, "adapt"), job(plan, "baseline")
    total = len(plan.jobs)
    with Terminal(screen, plan, done=[baseline]) as terminal:
        terminal.take(Event(what="started", job=pretrain))
        clock.now += 10
        terminal.take(Event(what="progress", job=pretrain, env_step=384, metrics={"return": 0.5}))
        first, *rest = text(screen).splitlines()
        assert (first, rest) == (f"1/{total} jobs, 384 of 4.61k env steps, 10 s so far, measuring", [])
        clock.now += 25
        terminal.take(Event(what="progress", job=pretrain, env_step=512))
        assert len(text(screen).splitlines()) == 1  # not yet again
        clock.now += 5
        terminal.take(Event(what="progress", job=pretrain, env_step=576))
        summary = text(screen).splitlines()[-1]
        assert summary.startswith(f"1/{total} jobs, 576 of 4.61k env steps, 6 steps/s, 40 s so far, about ")
        terminal.take(Event(what="lost", job=pretrain, message="its process ended with status -9"))
        terminal.take(Event(what="started", job=pretrain))
        clock.now += 65
        terminal.take(Event(what="finished", job=pretrain))
        terminal.take(Event(what="started", job=adapt))
        terminal.take(Event(what="failed", job=adapt, message="[bold]boom[/]: no space"))
    lines = text(screen).splitlines()[2:]
    assert lines[0].endswith("its process ended with status -9; it goes on from its last checkpoint")
    assert lines[1] == f"[2/{total}] {pretrain.title}: done in 1 min 5 s"
    assert (
        lines[-1] == f"{adapt.title}: FAILED: [bold]boom[/]: no space"
    )  # as it came, no markup read into it
    assert terminal.finished == 2
    assert terminal.failed == 1


def test_the_rate_is_that_of_training_alone(plan: Plan, clock: Clock) -> None:
    terminal = Terminal(console(80, terminal=False), plan, [])
    baseline, adapt = job(plan, "baseline"), job(plan, "adapt")
    terminal.take(Event(what="started", job=baseline))
    clock.now += 100  # a minute and more in which nothing is trained
    terminal.take(Event(what="finished", job=baseline))
    terminal.take(Event(what="started", job=adapt))
    clock.now += 3
    terminal.take(Event(what="progress", job=adapt, env_step=32))
    clock.now += 2
    terminal.take(Event(what="progress", job=adapt, env_step=232))
    terminal.take(Event(what="progress", job=adapt, env_step=232, doing="evaluating"))
    clock.now += 50
    assert "100 steps/s" in terminal.summary()  # 200 env steps in 2 seconds
    with terminal.console.capture() as capture:
        terminal.console.print(terminal.render())
    assert "evaluating" in capture.get()
    terminal.take(Event(what="progress", job=adapt, env_step=232, doing="evaluating", part=0.5))
    with terminal.console.capture() as half:
        terminal.console.print(terminal.render())
    assert half.get() != capture.get()  # the bar has moved


def test_time_left_is_what_jobs_of_each_kind_have_taken(plan: Plan, clock: Clock) -> None:
    pretrainings = [j for j in plan.jobs if j.kind == "pretrain"]
    scratch, *others = [j for j in plan.jobs if j.method == "scratch"]
    rest = [j for j in plan.jobs if j.kind == "adapt" and j.method != "scratch"]
    kept = {scratch, *others, *pretrainings}
    small = Plan(jobs=tuple(j for j in plan.jobs if j in kept), folds={})
    terminal = Terminal(console(80, terminal=False), small, pretrainings)  # 1536 env steps, long ago
    assert "measuring" in terminal.summary()
    each = [
        (0, "evaluating", 1.0),
        (256, "evaluating", 0.0),
        (256, "evaluating", 1.0),
        (512, "evaluating", 0.0),
    ]
    assert scratch.spec["at"] == [0, 256, 512]
    terminal.take(Event(what="started", job=scratch))
    for step, doing, part in each:  # 12 s to train 256 steps, 12 s to play once
        clock.now += 12
        terminal.take(Event(what="progress", job=scratch, env_step=step, doing=doing, part=part))
    clock.now += 12
    terminal.take(Event(what="finished", job=scratch))
    assert len(others) == 1
    terminal.take(Event(what="started", job=others[0]))
    assert terminal.summary().endswith("about 1 min 0 s left")
    for step, doing, part in each[:2]:
        clock.now += 12
        terminal.take(Event(what="progress", job=others[0], env_step=step, doing=doing, part=part))
    assert terminal.summary().endswith("about 36 s left")
    terminal.take(Event(what="finished", job=others[0]))
    assert terminal.summary().endswith("so far, all have run")
    assert rest  # of methods that this plan lacks


def test_time_left_follows_a_machine_that_slows_down(plan: Plan, clock: Clock) -> None:
    scratch = [j for j in plan.jobs if j.method == "scratch"]
    terminal = Terminal(console(80, terminal=False), Plan(jobs=tuple(scratch), folds={}), [])
    terminal.take(Event(what="started", job=scratch[0]))
    for step in range(1, 65):
        clock.now += 1
        terminal.take(Event(what="progress", job=scratch[0], env_step=8 * step))
    terminal.take(Event(what="finished", job=scratch[0]))
    terminal.take(Event(what="started", job=scratch[1]))
    for step in range(1, 33):  # four times slower, for two minutes
        clock.now += 4
        terminal.take(Event(what="progress", job=scratch[1], env_step=8 * step))
    left = terminal.pace.left_s(clock.now)
    assert left == pytest.approx(4 * 32, rel=0.1)


@pytest.mark.parametrize("width", [80, 120])
def test_live_bars_fit_the_screen(plan: Plan, clock: Clock, width: int) -> None:
    screen = console(width, terminal=True)
    terminal = Terminal(screen, plan, done=[])
    assert terminal.is_live
    for each in (job(plan, "baseline"), job(plan, "pretrain"), *[j for j in plan.jobs if j.kind == "adapt"]):
        terminal.take(Event(what="started", job=each))
        clock.now += 1
    for each in plan.jobs:
        if each.kind != "baseline" and each.key in terminal.running:
            terminal.take(Event(what="progress", job=each, env_step=64, metrics={"return": -12.345}))
            clock.now += 1
            terminal.take(Event(what="progress", job=each, env_step=128, metrics={"return": -12.345}))
    with screen.capture() as capture:
        screen.print(terminal.render())
    lines = capture.get().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    assert len(lines) <= len(terminal.running) + 3  # a line a job, nothing folded
    body = "\n".join(lines)
    assert "pretrain multitask@4 seed 0" in body
    assert "playing" in body
    assert "return -12.35" in body
    assert "steps/s" in body
    assert f"0/{len(plan.jobs)} jobs" in body
    assert " left" in body
    terminal.stopping = True
    assert terminal.summary().endswith("stopping, saving")


def test_a_study_too_tall_for_the_screen_does_not_fail(plan: Plan, clock: Clock) -> None:
    screen = console(80, terminal=True)
    with Terminal(screen, plan, done=[]) as terminal:
        for each in plan.jobs:
            terminal.take(Event(what="started", job=each))
        for each in plan.jobs:
            terminal.take(Event(what="finished", job=each))
    assert f"[{len(plan.jobs)}/{len(plan.jobs)}]" in text(screen)


def test_a_dumb_terminal_gets_plain_lines(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not Terminal(console(80, terminal=True), plan, done=[]).is_live


def test_ctrl_c_is_said_while_the_main_thread_cannot_hear_of_it() -> None:
    masked, told = threading.Event(), threading.Event()
    who: list[threading.Thread] = []

    def say() -> None:
        who.append(threading.current_thread())
        told.set()

    def interrupt() -> None:
        masked.wait()
        os.kill(os.getpid(), signal.SIGINT)

    def busy() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        masked.set()
        told.wait(60)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt, daemon=True).start()  # it takes the signal, which the main one lets by
    try:
        with pytest.raises(KeyboardInterrupt), said_at_once(say):
            busy()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
    assert len(who) == 1
    assert who[0] is not threading.main_thread()


@pytest.mark.parametrize(
    ("given", "said"), [({}, "4 trials a lifetime"), ({"trials": 1}, "1 trial a lifetime")], ids=["", "one"]
)
def test_the_trials_of_a_lifetime_are_said_where_they_are_the_default_too(
    small: StudyConfig, given: dict[str, Any], said: str
) -> None:
    recurrent = Settings(learner={"recurrent": True}, config=given)
    config = replace(small, methods=("rl2",), settings={"rl2": recurrent})
    out = Console(file=io.StringIO(), width=100)
    announce(out, config, make_plan(config), Path("out"), "cpu", "1 worker")
    assert f"  RL²: {said}\n" in out.file.getvalue()  # type: ignore[attr-defined]
