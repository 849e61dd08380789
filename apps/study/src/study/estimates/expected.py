"""What the jobs of a plan would take, by kind and method, from how fast work like theirs was measured."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.estimates.amounts import AGENT, Played, plays_of
from study.estimates.measuring import Measured, Work, mean_playing, player_words, work_of
from study.estimates.pace import group_of
from study.estimates.playing import Playing
from study.plan import Job
from study.retentions import look_back_env_steps


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What one job would take of a worker, in seconds, and how many of them a processor is at work for it.

    Attributes:
        begin_s: Until it trains.
        train_s: To train.
        play_s: To play, if episodes are as short as the shortest that were seen.
        most_play_s: To play, if they are as long as a study lets them be.
        busy_frac: Processor seconds of one of these.
    """

    begin_s: float = 0.0
    train_s: float
    play_s: float
    most_play_s: float
    busy_frac: float = 1.0

    @property
    def seconds(self) -> float:
        """All together, at least."""
        return self.begin_s + self.train_s + self.play_s

    @property
    def most_s(self) -> float:
        """All together, at most."""
        return self.begin_s + self.train_s + self.most_play_s


def expected(jobs: Sequence[Job], found: Mapping[Work, Measured]) -> dict[str, Expected]:
    """Returns what each job would take, by key.

    Args:
        jobs: Of a plan; those of a kind and method are taken to play as many episodes as the first.
        found: How fast work goes, by `measuring.work_of` of a job that does it.
    """
    plays: dict[tuple[str, str], Counter[Played]] = {}
    playing = {work[1]: measured.playing for work, measured in found.items() if measured.playing}
    agents = [one for words, one in playing.items() if not words.startswith(player_words(""))]
    busy = {work[1]: measured.busy_frac for work, measured in found.items()}
    typical_busy = sum(busy.values()) / len(busy) if busy else 1.0
    takes = {}
    for job in jobs:
        group, work = group_of(job), work_of(job)
        if group not in plays:
            plays[group] = plays_of(job)
        begin_s = train_s = 0.0
        if job.kind in ("pretrain", "adapt"):
            begin_s = found[work].begin_s
        if job.budget_env_steps and work[2]:
            steps = job.budget_env_steps + look_back_env_steps(job.spec.get("retain", {}))
            train_s = steps / found[work].steps_per_s
        least_s = most_s = 0.0
        for played, times in plays[group].items():
            scripted = playing.get(player_words(played.player)) if played.player != AGENT else None
            known = scripted or playing.get(work[1]) or mean_playing(agents)
            if known is None:
                continue
            least, most = lengths([scripted], played) if scripted else lengths(list(playing.values()), played)
            least_s += times * known.seconds(played, least)
            most_s += times * known.seconds(played, most)
        busy_frac = found[work].busy_frac if work in found else busy.get(work[1], typical_busy)
        takes[job.key] = Expected(
            begin_s=begin_s, train_s=train_s, play_s=least_s, most_play_s=most_s, busy_frac=busy_frac
        )
    return takes


def lengths(seen: Sequence[Playing], played: Played) -> tuple[float, float]:
    """Returns the least and the most env steps that a trial is expected to have on average.

    Of one scripted player, what was seen if all its episodes ended. Of an agent nobody knows: from the
    shortest mean that was seen of any player to the limit, unless every player's episodes ended after as many
    steps.
    """
    least = min(min(one.shortest, played.max_steps) for one in seen)
    if all(one.fixed for one in seen) and len({one.longest for one in seen}) == 1:
        return least, least
    if len(seen) == 1 and seen[0].ended:
        return least, seen[0].longest
    return least, played.max_steps


def makespan_s(jobs: Sequence[Job], seconds: Mapping[str, float], workers: int) -> float:
    """Returns when so many workers would be done, if each takes the first job whose parent is finished.

    Args:
        jobs: Parents before their children.
        seconds: That each of them takes, by key.
        workers: How many work side by side.
    """
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
            heapq.heappush(running, (now + seconds[jobs[number].key], number))
        now, number = heapq.heappop(running)
        for child in children.get(jobs[number].key, ()):
            heapq.heappush(ready, child)
    return now
