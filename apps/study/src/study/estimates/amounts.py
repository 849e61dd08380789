"""How many episodes a job plays: what it would ask for is counted, and nothing is played."""

from __future__ import annotations

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
class Counting(Context):
    """A context that writes down how many episodes are asked of it, and says that each scored nothing."""

    asked: Counter[str] = field(default_factory=Counter)  # by player; the agent is AGENT

    def play(
        self, policy: Any, tasks: Sequence[str], episodes: int, *, env_step: int = 0, trials: int = 1
    ) -> list[EpisodeScore]:
        """Returns episodes that were not played."""
        self.asked[policy if isinstance(policy, str) else AGENT] += len(tasks) * episodes * trials
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


def episodes_of(job: Job) -> Counter[str]:
    """Returns how many episodes a job plays beside its training, by player: AGENT, or a scripted one."""
    if job.kind == "measure":
        return _asked(job, job.spec["measure"], job.spec["settings"])
    if job.kind == "pretrain":
        return Counter()
    once = Counter({job.method if job.kind == "baseline" else AGENT: int(job.spec["evaluation"]["episodes"])})
    if job.kind == "baseline":
        return once
    for name, settings in job.spec.get("measures", {}).items():
        once += _asked(job, name, settings)
    return Counter({player: len(job.spec["at"]) * episodes for player, episodes in once.items()})


def _asked(job: Job, name: str, settings: Any) -> Counter[str]:
    """Returns the episodes that a measure asks for; of one that cannot be counted, those it names."""
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
        return context.asked or Counter({AGENT: int(settings.get("episodes", 1))})
    return context.asked
