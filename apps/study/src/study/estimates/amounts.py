"""What a job plays: what it would ask for is counted, and nothing is played."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from fvm_eval import EpisodeScore

from study.jobs.evaluation import Context
from study.jobs.job import context_of
from study.plan import Job
from study.registry import registered

AGENT = ""


class Uncountable(Exception):
    """A measure plays in a way of its own."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """One evaluation: episodes side by side in slots, and in each slot one after the other.

    Attributes:
        player: AGENT, or a scripted one's name.
        episodes: In all slots together.
        slots: Parallel envs.
        trials: In an episode, which is then a lifetime.
        max_steps: Env steps after which a trial is cut.
    """

    player: str
    episodes: int
    slots: int
    trials: int = 1
    max_steps: int

    @property
    def rounds(self) -> int:
        """How many trials the slot plays that plays most."""
        return math.ceil(self.episodes / self.slots) * self.trials


@dataclass(frozen=True, kw_only=True)
class Counting(Context):
    """A context that writes down what is asked of it, and says that each episode scored nothing."""

    asked: Counter[Played] = field(default_factory=Counter)

    def play(
        self, policy: Any, tasks: Sequence[str], episodes: int, *, env_step: int = 0, trials: int = 1
    ) -> list[EpisodeScore]:
        """Returns episodes that were not played."""
        number = len(tasks) * episodes
        played = Played(
            player=policy if isinstance(policy, str) else AGENT,
            episodes=number,
            slots=min(self.settings["num_envs"], number),
            trials=trials,
            max_steps=self.settings["max_steps"],
        )
        self.asked[played] += 1
        return [
            EpisodeScore(
                task_position=task, episode=episode, score=0.0, length=1, cut=False, trials=(0.0,) * trials
            )
            for task in range(len(tasks))
            for episode in range(episodes)
        ]

    def make_envs(self, tasks: Sequence[str], num_envs: int, trials: int = 1) -> Any:
        """Raises Uncountable."""
        raise Uncountable


class Anyone(SimpleNamespace):
    """Stands where an agent would: whatever is asked of it is itself."""

    def __getattr__(self, name: str) -> Anyone:
        return self

    def __call__(self, *args: Any, **named: Any) -> Anyone:
        """Returns itself."""
        return self

    def __next__(self) -> Anyone:
        """Returns itself, as the next of its parameters."""
        return self


def plays_of(job: Job) -> Counter[Played]:
    """Returns what a job plays beside its training: evaluations, and how often each of them."""
    if job.kind == "measure":
        return _asked(job, job.spec["measure"], job.spec["settings"])
    if job.kind == "pretrain":
        return Counter()
    evaluation = job.spec["evaluation"]
    if job.kind == "baseline":
        return Counter([_evaluation(job.method, evaluation)])
    once = Counter[Played]()
    for name, settings in job.spec.get("measures", {}).items():
        once += _asked(job, name, settings)
    every = Counter({played: len(job.spec["at"]) * times for played, times in once.items()})
    return every + Counter(
        _evaluation(AGENT, {**evaluation, "episodes": job.episodes_at(step)}) for step in job.spec["at"]
    )


def _evaluation(player: str, settings: Any) -> Played:
    """Returns an evaluation at these settings, on one task."""
    episodes = int(settings["episodes"])
    slots = min(int(settings["num_envs"]), episodes)
    return Played(player=player, episodes=episodes, slots=slots, max_steps=int(settings["max_steps"]))


def _asked(job: Job, name: str, settings: Any) -> Counter[Played]:
    """Returns what a measure asks for; of one that cannot be counted, the episodes that it names."""
    play = registered().measures[name].play
    assert play is not None
    known = context_of(job, settings)
    context = Counting(
        spec=known.spec,
        pretraining=known.pretraining,
        settings=settings,
        seed=0,
        informed=(lambda task: Anyone()) if settings.get("informed") else None,
    )
    try:
        play(Anyone(), context)
    except Exception:  # a plug-in's measure may want a real agent, or real scores
        named = {"episodes": 1, "num_envs": 1, "max_steps": 1000, **settings}
        return context.asked or Counter([_evaluation(AGENT, named)])
    return context.asked
