"""What a plug-in brings is tried for a moment before a study runs: its faults would come out after hours.

So are retentions that were told names, of a network's parts or of a mode: it may not have them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import torch
from fvm_envs.env_state import digest_of
from fvm_eval import Budget, Ledger
from fvm_meta import Snapshot
from gymnasium.vector import VectorEnv, VectorWrapper
from torch import Tensor

from study.errors import StudyError
from study.folder.state_file import read_state, write_state
from study.identity import OURS, fields_of, module_of
from study.jobs.agents import Visits, fresh, restore, weights_of
from study.jobs.environments import env_options, make_envs, suite_of
from study.jobs.evaluation import Context
from study.jobs.following import followed, held
from study.jobs.job import asked_of, context_at, context_of, demos_asked, open_stream, rows_of
from study.learners import own_networks, read_spec
from study.machine.limits import give_back_memory
from study.plan import Job
from study.plugins import in_a_sentence, line_in_a_plugin, named
from study.registry import Measure, registered

LONGEST_S = 30.0  # of all that is tried: faults of what takes minutes to come to them are told later
PLAYED_STEPS, EVALUATED_STEPS = 16, 4


class Enough(BaseException):
    """Raised in the middle of a step once the time is over."""


class Hurried(Ledger):
    """A ledger that takes no more once the time is over."""

    def __init__(self, budget: Budget, until: float) -> None:
        super().__init__(budget)
        self.until = until

    def charge(self, **spent: int) -> None:
        """Books it; raises Enough once the time is over."""
        if time.monotonic() > self.until:
            raise Enough
        super().charge(**spent)


class HurriedEnvs(VectorWrapper):
    """Envs that play no more once the time is over."""

    def __init__(self, envs: VectorEnv, until: float) -> None:
        super().__init__(envs)
        self.until = until

    def step(self, actions: Any) -> Any:
        """Takes one step in every env; raises Enough once the time is over."""
        if time.monotonic() > self.until:
            raise Enough
        return super().step(actions)


@dataclass(frozen=True, kw_only=True)
class HurriedContext(Context):
    """Where a measure plays an agent until the time is over."""

    until: float

    def make_envs(self, tasks: Sequence[str], num_envs: int, trials: int = 1) -> Any:
        """Returns envs that stop then; the caller closes them."""
        return HurriedEnvs(super().make_envs(tasks, num_envs, trials), self.until)


class Untrained:
    """Stands for the folder of a study in which every pretraining has finished and nothing was learned."""

    def __init__(self, device: str) -> None:
        self.device = device

    def weights(self, job: Job) -> Mapping[str, Any]:
        """Returns those of a fresh learner."""
        return weights_of(fresh(job, self.device)[0].frozen_policy())


def rehearse(jobs: Sequence[Job], device: str, finished: Callable[[], Collection[str]]) -> list[str]:
    """Tries for some env steps what only a run can show; returns remarks on it.

    Of each kind of training that a plug-in has a part in, or that was told names of parts, one: its envs, an
    iteration of its learner, an evaluation, and what follows on a file of its state. Of each measure of a
    plug-in, what it asks of one agent that has not learned. What has finished once is not tried again.

    Args:
        jobs: Of the study.
        device: Of the learners.
        finished: Returns the keys of jobs that have finished; asked only if there is something to try.

    Raises:
        StudyError: It fails.
    """
    groups: dict[Any, list[Job]] = {}
    for job in jobs:
        if job.kind in ("pretrain", "adapt") and (parts := to_try(job)):
            groups.setdefault(parts, []).append(job)
        for measure in own_measures(job):
            groups.setdefault(measure.name, []).append(job)
    done = finished() if groups else ()
    until, remarks = time.monotonic() + LONGEST_S, []
    tried = False
    measures_last = sorted(groups.items(), key=lambda group: isinstance(group[0], str))
    due = [(what, mine[0]) for what, mine in measures_last if not any(job.key in done for job in mine)]
    for place, (what, job) in enumerate(due):
        try:
            if isinstance(what, str):
                try_measure(registered().measures[what], job, device, until)
                continue
            if not tried and is_theirs(suite_of(job.spec["benchmark"]).make):
                remarks += try_envs(job)
            tried = True
            try_training(job, device, until, exact=device == "cpu" and not remarks)
        except Enough:
            left = [job.title for _, job in due[place:]]
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            remarks.append(
                f"what plug-ins bring was tried for {LONGEST_S:.0f} s, which was not enough for "
                f"{', '.join(left[:3])}{more}: what is wrong there comes out in the jobs themselves"
            )
            break
        except StudyError as error:
            raise StudyError(f"{job.title}, tried before anything runs: {error}") from error
        except (Exception, SystemExit) as error:
            said = in_a_sentence(error)
            if not line_in_a_plugin(error) and ".py, line" not in said:
                said += f", with {made_of(job, what)}"
            raise StudyError(
                f"{job.title}, tried before anything runs: {said}; mend it and run the same command again"
            ) from error
    if groups:
        give_back_memory()
    return remarks


def own_measures(job: Job) -> list[Measure]:
    """Returns the measures of plug-ins that a job plays."""
    names = [job.spec["measure"]] if job.kind == "measure" else job.spec.get("measures", ())
    return [one for one in map(registered().measures.__getitem__, names) if one.play and is_theirs(one.play)]


def to_try(job: Job) -> tuple[Any, ...]:
    """Returns what kind of training a job is, if it is one to try; nothing if it is all ours.

    Of envs of a plug-in's one training of each kind is enough; a learner is tried with each paradigm, and
    ours with whatever retentions were told in names.
    """
    spec = job.spec
    parts = trained_by(spec)
    told = told_names(spec.get("retain", {}))
    if not told and not any(map(is_theirs, parts)):
        return (job.kind,) if is_theirs(suite_of(spec["benchmark"]).make) else ()
    return job.kind, *parts, spec.get("adaptation"), told


def told_names(retained: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, str, str], ...]:
    """Returns each retention, field and value that is a name, or names, and not the default."""
    defaults = {name: fields_of(registered().retentions[name].config()) for name in retained}
    return tuple(
        (name, field, str(value))
        for name, told in retained.items()
        for field, value in told.items()
        if field != "version" and isinstance(value, str | list) and value != defaults[name].get(field)
    )


def trained_by(spec: Mapping[str, Any]) -> list[Any]:
    """Returns a training's learner, its paradigm, what it keeps, and networks that its config names."""
    learner, config = read_spec(spec["phase"])
    paradigm = registered().methods[spec["paradigm"]].made_by(learner)
    hooks = [registered().retentions[name].hook for name in spec.get("retain", {})]
    return [learner.made_by, paradigm, *hooks, *own_networks(config).values()]


def try_envs(job: Job) -> list[str]:
    """Holds vector envs of a plug-in's against what moves and scores agents; returns remarks.

    Raises:
        TypeError: They are no vector envs.
        ValueError: Their slots do not move between tasks.
    """
    spec, suite = job.spec, suite_of(job.spec["benchmark"])
    who = named(suite.make)
    tasks = [*(job.parent.spec["tasks"] if job.parent else spec.get("tasks", ())), spec.get("task")][:2]
    tasks = [task for task in tasks if task is not None]
    envs: Any = make_envs(spec["benchmark"], tasks, 2, 0, on_episode_end="stay", **env_options(spec))
    if not isinstance(envs, VectorEnv):
        raise TypeError(f"{who} gave {envs!r}: let it return vector envs, as from_gymnasium(...) makes them")
    with closing(envs):
        asked = [tasks[-1], tasks[0]]
        seeds: Any = [1, 1]
        seen: list[list[str]] = [[], []]
        for digests in seen:
            options = {"tasks": asked, "reset_mask": np.ones(2, np.bool_)}
            obs, info = envs.reset(seed=seeds, options=options)
            expected, said = [tasks.index(task) for task in asked], info.get("task_index")
            if said is None or np.asarray(said).tolist() != expected:
                raise ValueError(
                    f"slots of {who} were told to play tasks {expected}, and info['task_index'] says {said}: "
                    "let them move between tasks, as those of from_gymnasium do"
                )
            digests.append(digest_of(obs))
            envs.action_space.seed(0)
            for _ in range(PLAYED_STEPS):
                digests.append(digest_of(*envs.step(envs.action_space.sample())[:4]))
    if seen[0] == seen[1]:
        return []
    return [
        f"envs of {who} do not play the same again after a reset with the same seed, so this study gives "
        "other numbers each time it runs: let them draw all from the seed of reset (self.np_random)"
    ]


def try_training(job: Job, device: str, until: float, *, exact: bool) -> None:
    """Runs a training up to the second snapshot of its learning, once as it is and once on from a file.

    Where it is to be `exact`, both come to the same weights.

    Raises:
        ValueError: From a file it goes on in another way.
    """
    spec, budget = job.spec, Budget(env_steps=job.budget_env_steps, demos=demos_asked(job.spec))
    store: Any = Untrained(device)
    at = spec["at"] if job.kind == "adapt" else ()
    context = context_of(job, {"episodes": 1, "max_steps": EVALUATED_STEPS, "num_envs": 1})

    def opened(resume: dict[str, Any] | None = None, since: int = -1) -> Iterator[Snapshot]:
        ledger = Hurried(budget, until)
        stream = open_stream(job, store, ledger, budget, at, device, resume, Visits())
        return held(followed(stream, store, job, False), job, [step for step in at if step <= since])

    stream, state = opened(), None
    for first in stream:
        weights_of(first.policy)
        context.score(first.policy, [spec.get("task") or spec["tasks"][0]], 1, env_step=first.env_step)
        if first.env_step:
            break
    if first.resumable or "restart_every" not in spec["phase"]:  # envs that never save say what to do
        with TemporaryDirectory() as folder:
            write_state(Path(folder) / "state", first.state())
            state = read_state(Path(folder) / "state")
    second = next(stream, None)
    del stream
    if state is None or second is None:
        return
    again = next(opened(state, first.env_step))
    expected, came = (weights_of(one.policy) for one in (second, again))
    if exact and (different := sorted(name for name in expected if not same(expected, came, name))):
        raise ValueError(
            f"it goes on from a checkpoint in another way than without one: after {second.env_step:,} env "
            f"steps {different[0]} is another; let state_dict() and load_state_dict() of {made_of(job)} hold "
            "all that the next step depends on, generators as well"
        )


def try_measure(measure: Measure, job: Job, device: str, until: float) -> None:
    """Asks an agent that has not learned what a measure asks, and makes a table of it."""
    store: Any = Untrained(device)
    if job.kind == "measure":
        pl.DataFrame(rows_of(job, store, device, hurried(context_of(job), until)))
        return
    context = hurried(context_at(measure, job, job.budget_env_steps), until)
    pl.DataFrame(asked_of(measure, restore(job, store, device).policy, context))


def hurried(context: Context, until: float) -> HurriedContext:
    """Returns a context whose envs stop when the time is over."""
    return HurriedContext(**{one.name: getattr(context, one.name) for one in fields(context)}, until=until)


def same(weights: Mapping[str, Tensor], others: Mapping[str, Tensor], name: str) -> bool:
    """Whether both have the same numbers there, NaN among them."""
    return name in others and torch.equal(weights[name].nan_to_num(), others[name].nan_to_num())


def made_of(job: Job, measure: Any = None) -> str:
    """Returns what of a training, or of what a measure asks, was to be tried, for people."""
    if isinstance(measure, str):
        return named(registered().measures[measure].play)
    things = [*filter(is_theirs, trained_by(job.spec))] or [suite_of(job.spec["benchmark"]).make]
    if theirs := [*filter(is_theirs, things)]:
        return ", ".join(map(named, theirs))
    return "retention " + " and ".join(dict.fromkeys(name for name, *_ in told_names(job.spec["retain"])))


def is_theirs(thing: Any) -> bool:
    """Whether a class or function is of a plug-in."""
    return module_of(thing).partition(".")[0] not in OURS
