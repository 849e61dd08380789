"""Runs jobs one after the other in this process: for debugging, tests and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Generator

import torch

from study.engines.schedule import Event, RunOptions, Schedule
from study.engines.worker import take_jobs, unheard
from study.folder.under_way import UnderWay


def run_in_process(
    schedule: Schedule,
    options: RunOptions,
    hear: Callable[[Event], None] = unheard,
    asked: Callable[[], None] | None = None,
) -> Generator[Event, None, None]:
    """Yields events while the jobs run. Closing the iterator keeps a checkpoint of the running one.

    `hear` is given the events that come while an agent is evaluated, when none can be yielded. `asked` is
    called where it ends because of `study stop`.
    One torch thread, as in every worker: sums over two threads differ in their last bits.

    Raises:
        KeyboardInterrupt: `study stop` was called.
    """
    under_way = UnderWay(schedule.store.root)
    under_way.forget()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from take_jobs(schedule, options, hear=hear)
        if under_way.stopped and schedule.waiting:
            if asked is not None:
                asked()
            raise KeyboardInterrupt
    finally:
        torch.set_num_threads(threads)
