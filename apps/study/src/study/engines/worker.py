"""What a worker does, here or in any process that sees the folder: it takes jobs until none is left."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from study.engines.schedule import Event, RunOptions, Schedule
from study.errors import StudyError, no_room, refused
from study.folder.job_record import short
from study.folder.lease import identity
from study.folder.under_way import Failure, UnderWay
from study.jobs.evaluation import Stopped
from study.jobs.job import Progress, run_job
from study.machine.limits import give_back_memory
from study.machine.needs import Needs, promised
from study.plan import Job
from study.plugins import in_a_sentence

POLL_S = 0.2  # between two looks while others have what is left in hand
POLL_AT_MOST_S = 2.0
TELL_EVERY_S = 0.3
GIVE_BACK_EVERY_S = 10.0  # looking for circles takes a tenth of a second
NOTHING = Needs()
ALONE = 5  # looks at which nobody has a job in hand: between two jobs a worker has none either


def never() -> bool:
    """Returns False."""
    return False


def unheard(event: Event) -> None:
    """Hears of what happens within an evaluation, and keeps it to itself."""


def take_jobs(
    schedule: Schedule,
    options: RunOptions,
    stopping: Callable[[], bool] = never,
    replaced: Callable[[], bool] = never,
    hear: Callable[[Event], None] = unheard,
) -> Generator[Event, None, None]:
    """Yields what happens while this process takes jobs, one after the other, until none is left to take.

    Jobs that others have in hand are waited for: their workers may die. Once `stopping` holds, or when the
    generator is closed, the job in hand keeps a checkpoint and is handed over, an evaluation at once. Once
    the plan is `replaced`, the job in hand is finished, and no other one begun. `hear` is given the events
    that come while an agent is evaluated, when none can be yielded. Jobs that need more than this worker has
    are left to others; when nothing else is left and nobody has any in hand, it returns. What it has taken
    and nobody has finished waits in the schedule again.
    """
    store, under_way = schedule.store, UnderWay(schedule.store.root, options.max_losses)
    held: list[Job] = []
    too_large, alone = 0, 0
    theirs: int | None = None  # bytes that neighbours have yet to take: looked up once a round
    pause, gave_back = POLL_S, time.monotonic()
    while not (stopping() or under_way.stopped or replaced()):
        job = schedule.next()
        if job is None:
            failures = under_way.failures()
            for parent in schedule.parents:
                if short(parent.key) in failures:
                    schedule.drop_children(parent)
            held = [other for other in held if not store.done(other) and short(other.key) not in failures]
            if not held and not schedule.parents:
                return
            alone = 0 if held or under_way.held() else alone + 1
            if too_large and alone >= ALONE:
                return  # none of those that are left, or wait for one of them, is for this worker
            time.sleep(pause)
            pause = min(pause * 1.3, POLL_AT_MOST_S)
            for other in held:
                schedule.again(other)
            held, theirs = [], None
            continue
        if short(job.key) in under_way.failures():
            schedule.drop_children(job)
            continue
        needs = options.needs.get(job.kind, NOTHING)
        if not needs.fit(options.has, options.device):
            too_large += 1
            continue
        if theirs is None and needs.memory:
            theirs = promised(needs_here(schedule, options, under_way))
        lease = under_way.take(job.key) if needs.fit_now(theirs or 0) else None
        if lease is None:
            held.append(job)
            continue
        pause, theirs = POLL_S, None
        lost = lease.lost
        try:
            if not store.done(job):
                with store.holding(job):
                    yield from run_one(job, schedule, options, under_way, stopping, lost, hear)
        finally:
            lease.release()
        if not store.done(job) and short(job.key) not in under_way.failures():
            schedule.again(job)  # handed over: to another, or to whoever runs the study again
        if time.monotonic() - gave_back >= GIVE_BACK_EVERY_S:
            give_back_memory()
            gave_back = time.monotonic()
    for other in held:
        schedule.again(other)


def needs_here(schedule: Schedule, options: RunOptions, under_way: UnderWay) -> dict[int, Needs]:
    """Returns what the jobs need that this machine's other processes have in hand, by process id."""
    mine, found = identity(), {}
    kinds = {short(job.key): job.kind for job in schedule.jobs}
    for key, holder in under_way.held().items():
        if holder.get("place") == mine["place"] and holder.get("pid") != mine["pid"]:
            found[int(holder["pid"])] = options.needs.get(kinds.get(key, ""), NOTHING)
    return found


def run_one(
    job: Job,
    schedule: Schedule,
    options: RunOptions,
    under_way: UnderWay,
    stopping: Callable[[], bool],
    lost: threading.Event,
    hear: Callable[[Event], None],
) -> Generator[Event, None, None]:
    """Yields what happens to a job whose lease this process has; a failure is recorded for all to see."""
    last, doing = 0.0, ""

    def tell(progress: Progress) -> bool:
        nonlocal last, doing
        now = time.monotonic()
        if now - last < TELL_EVERY_S and progress.doing == doing:
            return False
        last, doing = now, progress.doing
        under_way.tell(job.key, vars(progress))
        return True

    def told(progress: Progress) -> None:
        seen = tell(progress)
        if seen:
            hear(Event(what="progress", job=job, **vars(progress)))
        if stopping() or lost.is_set() or (seen and under_way.stopped):
            raise Stopped

    yield Event(what="started", job=job)
    store = schedule.store
    how: dict[str, Any] = {"device": options.device, "checkpoint_every_s": options.checkpoint_every_s}
    failure: Failure | None = None
    with under_way.attempt(job.key):
        try:
            with closing(run_job(job, store, tell=told, **how)) as running:
                for progress in running:
                    tell(progress)
                    yield Event(what="progress", job=job, **vars(progress))
                    if stopping() or under_way.stopped or lost.is_set():
                        return
        except Stopped:
            return
        except StudyError as error:
            failure = Failure(message=str(error), mendable=True)
        except (Exception, SystemExit) as error:
            full = no_room(error)
            trace = "" if refused(error) else traceback.format_exc()
            failure = Failure(message=full or f"{trace}{in_a_sentence(error)}", mendable=bool(full))
    if failure is None or store.done(job):  # whoever else had it filed it, and cleared what it left here
        yield Event(what="finished", job=job)
        return
    schedule.drop_children(job)
    under_way.fail(job.key, failure)
    yield Event(what="failed", job=job, message=failure.message, mendable=failure.mendable)
