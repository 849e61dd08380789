"""A paradigm's stream of snapshots, held against its contract as they come."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from traceback import walk_tb
from typing import Any

import torch
from fvm_meta import Snapshot

from study.errors import StudyError
from study.folder.store import Store
from study.jobs.agents import MeteredEnvs
from study.jobs.environments import make_envs
from study.learners import read_spec
from study.plan import Job
from study.plugins import named
from study.registry import registered


def stream_of(job: Job) -> str:
    """Returns the method that gives a job's snapshots, for people: "Near.adapt (near.py, line 27)"."""
    kind, _ = read_spec(job.spec["phase"])
    paradigm = registered().methods[job.spec["paradigm"]].made_by(kind)
    return named(paradigm.pretrain if job.kind == "pretrain" else paradigm.adapt)


def held(snapshots: Iterable[Any], job: Job, scored: Collection[int] = ()) -> Iterator[Snapshot]:
    """Yields the snapshots of a job's stream, which are at rising steps and at each that is to be scored.

    Args:
        snapshots: As they come.
        job: Whose.
        scored: Env steps at which a run that goes on has scored its agent already.

    Raises:
        TypeError: It yields something else.
        ValueError: A step is left out or comes twice, or the stream ends before its budget is spent.
    """
    due = set(job.spec["at"]) - set(scored) if job.kind == "adapt" else set()
    last, budget = -1, job.budget_env_steps
    for snapshot in snapshots:
        if not isinstance(snapshot, Snapshot):
            raise TypeError(f"{stream_of(job)} yields a {type(snapshot).__name__}: let it yield snapshots")
        step = snapshot.env_step
        if left_out := sorted(one for one in due if one < step):
            raise ValueError(
                f"{stream_of(job)} goes on to env step {step:,} and has left out {left_out}, at which its "
                "agent is to be scored: let it yield a snapshot exactly at each step of `at`"
            )
        if step < last or (step == last and step in job.spec.get("at", ())):
            raise ValueError(
                f"{stream_of(job)} yields env step {step:,} after {last:,}: let each snapshot come later "
                "than the one before, and one alone at each step of `at`"
            )
        due.discard(step)
        last = step
        yield snapshot
    if last < budget:
        raise ValueError(
            f"{stream_of(job)} ends at env step {max(last, 0):,} of {budget:,}: let it yield snapshots until "
            "the budget is spent"
            + ("; a method without a pretraining of its own says so by `pretrained_as`" if last < 0 else "")
        )


def followed(stream: Any, store: Store, job: Job, resumed: bool) -> Iterator[Snapshot]:
    """Yields a stream's snapshots; the first of a resumed one shows whether its checkpoint fits.

    Raises:
        TypeError: It is no stream.
    """
    if not isinstance(stream, Iterator):
        raise TypeError(
            f"{stream_of(job)} gave a {type(stream).__name__}: let it yield snapshots (`yield from ...`)"
        )
    with fitting(store, job) if resumed else nullcontext():
        first = list(islice(stream, 1))
    yield from first
    yield from stream


@contextmanager
def fitting(store: Store, job: Job) -> Iterator[None]:
    """While open, a job goes on from its checkpoint: one that does not fit it is said in a sentence.

    Raises:
        StudyError: It lacks something, or is of something else, whatever its checksum says.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if of_the_envs(error):
            raise
        why = " ".join(str(error).split())[:200]
        raise StudyError(
            f"{store.checkpoint(job)} does not fit its job ({type(error).__name__}: {why}); delete this file "
            "and run the same command again: only the job it belongs to starts anew"
        ) from error


def of_the_envs(error: Exception) -> bool:
    """Whether envs raised it while they were made or played: then it says nothing of a checkpoint."""
    codes = [frame.f_code for frame, _ in walk_tb(error.__traceback__)]
    return make_envs.__code__ in codes or MeteredEnvs.step.__code__ in codes
