"""How long what is left of a study will take, from the jobs that ran and from how fast it goes just now.

A job is worth the seconds of one worker that it is expected to take: its env steps, and the times an agent is
played in it, each at the mean of what jobs of its kind and method have taken, those under way included; of a
kind and method that nobody has seen yet, at what its like has taken. The study's pace is the worth done in
the last minute, in seconds a second, so that it counts workers and a machine that slows down. Time in which
this process stood still, as between SIGSTOP and SIGCONT, is none: its workers most likely did so too.

Held against records of real studies in tests/test_pace.py.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from study.plan import Job
from study.registry import registered

RECENT_S = 60.0
STILL_S = 30.0  # between two looks at the clock, which otherwise is looked at every second
OWN = 0.25  # how far jobs of a kind and method lie apart, in logarithms
LEAST_S = 5.0  # of running jobs, before anything is said
# Of an env step and of one time that an agent is played, until any is measured.
UNKNOWN_S = {"train": 3e-4, "play": 1.0}
# What an env step takes of one that is learned from: acting alone, and next to nothing. They hold until jobs
# that do so have been seen.
SHARE = {"learns": 1.0, "acts": 0.3, "nothing": 0.02}
MANY = 500  # jobs: of more, the longest chain is not looked for

Group = tuple[str, str]  # kind and method
Amounts = dict[tuple[Group, str], float]  # env steps ("train") and times played ("play") by group


@dataclass
class Taken:
    """What one kind of work has taken so far."""

    seconds: float = 0.0
    amount: float = 0.0


@dataclass
class Underway:
    """A running job: when its last movement was seen, and how far it was then."""

    job: Job
    since: float
    trained: float = 0.0
    played: float = 0.0
    seen: bool = False


@dataclass
class Pace:
    """Learns from jobs what jobs take.

    Attributes:
        left: Jobs that are not finished, by key.
        then_s: What comes after the last job: the tables and the report.
    """

    left: dict[str, Job]
    then_s: float = 0.0
    _running: dict[str, Underway] = field(default_factory=dict)
    _taken: dict[tuple[Group, str], Taken] = field(default_factory=dict)
    _done: Amounts = field(default_factory=dict)
    _recent: deque[tuple[float, Amounts]] = field(default_factory=deque)  # when, and all that was done then
    _looked: float = -math.inf  # at the clock, for the last time
    _still: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def at(self, now: float) -> float:
        """Returns a time by a clock that stands still when this process does; ask every second."""
        with self._lock:
            if STILL_S < now - self._looked < math.inf:
                self._still += now - self._looked
            self._looked = max(self._looked, now)
            return now - self._still

    def begin(self, job: Job, now: float) -> None:
        """A worker takes up a job."""
        now = self.at(now)
        self._running[job.key] = Underway(job, now)
        if not self._recent:
            self._recent.append((now, {}))

    def move(self, job: Job, env_step: int, doing: str, part: float, now: float) -> None:
        """A running job has come so far; where it is first seen it may have come by a checkpoint."""
        now = self.at(now)
        running = self._running.setdefault(job.key, Underway(job, now))
        trained, played = position(job, env_step, doing, part)
        if not running.seen and trained > 0.1 * job.budget_env_steps:
            running.since, running.trained, running.played = now, trained, played
        running.seen = True
        self._advance(running, trained, played, now)

    def finish(self, job: Job, now: float) -> None:
        """A job is done."""
        now = self.at(now)
        running = self._running.pop(job.key, None)
        if running is not None:
            self._advance(running, *whole(job), now)
        self.left.pop(job.key, None)

    def drop(self, job: Job) -> None:
        """A job has lost its worker, or failed."""
        self._running.pop(job.key, None)

    def took(self, job: Job, seconds: float, played_s: float) -> None:
        """A job that finished before this run took so many seconds, and so many of them to play."""
        trained, played = whole(job)
        self._learn(job, "train", seconds - played_s, trained)
        self._learn(job, "play", played_s, played)

    def left_s(self, now: float) -> float | None:
        """Returns the seconds that are left; None as long as nobody can know."""
        now = self.at(now)
        if not self._taken and not self._done:
            return None
        units = self._units()
        worth = {key: self._worth(job, units) for key, job in self.left.items()}
        pace = self._pace(now, units)
        if pace is None:
            return None
        workers = max(len(self._running), 1)
        together = sum(worth.values()) / pace
        return max(together, self._longest(worth) * workers / pace) + self.then_s

    def _longest(self, worth: Mapping[str, float]) -> float:
        """Returns the worth of the longest chain of a job and its parents, which come one after the other."""
        if len(worth) > MANY:
            return 0.0
        chains: dict[str, float] = {}
        for key, job in self.left.items():  # parents come first
            chains[key] = worth[key] + (chains.get(job.parent.key, 0.0) if job.parent else 0.0)
        return max(chains.values(), default=0.0)

    def _worth(self, job: Job, units: Mapping[tuple[Group, str], float]) -> float:
        """Returns the seconds of one worker that are left of a job."""
        trained, played = whole(job)
        if (running := self._running.get(job.key)) is not None:
            trained, played = trained - running.trained, played - running.played
        group = group_of(job)
        return trained * units[group, "train"] + played * units[group, "play"]

    def _pace(self, now: float, units: Mapping[tuple[Group, str], float]) -> float | None:
        """Returns the worth done lately, in seconds a second: two workers do about two.

        Less than a quarter more or less is taken for what jobs differ among themselves, and hardly counts.
        """
        while len(self._recent) > 2 and self._recent[1][0] < now - RECENT_S:
            self._recent.popleft()
        since, before = self._recent[0] if self._recent else (now, {})
        done = sum(
            units.get(work, 0.0) * (amount - before.get(work, 0.0)) for work, amount in self._done.items()
        )
        workers = float(len(self._running))
        if now - since < LEAST_S or done <= 0.0 or not workers:
            return workers or None
        changed = math.log(done / (now - since) / workers)
        return workers * math.exp(changed**3 / (changed**2 + OWN**2))

    def _advance(self, running: Underway, trained: float, played: float, now: float) -> None:
        """Counts what a job has done since it was last seen to move, and learns what that took."""
        more = {"train": max(trained - running.trained, 0.0), "play": max(played - running.played, 0.0)}
        if not any(more.values()):
            return
        job, group = running.job, group_of(running.job)
        expected = {what: amount * self._unit_s(job, what) for what, amount in more.items()}
        seconds, whole_s = now - running.since, sum(expected.values())
        for what, amount in more.items():
            if seconds > 0.0:  # else it began and ended between two looks
                self._learn(job, what, seconds * expected[what] / whole_s if whole_s else 0.0, amount)
            self._done[group, what] = self._done.get((group, what), 0.0) + amount
        running.since, running.trained, running.played = now, trained, played
        if not self._recent or now - self._recent[-1][0] >= 1.0:
            self._recent.append((now, dict(self._done)))

    def _learn(self, job: Job, what: str, seconds: float, amount: float) -> None:
        if amount:
            taken = self._taken.setdefault((group_of(job), what), Taken())
            taken.seconds += max(seconds, 0.0)
            taken.amount += amount

    def _units(self) -> dict[tuple[Group, str], float]:
        """Returns what each work of the jobs that are left, and of what was done, takes."""
        like = {group_of(job): job for job in (*self.left.values(), *(r.job for r in self._running.values()))}
        found = {work: taken.seconds / taken.amount for work, taken in self._taken.items()}
        for group, job in like.items():
            for what in UNKNOWN_S:
                if (group, what) not in found:
                    found[group, what] = self._unit_s(job, what)
        return found

    def _unit_s(self, job: Job, what: str) -> float:
        """Returns what an env step of a job takes, or playing once; unknown, as that of its like."""
        group = group_of(job)
        if (known := self._taken.get((group, what))) is not None:
            return known.seconds / known.amount
        for like in (lambda kind: kind == group[0], lambda kind: True):
            found = [taken for ((kind, _), work), taken in self._taken.items() if work == what and like(kind)]
            if amount := sum(taken.amount for taken in found):
                each = sum(taken.seconds for taken in found) / amount
                return each * SHARE[does_of(job)] if what == "train" else each
        return UNKNOWN_S[what]


def position(job: Job, env_step: int, doing: str, part: float) -> tuple[float, float]:
    """Returns the env steps that a job has trained, and how often its agent has been played."""
    at = snapshots(job)
    if not job.budget_env_steps:
        return 0.0, min(part, 1.0)
    played = bisect_left(at, env_step) + part if doing else float(bisect_right(at, env_step))
    return float(min(env_step, job.budget_env_steps)), min(played, float(len(at)))


def whole(job: Job) -> tuple[float, float]:
    """Returns all env steps of a job, and how often its agent is played."""
    steps = job.budget_env_steps
    return float(steps), float(len(snapshots(job)) if steps else 1)


def snapshots(job: Job) -> list[int]:
    """Returns the env steps at which a job's agent is played while it trains."""
    return sorted(job.spec["at"]) if job.kind == "adapt" else []


def does_of(job: Job) -> str:
    """Returns what takes the time of a training: it "learns", "acts", or does next to "nothing"."""
    if "adaptation" not in job.spec:
        return "learns"
    return registered().methods[job.spec["paradigm"]].adaptation(job.spec["adaptation"]).does


def group_of(job: Job) -> Group:
    """Returns what jobs that take about the same have in common."""
    if job.kind == "measure":
        return job.kind, f"{job.spec['measure']} of {job.method}"
    return job.kind, job.method


def report_s(jobs: int) -> float:
    """Returns what the tables and the page of so many jobs take, about, on a quiet core."""
    return 4.0 + 0.002 * jobs


def examples(jobs: Sequence[Job]) -> list[Job]:
    """Returns one job of each kind and method, of the first seed, and of as many tasks as that allows."""
    groups: dict[Group, list[Job]] = {}
    for job in jobs:
        mine = groups.setdefault(group_of(job), [])
        if not mine or mine[0].seed == job.seed:
            mine.append(job)
    return [mine[i % len(mine)] for i, mine in enumerate(groups.values())]
