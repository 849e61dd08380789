"""How long what is left of a study will take, from the jobs that ran and from how fast it goes just now.

Each job is worth the seconds of one worker that it is expected to take: the mean of the finished jobs of its
kind and method, else its env steps at what such steps cost elsewhere. The study's pace is the worth done in
the last minutes, in seconds a second, so that it counts workers, evaluations and a machine that slows down.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from study.plan import Job

RECENT_S = 120.0
TRAINED = ("pretrain", "adapt")
UNKNOWN_S = {True: 3e-4, False: 1.0}  # of an env step, and of a job without any, until one is measured
LEAST_S = 5.0  # of running jobs, before anything is said
Group = tuple[str, str]


@dataclass
class Taken:
    """What one group of jobs has taken so far: whole jobs, and parts of those that run."""

    seconds: float = 0.0
    amount: float = 0.0  # env steps, or jobs of those that have none


@dataclass
class Pace:
    """Learns from jobs what jobs take.

    Attributes:
        left: Jobs that are not finished, by key.
        part: The part of each running job that is done.
    """

    left: dict[str, Job]
    part: dict[str, float] = field(default_factory=dict)
    _whole: dict[Group, Taken] = field(default_factory=dict)
    _running: dict[str, tuple[float, float | None]] = field(default_factory=dict)  # since when, from where
    _done: dict[Group, float] = field(default_factory=dict)  # env steps, or jobs of those that have none
    _recent: deque[tuple[float, dict[Group, float]]] = field(default_factory=deque)  # when, what was done

    def begin(self, job: Job, now: float) -> None:
        """A worker takes up a job."""
        self._running[job.key] = (now, None)
        self.part[job.key] = 0.0

    def move(self, job: Job, part: float, now: float) -> None:
        """A running job has come so far; where it was first seen it may have come by a checkpoint."""
        since, first = self._running.get(job.key, (now, None))
        if first is None:
            self._running[job.key] = (since if part < 0.1 else now, 0.0 if part < 0.1 else part)
            self.part[job.key] = self._running[job.key][1] or 0.0
        self._count(job, part - self.part[job.key], now)
        self.part[job.key] = part

    def finish(self, job: Job, now: float) -> None:
        """A job is done."""
        since, first = self._running.pop(job.key, (now, 1.0))
        if (first or 0.0) < 0.5:
            self._learn(job, (now - since) / (1.0 - (first or 0.0)))
        self._count(job, 1.0 - self.part.pop(job.key, 1.0), now)
        self.left.pop(job.key, None)

    def drop(self, job: Job) -> None:
        """A job has lost its worker, or failed."""
        self._running.pop(job.key, None)
        self.part.pop(job.key, None)

    def took(self, job: Job, seconds: float) -> None:
        """A job that finished before this run took so many seconds of a worker."""
        self._learn(job, seconds)

    def left_s(self, now: float) -> float | None:
        """Returns the seconds that are left; None as long as nobody can know."""
        live = self._live(now)
        if not live and not self._whole:
            return None
        each = {group: self._unit_s(group, live) for group in map(group_of, self.left.values())}
        remaining = sum(
            each[group_of(job)] * units(job) * (1.0 - self.part.get(key, 0.0))
            for key, job in self.left.items()
        )
        pace = self._pace(now, live)
        return None if pace is None else remaining / pace

    def _pace(self, now: float, live: Mapping[Group, Taken]) -> float | None:
        """Returns the worth done lately, in seconds a second: two workers do about two."""
        while len(self._recent) > 2 and self._recent[1][0] < now - RECENT_S:
            self._recent.popleft()
        if not self._recent:
            return None
        since, before = self._recent[0]
        done = sum(
            self._unit_s(group, live) * (amount - before.get(group, 0.0))
            for group, amount in self._done.items()
        )
        if now - since < LEAST_S or done <= 0.0:
            return float(len(self._running)) or None
        return done / (now - since)

    def _count(self, job: Job, part: float, now: float) -> None:
        if not self._recent:
            self._recent.append((self._running.get(job.key, (now, 0.0))[0], {}))
        group = group_of(job)
        self._done[group] = self._done.get(group, 0.0) + max(part, 0.0) * units(job)
        if now - self._recent[-1][0] >= 1.0:
            self._recent.append((now, dict(self._done)))

    def _learn(self, job: Job, seconds: float) -> None:
        taken = self._whole.setdefault(group_of(job), Taken())
        taken.seconds += seconds
        taken.amount += units(job)

    def _live(self, now: float) -> Mapping[Group, Taken]:
        """Returns what running jobs have taken, for groups of which none is finished yet."""
        live: dict[Group, Taken] = {}
        for key, (since, first) in self._running.items():
            job = self.left.get(key)
            done = self.part.get(key, 0.0) - (first or 0.0)
            if job is None or done < 0.02 or group_of(job) in self._whole:
                continue
            taken = live.setdefault(group_of(job), Taken())
            taken.seconds += now - since
            taken.amount += done * units(job)
        return live

    def _unit_s(self, group: Group, live: Mapping[Group, Taken]) -> float:
        """Returns what an env step of a group takes, or a job of one that has none; unknown, as its like."""
        known = self._whole.get(group) or live.get(group)
        if known is not None and known.amount:
            return known.seconds / known.amount
        tables = (*self._whole.items(), *live.items())
        like = [taken for (kind, _), taken in tables if kind == group[0]]
        like = like or [taken for (kind, _), taken in tables if (kind in TRAINED) == (group[0] in TRAINED)]
        amount = sum(taken.amount for taken in like)
        return sum(taken.seconds for taken in like) / amount if amount else UNKNOWN_S[group[0] in TRAINED]


def units(job: Job) -> float:
    """Returns how much a job is: its env steps, 1 if it takes none."""
    return float(job.budget_env_steps or 1)


def group_of(job: Job) -> Group:
    """Returns what jobs that take about the same have in common."""
    return job.kind, job.method
