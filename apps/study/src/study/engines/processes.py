"""Runs jobs in local worker processes (spawned, one torch thread each).

A worker that dies takes nothing with it: its job goes on from its checkpoint in a fresh worker, a few times.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from study.engines.schedule import Event, RunOptions, Schedule
from study.errors import StudyError
from study.plan import Job

MAX_LOSSES = 3  # times a job may lose its worker before it counts as failed
GUARD_STATUS = 94  # of a worker whose main script starts a study when it is loaded
STOP_WITHIN_S = 60.0  # what running jobs get to write their checkpoints


@dataclass
class Worker:
    """A process, the pipe to it, and the job it has in hand."""

    process: SpawnProcess
    pipe: Connection[Any, Any]
    job: Job | None = None


def run_in_processes(schedule: Schedule, options: RunOptions, workers: int) -> Generator[Event, None, None]:
    """Yields events while up to `workers` processes run the jobs.

    When the generator is closed or Ctrl-C comes, running jobs write a checkpoint and stop.
    """
    context = multiprocessing.get_context("spawn")
    losses: Counter[str] = Counter()
    pool: list[Worker] = []

    def hire() -> Worker:
        ours, theirs = context.Pipe()
        # Not daemonic: a worker's envs may be processes themselves. A closed pipe ends it, whatever happens.
        process = context.Process(target=work, args=(theirs, schedule.store.root, options), daemon=False)
        with one_thread(), interrupts_held():
            process.start()
        theirs.close()
        return Worker(process, ours)

    try:
        while True:
            idle = [worker for worker in pool if worker.job is None]
            while (idle or len(pool) < workers) and (job := schedule.next()) is not None:
                if not idle:
                    pool.append(hire())
                    idle = [pool[-1]]
                worker = idle.pop()
                try:
                    worker.pipe.send(job)
                except ConnectionError:  # it died with nothing in hand
                    worker.process.join()
                    pool.remove(worker)
                    if worker.process.exitcode == GUARD_STATUS:
                        yield Event(what="failed", job=job, message=unguarded(), mendable=True)
                        return
                    schedule.again(job)
                    continue
                worker.job = job
                yield Event(what="started", job=job)
            busy = {worker.pipe: worker for worker in pool if worker.job is not None}
            if not busy:
                return
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                assert worker.job is not None
                try:
                    event = Event(job=worker.job, **worker.pipe.recv())
                except (EOFError, OSError):
                    worker.process.join()
                    pool.remove(worker)
                    losses[worker.job.key] += 1
                    ended = how_it_ended(worker.process.exitcode)
                    if worker.process.exitcode == GUARD_STATUS:
                        yield Event(what="failed", job=worker.job, message=unguarded(), mendable=True)
                        continue
                    if losses[worker.job.key] < MAX_LOSSES:
                        schedule.again(worker.job)
                        yield Event(what="lost", job=worker.job, message=f"its process {ended}")
                    else:
                        schedule.drop_children(worker.job)
                        message = f"its process ended {MAX_LOSSES} times: the last {ended}"
                        yield Event(what="failed", job=worker.job, message=message)
                    continue
                if event.what in ("finished", "failed"):
                    worker.job = None
                if event.what == "failed":
                    schedule.drop_children(event.job)
                yield event
    finally:
        for worker in pool:
            worker.pipe.close()  # which tells the worker to stop
        for worker in pool:
            worker.process.join(STOP_WITHIN_S)
            if worker.process.is_alive():
                worker.process.terminate()


def how_it_ended(code: int | None) -> str:
    """Returns what a process's exit status means, such as "was killed by SIGKILL"."""
    if code is None or code >= 0:
        return f"ended with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    memory = ", as the system does to what takes more memory than there is" if name == "SIGKILL" else ""
    return f"was killed by {name}{memory}"


def refuse_while_spawned() -> None:
    """Ends a worker process that starts a study while it loads the script that started the first one."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.stderr.flush()
        os._exit(GUARD_STATUS)  # quietly: the study that started it says what is wrong


def unguarded() -> str:
    """Returns what is wrong with a script whose workers start a study of their own, and its mend."""
    main = getattr(sys.modules.get("__main__"), "__file__", None) or "the script"
    return (
        f"{main} starts a study wherever it is loaded, and worker processes load it; put the call below "
        f'`if __name__ == "__main__":`, or run the jobs in this process with workers=0'
    )


def work(pipe: Connection[Any, Any], root: Path, options: RunOptions) -> None:
    """Runs the jobs that come through the pipe; a worker's whole life.

    A closed pipe ends it, whether the parent stops or has died: a running job keeps a checkpoint.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes the pipe
    import torch

    from study import plugins
    from study.job import run_job
    from study.store import Store

    torch.set_num_threads(1)
    plugins.load(options.plugins)
    store = Store(root)
    while True:
        try:
            job: Job = pipe.recv()
        except (EOFError, OSError):
            return
        news: dict[str, Any] = {"what": "finished"}
        running = run_job(
            job,
            store,
            device=options.device,
            checkpoint_every_s=options.checkpoint_every_s,
            tell=lambda progress: pipe.send({"what": "progress", **vars(progress)}),
        )
        try:
            with closing(running):
                for progress in running:
                    pipe.send({"what": "progress", **vars(progress)})
        except ConnectionError:
            return
        except StudyError as error:
            news = {"what": "failed", "message": str(error), "mendable": True}
        except Exception:
            news = {"what": "failed", "message": traceback.format_exc()}
        try:
            pipe.send(news)
        except ConnectionError:
            return


@contextmanager
def interrupts_held() -> Iterator[None]:
    """While open, Ctrl-C waits. A process started meanwhile holds it until it is ready to decide about it.

    Without this, Ctrl-C would end a worker that still imports, with a traceback.
    """
    resource_tracker.ensure_running()  # the first start does it, and lets Ctrl-C through from then on
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def one_thread() -> Iterator[None]:
    """While open, child processes start with one thread for every numerical library."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
