"""What the jobs of a plan would take, by kind and method, from how fast work like theirs was measured."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.estimates.amounts import AGENT, episodes_of
from study.estimates.measuring import Measured, Work, player_words, work_of
from study.estimates.pace import group_of
from study.plan import Job
from study.retentions import look_back_env_steps


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What one job would take of a worker, in seconds, and how many of them a processor is at work for it."""

    train_s: float
    play_s: float
    busy_frac: float = 1.0

    @property
    def seconds(self) -> float:
        """Both together."""
        return self.train_s + self.play_s

    @property
    def processor_s(self) -> float:
        """Processor seconds: on busy cores longer than on quiet ones too, but far less so than seconds."""
        return self.seconds * self.busy_frac


def expected(jobs: Sequence[Job], found: Mapping[Work, Measured]) -> dict[str, Expected]:
    """Returns what each job would take, by key.

    Args:
        jobs: Of a plan; those of a kind and method are taken to play as many episodes as the first.
        found: How fast work goes, by `measuring.work_of` of a job that does it.
    """
    episodes: dict[tuple[str, str], Counter[str]] = {}
    played = [measured.episode_s for measured in found.values() if measured.episode_s]
    typical_s = sum(played) / len(played) if played else 0.0
    episode_s = {work[1]: measured.episode_s for work, measured in found.items() if measured.episode_s}
    busy = {work[1]: measured.busy_frac for work, measured in found.items()}
    typical_busy = sum(busy.values()) / len(busy) if busy else 1.0
    takes = {}
    for job in jobs:
        group, work = group_of(job), work_of(job)
        if group not in episodes:
            episodes[group] = episodes_of(job)
        train_s = 0.0
        if job.budget_env_steps and work[2]:
            steps = job.budget_env_steps + look_back_env_steps(job.spec.get("retain", {}))
            train_s = steps / found[work].steps_per_s
        play_s = sum(
            number * episode_s.get(player_words(player) if player != AGENT else work[1], typical_s)
            for player, number in episodes[group].items()
        )
        busy_frac = found[work].busy_frac if work in found else busy.get(work[1], typical_busy)
        takes[job.key] = Expected(train_s=train_s, play_s=play_s, busy_frac=busy_frac)
    return takes


def makespan_s(jobs: Sequence[Job], takes: Mapping[str, Expected], workers: int) -> float:
    """Returns when so many workers would be done, if each takes the first job whose parent is finished."""
    here = {job.key for job in jobs}
    children: dict[str, list[int]] = {}
    ready: list[int] = []
    for number, job in enumerate(jobs):
        if job.parent is not None and job.parent.key in here:
            children.setdefault(job.parent.key, []).append(number)
        else:
            ready.append(number)
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            number = heapq.heappop(ready)
            heapq.heappush(running, (now + takes[jobs[number].key].seconds, number))
        now, number = heapq.heappop(running)
        for child in children.get(jobs[number].key, ()):
            heapq.heappush(ready, child)
    return now
