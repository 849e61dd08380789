"""Runs what is missing of a plan, here or by workers, and shows and tracks what happens."""

from __future__ import annotations

import shlex
from contextlib import closing
from functools import partial

from rich.console import Console

from study.command_line.terminal import Terminal, said_at_once
from study.engines import Event, run_in_process, run_in_processes
from study.engines.schedule import RunOptions, Schedule
from study.errors import StudyError, last_line
from study.estimates.pace import examples, report_s
from study.folder.store import Store
from study.plan import Plan
from study.registry import registered
from study.tracking import sink as tracking
from study.words import plural


def run_jobs(
    console: Console,
    plan: Plan,
    store: Store,
    tracker: tracking.Tracker | None,
    options: RunOptions,
    workers: int,
) -> None:
    """Runs what is missing of the plan.

    Raises:
        StudyError: A job failed; at once if a user can mend it, else after all others have run.
    """
    done = [job for job in plan.jobs if store.done(job)]
    if done:
        console.print(f"{len(done)} of {len(plan.jobs)} jobs are finished from before")
    store.check(done)  # now, not when the tables are made
    schedule = Schedule(plan.jobs, store)
    store.check_weights(schedule.waiting)  # of all at once
    elsewhere = started_elsewhere(options)
    if schedule.waiting and not workers and elsewhere:
        console.print(
            f"waiting for workers: `study work {shlex.quote(str(store.root))}`, wherever it is seen",
            soft_wrap=True,
        )
    terminal = Terminal(console, plan, done, report_s(len(plan.jobs)))
    for job in examples(done):
        costs = store.note(job, "costs")
        terminal.pace.took(job, costs["wall_s"], costs["evaluation_s"])
    asked = partial(terminal.stops, "`study stop` was called: ")
    if workers or elsewhere:
        events = run_in_processes(schedule, options, workers, asked)
    else:
        events = run_in_process(schedule, options, terminal.take, asked)
    failed: list[Event] = []
    with terminal, said_at_once(terminal.stops), closing(events):
        for event in events:
            terminal.take(event)
            if tracker is not None:
                tracker.take(event)
            if event.what == "failed":
                failed.append(event)
            if event.what == "failed" and event.mendable:
                raise StudyError(event.message)
    if failed:
        raise StudyError(
            f"{plural(len(failed), 'job')} failed, the first with: "
            f"{last_line(failed[0].message)}; the others are kept, and the same command tries the failed "
            f"ones again"
        )


def started_elsewhere(options: RunOptions) -> bool:
    """Returns whether the engine starts no workers: they come by `study work FOLDER`."""
    return registered().launchers[options.engine].start is None


def who_runs(options: RunOptions, workers: int) -> str:
    """Returns who will run a study's jobs, in words."""
    if workers:
        return plural(workers, "worker")
    return "workers started elsewhere" if started_elsewhere(options) else "this process"
