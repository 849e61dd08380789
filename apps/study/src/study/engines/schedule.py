"""Which job comes next: a child waits for its parent, and nothing waits for a child of a failed job."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from study.estimates.pace import examples
from study.folder.job_record import short
from study.folder.store import Store
from study.folder.under_way import MAX_LOSSES
from study.machine.needs import Needs
from study.plan import Job


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened to a job.

    Attributes:
        what: "started", "progress", "finished", "failed", or "lost": its worker died and it will go on.
        env_step: Where a running job is.
        metrics: Latest numbers of a running job.
        doing: What a running job does if it does not train: "evaluating".
        part: Of that, from 0 to 1.
        message: One sentence on a failure.
        mendable: Whether a failure is one that a user can mend, such as a full disk: it stops the study.
    """

    what: str
    job: Job
    env_step: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    doing: str = ""
    part: float = 0.0
    message: str = ""
    mendable: bool = False


@dataclass(frozen=True)
class RunOptions:
    """How jobs run, which must not change their results.

    Attributes:
        device: Of the jobs of this process: cpu, cuda, cuda:1, ..., or auto, which is decided where they run.
        devices: Of local workers, which share them evenly; empty for `device` alone.
        plugins: That each worker loads, as this process has.
        max_losses: Times a job may lose its worker before it counts as failed.
        needs: What a job of each kind needs of a machine.
        has: What this worker has; no memory said is all that the machine has.
        ray_address: Of the cluster for `--engine ray`.
    """

    device: str = "cpu"
    checkpoint_every_s: float = 30.0
    plugins: tuple[str, ...] = ()
    engine: str = "local"  # name of the launcher that starts workers
    max_losses: int = MAX_LOSSES
    devices: tuple[str, ...] = ()
    needs: Mapping[str, Needs] = field(default_factory=dict)
    has: Needs = field(default_factory=Needs)
    ray_address: str = "auto"


class Schedule:
    """Jobs still to do: one of each kind and method, so that what they take is known soon, then the rest.

    Both in the plan's order. Taking the next one does not look at all of them.
    """

    def __init__(self, jobs: Sequence[Job], store: Store) -> None:
        self.store, self.jobs = store, tuple(jobs)
        first = {job.key for job in examples(self.jobs)}
        self._order = {job.key: i - len(self.jobs) * (job.key in first) for i, job in enumerate(self.jobs)}
        self._ready: list[tuple[int, Job]] = []
        self._children: dict[str, list[Job]] = {}  # of parents that are not done
        self._parents: dict[str, Job] = {}
        self._early: dict[str, Job] = {}  # those parents whose children are to come as soon as they can
        done = store.finished()
        roots = [i for i, job in enumerate(self.jobs) if job.parent is None]
        for i, job in enumerate(self.jobs):
            if short(job.key) in done:
                continue
            parent = job.parent
            if parent is None or short(parent.key) in done:
                self.again(job)
            elif parent.key in self._order:
                self._children.setdefault(parent.key, []).append(job)
                self._parents[parent.key] = parent
                if job.key in first or i < roots[-1]:  # the plan has it before jobs that wait for nobody
                    self._early[parent.key] = parent

    @property
    def waiting(self) -> list[Job]:
        """All jobs that nobody has taken."""
        return [
            *(job for _, job in sorted(self._ready, key=lambda item: item[0])),
            *(job for children in self._children.values() for job in children),
        ]

    @property
    def parents(self) -> list[Job]:
        """The jobs that others wait for."""
        return list(self._parents.values())

    def next(self) -> Job | None:
        """Takes the first job whose parent is finished; None if all that wait need one that still runs."""
        while True:
            self._look(self._early)
            if not self._ready:
                self._look(self._parents)
            if not self._ready:
                return None
            job = heapq.heappop(self._ready)[1]
            if not self.store.done(job):  # another worker may have been faster
                return job
            self._release(job.key)

    def again(self, job: Job) -> None:
        """Puts a job back in its place."""
        heapq.heappush(self._ready, (self._order.get(job.key, -1), job))

    def drop_children(self, job: Job) -> list[Job]:
        """Takes out and returns the jobs that a failed one leaves without a parent, and theirs."""
        self._parents.pop(job.key, None)
        self._early.pop(job.key, None)
        orphans = self._children.pop(job.key, [])
        return orphans + [later for orphan in orphans for later in self.drop_children(orphan)]

    def _look(self, parents: Mapping[str, Job]) -> None:
        """Makes the children of finished parents ready; there are few parents for many children."""
        for key, parent in list(parents.items()):
            if self.store.done(parent):
                self._release(key)

    def _release(self, key: str) -> None:
        """Makes the children of a finished job ready, if there are any."""
        self._parents.pop(key, None)
        self._early.pop(key, None)
        for child in self._children.pop(key, []):
            self.again(child)
