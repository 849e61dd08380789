"""What playing takes of a worker: measured by the step, since nobody knows how long episodes will be.

An agent that is measured has hardly learned. One that has may die at once, reach its goal, or survive far
longer, so a number of episodes says little. A step costs the same either way: it is measured with one slot
and with as many as an evaluation has. How long episodes are is given from the shortest that were seen of any
player to the longest that a study allows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from gymnasium.vector import VectorWrapper

from study.estimates.amounts import Played
from study.jobs.evaluation import Context, Stopped

ALONE_FRAC = 0.3  # of the time of a measurement is for one slot


@dataclass(frozen=True, kw_only=True)
class Playing:
    """What evaluations of one player take, in seconds of a worker, and how long its episodes were.

    Attributes:
        begin_s: To begin an episode: its env is made, or moved.
        row_s: A step of one slot.
        more_s: What each further slot adds to it.
        shortest: Env steps of an episode on average: all that were taken, over the episodes that ended;
            where none ended, the steps of the one that ran longest.
        longest: Env steps of the longest that was seen.
        ended: Whether all that began were seen to their end.
        fixed: Whether they all ended by themselves after the same number of steps.
    """

    begin_s: float = 0.0
    row_s: float = 0.0
    more_s: float = 0.0
    shortest: float = 1.0
    longest: int = 1
    ended: bool = False
    fixed: bool = False

    def seconds(self, played: Played, length: float) -> float:
        """Returns what an evaluation takes whose trials have so many env steps."""
        row_s = self.row_s + (played.slots - 1) * self.more_s
        return played.episodes * self.begin_s + played.rounds * min(length, played.max_steps) * row_s


@dataclass
class Watch:
    """What was seen of an evaluation that may have been stopped.

    Attributes:
        begun: When its envs were asked for, in seconds.
        rows: When each step of all slots was over.
        lengths: Env steps of each episode that ended or was cut.
        cut: How many of them were cut.
        running: Env steps of those that had not ended.
    """

    begun: float
    first: float = 0.0
    rows: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    cut: int = 0
    running: list[int] = field(default_factory=list)

    def row_s(self) -> float:
        """Returns the seconds of a step of all slots, without those of the first one where there are more."""
        if len(self.rows) > 1:
            return (self.rows[-1] - self.rows[0]) / (len(self.rows) - 1)
        return self.rows[0] - self.first


class Watched(VectorWrapper):
    """Stops an evaluation after some seconds of steps, and writes down how it went."""

    def __init__(self, envs: Any, watch: Watch, max_steps: int, episodes: int, for_s: float) -> None:
        super().__init__(envs)
        self.watch, self.max_steps, self.for_s = watch, max_steps, for_s
        slots = np.arange(envs.num_envs)
        self.due = (episodes - slots + envs.num_envs - 1) // envs.num_envs  # episodes of each slot
        self.length = np.zeros(envs.num_envs, np.int64)

    def step(self, actions: Any) -> Any:
        """Takes one step in every slot; raises Stopped once the time is over."""
        watch = self.watch
        watch.first = watch.first or time.perf_counter()
        returned = super().step(actions)
        watch.rows.append(time.perf_counter())
        self.length += 1
        ended = returned[2] | returned[3]
        over = (ended | (self.length >= self.max_steps)) & (self.due > 0)
        watch.lengths += self.length[over].tolist()
        watch.cut += int((over & ~ended).sum())
        self.due[over] -= 1
        self.length[over] = 0
        watch.running = self.length[self.due > 0].tolist()
        if watch.rows[-1] - watch.first > self.for_s:
            raise Stopped
        return returned


@dataclass(frozen=True, kw_only=True)
class Watching(Context):
    """A context whose evaluations are watched, and stopped after some seconds."""

    for_s: float
    watches: list[Watch] = field(default_factory=list)

    def make_envs(self, tasks: Sequence[str], num_envs: int, trials: int = 1) -> Any:
        """Returns envs that stop when their time is over."""
        watch = Watch(begun=time.perf_counter())
        self.watches.append(watch)
        envs = super().make_envs(tasks, num_envs, trials)
        episodes = int(self.settings["episodes"])
        return Watched(envs, watch, self.settings["max_steps"] * trials, episodes, self.for_s)


def watched(context: Context, policy: Any, task: str, for_s: float) -> Playing:
    """Returns what playing takes, by the first seconds of an evaluation and of one slot alone."""
    together = _watch(context, policy, task, for_s * (1 - ALONE_FRAC))
    slots = min(int(context.settings["num_envs"]), int(context.settings["episodes"]))
    row_s = together.row_s()
    alone_s = row_s
    if slots > 1:
        settings = {**context.settings, "num_envs": 1, "episodes": 1}
        alone = _watch(replace(context, settings=settings), policy, task, for_s * ALONE_FRAC)
        alone_s = min(alone.row_s(), row_s)
    lengths, running = together.lengths, together.running
    steps = sum(lengths) + sum(running)
    return Playing(
        begin_s=(together.first - together.begun) / slots,
        row_s=alone_s,
        more_s=(row_s - alone_s) / max(slots - 1, 1),
        shortest=steps / len(lengths) if lengths else max(running),
        longest=max([*lengths, *running]),
        ended=not running,
        fixed=bool(lengths) and not running and not together.cut and len(set(lengths)) == 1,
    )


def _watch(context: Context, policy: Any, task: str, for_s: float) -> Watch:
    asked = {name: getattr(context, name) for name in ("spec", "pretraining", "settings", "seed", "informed")}
    watching = Watching(for_s=for_s, **asked)
    with suppress(Stopped):
        watching.play(policy, [task], int(watching.settings["episodes"]))
    return watching.watches[-1]
