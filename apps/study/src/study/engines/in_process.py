"""Runs jobs one after the other in this process: for debugging, tests and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Generator

import torch

from study.engines.schedule import Event, RunOptions, Schedule
from study.engines.worker import take_jobs, unheard
from study.folder.under_way import UnderWay


def run_in_process(
    schedule: Schedule, options: RunOptions, hear: Callable[[Event], None] = unheard
) -> Generator[Event, None, None]:
    """Yields events while the jobs run. Closing the iterator keeps a checkpoint of the running one.

    `hear` is given the events that come while an agent is evaluated, when none can be yielded.
    One torch thread, as in every worker: sums over two threads differ in their last bits.
    """
    UnderWay(schedule.store.root).forget()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from take_jobs(schedule, options, hear=hear)
    finally:
        torch.set_num_threads(threads)
