"""Runs what is missing of a plan, here or by workers, and shows and tracks what happens."""

from __future__ import annotations

import shlex
from contextlib import closing

from rich.console import Console

from study import tracking
from study.engines import Event, run_in_process, run_in_processes
from study.engines.schedule import RunOptions, Schedule
from study.errors import StudyError
from study.pace import examples, report_s
from study.plan import Plan
from study.registry import registered
from study.store import Store
from study.terminal import Terminal, said_at_once


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
    elsewhere = registered().launchers[options.engine].start is None
    if schedule.waiting and not workers and elsewhere:
        console.print(
            f"waiting for workers: `study work {shlex.quote(str(store.root))}`, wherever it is seen",
            soft_wrap=True,
        )
    terminal = Terminal(console, plan, done, report_s(len(plan.jobs)))
    for job in examples(done):
        costs = store.note(job, "costs")
        terminal.pace.took(job, costs["wall_s"], costs["evaluation_s"])
    if workers or elsewhere:
        events = run_in_processes(schedule, options, workers)
    else:
        events = run_in_process(schedule, options, terminal.take)
    failed: list[Event] = []
    with terminal, said_at_once(terminal), closing(events):
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
            f"{len(failed)} jobs failed, the first with: {failed[0].message.strip().splitlines()[-1]}; "
            f"the others are kept, and the same command tries the failed ones again"
        )
