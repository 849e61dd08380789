"""Runs jobs in local worker processes (spawned, one torch thread each) over the study's folder.

A worker that dies takes nothing with it: its job goes on from its checkpoint in another, a few times.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from study.engines.schedule import Event, RunOptions, Schedule
from study.engines.watch import Watch
from study.errors import StudyError, said_of
from study.folder.plan_file import read_plan, stamp
from study.folder.under_way import UnderWay
from study.machine.limits import one_thread
from study.registry import Workers, registered

GUARD_STATUS = 94  # of a worker whose main script starts a study when it is loaded
STOP_WITHIN_S = 60.0  # what running jobs get to write their checkpoints
LOOK_EVERY_S = 0.2
MAX_IDLE_DEATHS = 10  # of workers that had no job yet, before there must be something wrong


@dataclass
class Worker:
    """A process and the pipe whose closing tells it to stop."""

    process: SpawnProcess
    pipe: Connection[Any, Any]
    device: str


class Processes:
    """Starts, watches and stops local workers on a study's folder."""

    def __init__(self, root: Path, options: RunOptions) -> None:
        self.root, self.options = root, options
        self.pool: list[Worker] = []

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self.pool)

    def submit(self) -> None:
        """Starts one more worker."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        # Not daemonic: a worker's envs may be processes themselves. A closed pipe ends it, whatever happens.
        device = least_used(self.options.devices or (self.options.device,), [w.device for w in self.pool])
        options = replace(self.options, device=device)
        process = context.Process(target=work_here, args=(theirs, self.root, options), daemon=False)
        with one_thread(), interrupts_held():
            process.start()
        theirs.close()
        self.pool.append(Worker(process, ours, device))

    def poll(self, timeout_s: float) -> list[tuple[int, int]]:
        """Waits a moment; returns process id and exit status of the workers that have ended.

        Raises:
            StudyError: One of them met what a user must mend, as a full disk; in its words.
        """
        # By its sentinel: who embeds a study may reap all children, and then no exit status is left to see.
        ready = wait([worker.process.sentinel for worker in self.pool], timeout_s)
        ended = [worker for worker in self.pool if worker.process.sentinel in ready]
        self.pool = [worker for worker in self.pool if worker not in ended]
        said = [words for worker in ended if (words := last_words(worker.pipe))]
        for worker in ended:
            worker.process.join(1.0)
            worker.pipe.close()
        if said:
            raise StudyError(said[0])
        return [(worker.process.pid or 0, worker.process.exitcode or 0) for worker in ended]

    def stop(self) -> None:
        """Has all workers write their checkpoints and end."""
        for worker in self.pool:
            worker.pipe.close()
        for worker in self.pool:
            worker.process.join(STOP_WITHIN_S)
            if worker.process.is_alive():
                worker.process.terminate()
                worker.process.join(1.0)
                if worker.process.is_alive():
                    worker.process.kill()
                    worker.process.join()
            UnderWay(self.root).free(worker.process.pid or 0)
        self.pool = []


def run_in_processes(
    schedule: Schedule, options: RunOptions, workers: int, asked: Callable[[], None] | None = None
) -> Generator[Event, None, None]:
    """Yields events while up to `workers` processes run the jobs; with none, workers elsewhere do.

    The plan that they take the jobs from lies in the folder already.
    When the generator is closed or Ctrl-C comes, local workers write checkpoints and stop. `asked` is called
    before they do because of `study stop`.

    Raises:
        StudyError: Workers cannot be started here, or the folder is gone or takes no more.
        KeyboardInterrupt: `study stop` was called.
    """
    store = schedule.store
    under_way = UnderWay(store.root, options.max_losses)
    under_way.forget()
    watch = Watch(schedule.jobs, store, under_way)
    start = registered().launchers[options.engine].start
    launcher: Workers = start(store.root, options) if start is not None else Processes(store.root, options)
    idle_deaths = 0
    try:
        while True:
            ended: dict[str, str] = {}
            for pid, status in launcher.poll(LOOK_EVERY_S):
                had = under_way.free(pid)
                ended |= dict.fromkeys(had, how_it_ended(status))
                if status == GUARD_STATUS:
                    raise StudyError(unguarded())
                idle_deaths += status != 0 and not had
                if idle_deaths >= MAX_IDLE_DEATHS:
                    raise StudyError(
                        f"worker processes end before they take a job: the last {how_it_ended(status)}; "
                        f"--workers 0 runs the jobs in this process and shows why"
                    )
            yield from watch.look(ended)
            store.check_there()
            if not watch.left:
                return
            if under_way.stopped:
                if asked is not None:
                    asked()
                raise KeyboardInterrupt
            while launcher.size < min(workers, len(watch.left), getattr(launcher, "room", workers)):
                if isinstance(launcher, BySize):
                    launcher.left = Counter(job.kind for job in watch.left.values())
                launcher.submit()
    finally:
        launcher.stop()


@runtime_checkable
class BySize(Protocol):
    """A launcher whose workers are of the sizes that the jobs ask for."""

    left: Counter[str]  # jobs by kind


def last_words(pipe: Connection[Any, Any]) -> str:
    """Returns the sentence with which a worker ended; empty of one that said none."""
    with suppress(EOFError, OSError):
        return str(pipe.recv()) if pipe.poll() else ""
    return ""


def least_used(devices: Sequence[str], used: Sequence[str]) -> str:
    """Returns the device that the fewest workers have; the first of several."""
    return min(devices, key=lambda device: used.count(device))


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


def work_here(pipe: Connection[Any, Any], root: Path, options: RunOptions) -> None:
    """A local worker's whole life. A closed pipe ends it, whether the driver stops or has died.

    What a user must mend goes to the driver as a sentence: on a full disk no note of it could be left.
    """
    stop = threading.Event()

    def wait_for_the_driver() -> None:
        try:
            pipe.recv()
        except (EOFError, OSError):
            stop.set()

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which closes the pipe
    threading.Thread(target=wait_for_the_driver, daemon=True).start()
    try:
        work(root, options, stop)
    except Exception as error:
        if not (said := said_of(error)):
            raise
        with suppress(OSError):
            pipe.send(said)
        sys.exit(2)


def work(
    root: Path,
    options: RunOptions,
    stop: threading.Event,
    say: Callable[[str], None] = lambda text: None,
    patience_s: float = 0.0,
) -> int:
    """Takes jobs of the plan in a folder until none is left or `stop` is set; returns how many it finished.

    A plan that is replaced meanwhile, because the study was extended, is taken up after the job in hand.
    SIGTERM and USR1, which batch systems send before they end a process, set it too: the job in hand keeps a
    checkpoint and is handed over.
    """
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: stop.set())
    import torch

    from study import plugins
    from study.engines.worker import take_jobs
    from study.folder.store import Store
    from study.machine.devices import choose_device

    options = replace(options, device=choose_device(options.device))  # of the machine that this runs on
    torch.set_num_threads(1)
    plugins.load(options.plugins)
    store, finished = Store(root, patience_s), 0
    seen: tuple[int, int, int] | None = None

    def replaced() -> bool:
        return stamp(root) != seen

    while replaced() and not stop.is_set():
        seen = stamp(root)  # before it is read: what is written in between is read next
        plan = read_plan(root)
        for job in plan.jobs:
            plugins.check_known(job)
        options = replace(options, needs=plan.needs)
        for event in take_jobs(Schedule(plan.jobs, store), options, stop.is_set, replaced):
            finished += event.what == "finished"
            if event.what != "progress":
                say(f"{event.job.title}: {event.what} {event.message}".rstrip())
    return finished


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
