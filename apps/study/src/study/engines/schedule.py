"""Which job comes next: a child waits for its parent, and nothing waits for a child of a failed job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from study.plan import Job
from study.store import Store


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened to a job.

    Attributes:
        what: "started", "progress", "finished", "failed", or "lost": its worker died and it will go on.
        env_step: Where a running job is.
        metrics: Latest numbers of a running job.
        doing: What a running job does if it does not train: "evaluating".
        message: One sentence on a failure.
        mendable: Whether a failure is one that a user can mend, such as a full disk: it stops the study.
    """

    what: str
    job: Job
    env_step: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    doing: str = ""
    message: str = ""
    mendable: bool = False


@dataclass(frozen=True)
class RunOptions:
    """How jobs run, which must not change their results."""

    device: str = "cpu"
    checkpoint_every_s: float = 30.0
    plugins: tuple[str, ...] = ()  # that each worker loads, as this process has


class Schedule:
    """Jobs still to do, in the plan's order."""

    def __init__(self, jobs: Sequence[Job], store: Store) -> None:
        self.store = store
        self.waiting = [job for job in jobs if not store.done(job)]

    def next(self) -> Job | None:
        """Takes the first job whose parent is finished; None if all that wait need one that still runs."""
        for job in self.waiting:
            if job.parent is None or self.store.done(job.parent):
                self.waiting.remove(job)
                return job
        return None

    def again(self, job: Job) -> None:
        """Puts a job back in front."""
        self.waiting.insert(0, job)

    def drop_children(self, job: Job) -> list[Job]:
        """Takes out and returns the jobs that a failed one leaves without a parent."""
        lost, orphans = {job.key}, []
        for child in self.waiting:  # parents come before children
            if child.parent is not None and child.parent.key in lost:
                lost.add(child.key)
                orphans.append(child)
        self.waiting = [child for child in self.waiting if child.key not in lost]
        return orphans
