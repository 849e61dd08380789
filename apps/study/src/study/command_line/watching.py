"""What can be done with a study's folder from another terminal: see how far it is, read its page, stop it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import tyro

from study.errors import StudyError, in_one_line, last_line
from study.folder.under_way import UnderWay

LATE_S = 60.0  # after which a file that another machine wrote is there, or missing
LOOK_EVERY_S = 0.5
STOPPED = "stopped; the study's own command goes on from here"

Folder = Annotated[Path, tyro.conf.arg(metavar="FOLDER")]


def status(folder: tyro.conf.Positional[Folder], /, *, plain: bool = False) -> int:
    """Show how far the study in FOLDER is and who works on it; live on a terminal, once with --plain.

    Args:
        folder: The study's output folder.
        plain: Plain lines, once.
    """
    from rich.console import Console

    from study.command_line.terminal import Terminal
    from study.engines.watch import Watch
    from study.folder.plan_file import read_plan
    from study.folder.store import Store
    from study.plan import Plan

    jobs = read_plan(folder).jobs
    store, under_way = Store(folder), UnderWay(folder)
    console = Console(highlight=False, markup=False, emoji=False, force_terminal=False if plain else None)
    watch = Watch(jobs, store, under_way)
    done = [job for job in jobs if store.done(job)]
    terminal = Terminal(console, Plan(jobs=jobs, folds={}), done, elapsed="watched for {}")
    if not terminal.is_live:
        for line in describe(jobs, watch, under_way):
            console.print(line, soft_wrap=True)
        return 0
    with until_interrupted(), terminal:
        while watch.left and not (under_way.stopped and not watch.running):
            for event in watch.look():
                terminal.take(event)
            time.sleep(LOOK_EVERY_S)
    console.print(terminal.summary())
    if under_way.stopped:
        console.print(STOPPED)
    return 0


@contextmanager
def until_interrupted() -> Iterator[None]:
    """While open, Ctrl-C ends the watching and says so: the study itself goes on.

    Raises:
        KeyboardInterrupt: With these words.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("no longer watching; the study itself was left as it was") from None


def describe(jobs: Sequence[Any], watch: Any, under_way: UnderWay) -> list[str]:
    """Returns a study's state in lines: counts, then who works on what, then what failed."""
    failed = {event.job.key: event for event in watch.look() if event.what == "failed"}
    held, waiting = under_way.held(), len(watch.left) - len(watch.running)
    finished = len(watch.store.finished() & {job.key[:16] for job in jobs})
    lines = [f"{finished} of {len(jobs)} jobs finished, {len(watch.running)} running, {waiting} waiting"]
    if failed:
        lines[0] += f", {len(failed)} failed"
    if without := len(jobs) - finished - len(watch.left) - len(failed):
        lines[0] += f", {without} cannot run without what failed"
    for key in watch.running:
        job, told = watch.left[key], under_way.told(key)
        note = told[0] if told else {"env_step": 0, "doing": "starting"}
        doing = note.get("doing") or f"{note['env_step']:,} of {job.budget_env_steps:,} env steps"
        who = held.get(key, {})
        lines.append(f"  {job.title}: {doing}, on {who.get('host', '?')} process {who.get('pid', '?')}")
    lines += [f"  {event.job.title} FAILED: {last_line(event.message)}" for event in failed.values()]
    if under_way.stopped:
        lines.append(f"  {STOPPED}")
    return lines


def stop(folder: tyro.conf.Positional[Folder], /) -> int:
    """Have all workers of the study in FOLDER, wherever they run, write a checkpoint and end.

    Args:
        folder: The study's output folder.
    """
    from study.folder.plan_file import read_plan
    from study.folder.store import Store

    jobs, store = read_plan(folder).jobs, Store(folder)
    if all(store.done(job) for job in jobs):
        print("all jobs have run; there is nothing to stop")
        return 0
    UnderWay(folder).stop()
    print("workers save and stop; the study's own command goes on from here")
    return 0


def report(
    folder: tyro.conf.Positional[Folder],
    /,
    *,
    watch: bool = False,
    every_s: Annotated[float, tyro.conf.arg(metavar="SECONDS")] = 30.0,
    plugin: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODULE|FILE ...")] = (),
) -> int:
    """Write the page of what is finished of the study in FOLDER; nothing is decided on a part.

    Args:
        folder: The study's output folder.
        watch: Write it anew whenever more is finished, until all is.
        every_s: Time between two looks of --watch.
        plugin: Plug-ins that the study uses.
    """
    from study import plugins
    from study.folder.plan_file import read_plan
    from study.folder.store import Store
    from study.results.so_far import write_so_far

    if not 0 < every_s < math.inf:
        raise StudyError(f"--every-s {every_s} is no time between two looks; give seconds, more than 0")
    plugins.load(plugin)
    store, before = Store(folder), -1
    with until_interrupted():
        while True:
            jobs = read_plan(folder).jobs
            if (now := sum(map(store.done, jobs))) != before:
                before = now
                try:
                    page, done, total = write_so_far(folder, LATE_S)
                    print(f"{done} of {total} jobs finished: {page}", flush=True)
                except StudyError as error:
                    if not watch:
                        raise
                    print(in_one_line(error), flush=True)
            if not watch:
                return 0
            if why := over(jobs, store, UnderWay(folder)):
                print(why)
                return 0
            time.sleep(every_s)


def over(jobs: Sequence[Any], store: Any, under_way: UnderWay) -> str:
    """Returns why no more is going to be finished, in words; empty as long as more may be."""
    from study.engines.watch import Watch

    watch = Watch(jobs, store, under_way)
    failed = [event.job.title for event in watch.look() if event.what == "failed"]
    if not watch.left:
        return "\n".join(f"{title} FAILED" for title in failed) or "all have run"
    return STOPPED if under_way.stopped and not watch.running else ""
