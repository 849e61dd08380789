"""Who runs the jobs: this process, or local worker processes. Same jobs, same results."""

from study.engines.in_process import run_in_process
from study.engines.processes import run_in_processes
from study.engines.schedule import Event, Schedule

__all__ = ["Event", "Schedule", "run_in_process", "run_in_processes"]
