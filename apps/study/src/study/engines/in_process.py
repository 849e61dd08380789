"""Runs jobs one after the other in this process: for debugging, tests and notebooks."""

from __future__ import annotations

import traceback
from collections.abc import Generator

import torch

from study.engines.schedule import Event, RunOptions, Schedule
from study.errors import StudyError
from study.job import run_job


def run_in_process(schedule: Schedule, options: RunOptions) -> Generator[Event, None, None]:
    """Yields events while the jobs run. Closing the iterator keeps a checkpoint of the running one.

    One torch thread, as in every worker: sums over two threads differ in their last bits.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        while (job := schedule.next()) is not None:
            yield Event(what="started", job=job)
            running = run_job(
                job, schedule.store, device=options.device, checkpoint_every_s=options.checkpoint_every_s
            )
            try:
                for progress in running:
                    yield Event(what="progress", job=job, **vars(progress))
            except StudyError as error:
                schedule.drop_children(job)
                yield Event(what="failed", job=job, message=str(error), mendable=True)
                continue
            except Exception:
                schedule.drop_children(job)
                yield Event(what="failed", job=job, message=traceback.format_exc())
                continue
            finally:
                running.close()
            yield Event(what="finished", job=job)
    finally:
        torch.set_num_threads(threads)
