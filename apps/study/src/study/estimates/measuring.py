"""How fast and how large each kind of work is here, by its first seconds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import torch
from fvm_meta.stream import can_save

from study import plugins
from study.estimates.pace import does_of
from study.estimates.playing import Playing, watched
from study.folder.state_file import write_state
from study.learners import read_spec, spec_of
from study.machine.limits import one_thread
from study.plan import Job

MEASURE_S = 12.0  # of all kinds of work together, beside what starting takes
CUDA_CONTEXT_BYTES = 700_000_000  # of a process, beside its tensors: kernels and libraries, about
MEASURE_STEPS = 1024  # env steps of a measured iteration, about

Work = tuple[str, str, str]  # a kind of job, its learner or player in words, and what it does


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One worker's speed and size at one kind of work.

    Attributes:
        steps_per_s: Env steps of training; 0 where nothing is trained.
        begin_s: Seconds until a training takes its first step: its agent and its envs are made.
        playing: What it takes to play the agent, which has hardly learned; None where it is not played.
        memory_bytes: Of the process.
        checkpoint_bytes: Of a job under way.
        weights_bytes: Of a finished agent.
        gpu_bytes: What the process took of its GPU at most.
        busy_frac: Processor seconds that a second of the process takes: below 1 where others want the
            cores, or where it waits for a GPU. A simulator in a process of its own is not counted.
    """

    steps_per_s: float = 0.0
    begin_s: float = 0.0
    playing: Playing | None = None
    memory_bytes: int = 0
    checkpoint_bytes: int = 0
    weights_bytes: int = 0
    gpu_bytes: int = 0
    busy_frac: float = 1.0


def player_words(name: str) -> str:
    """Returns what a scripted player is called among learners."""
    return f"player {name}"


def work_of(job: Job) -> Work:
    """Returns what jobs have in common that take about the same: kind, learner or player, what they do.

    A training "learns", "acts" (PEARL's context), or does next to nothing, "": zero-shot, and RL2's first
    trials. Measures are of the training that they ask.
    """
    if job.kind == "baseline":
        return job.kind, player_words(job.method), ""
    training = job.parent if job.kind == "measure" and job.parent is not None else job
    kind, config = read_spec(training.spec["phase"])
    does = "" if job.kind == "measure" or (does := does_of(job)) == "nothing" else does
    return job.kind, kind.words(config), does


def trainings(jobs: Sequence[Job]) -> dict[Work, list[Job]]:
    """Returns the trainings that take about the same."""
    groups: dict[Work, list[Job]] = {}
    for job in jobs:
        if job.kind in ("pretrain", "adapt"):
            groups.setdefault(work_of(job), []).append(job)
    return groups


def players(jobs: Sequence[Job]) -> dict[Work, list[Job]]:
    """Returns the baselines of each scripted player."""
    groups: dict[Work, list[Job]] = {}
    for job in jobs:
        if job.kind == "baseline":
            groups.setdefault(work_of(job), []).append(job)
    return groups


def asked_alone(plan: Sequence[Job], left: Sequence[Job]) -> dict[Work, list[Job]]:
    """Returns adaptations of a plan with an agent of each learner, where measures are left and none of them.

    What a measure takes is known from agents that adapt, since these are played.
    """
    kinds = {job.kind for job in left}
    if "measure" not in kinds or "adapt" in kinds:
        return {}
    agents = {work[1]: (work, jobs) for work, jobs in trainings(plan).items() if work[0] == "adapt"}
    return dict(agents.values())


def measure(jobs: Sequence[Job], device: str, workers: int) -> tuple[list[Measured], float]:
    """Returns each job's speed, the mean of `workers` processes that run its first seconds side by side.

    And the seconds that a worker takes to start.
    """
    spawn, named = get_context("spawn"), (plugins.given(),)
    started = time.perf_counter()
    with one_thread(), ProcessPoolExecutor(workers, spawn, plugins.load, named) as pool:
        list(pool.map(_begin, range(workers)))
        start_s, each_s = time.perf_counter() - started, MEASURE_S / len(jobs)
        found = [
            list(pool.map(_measure, [job] * workers, [device] * workers, [each_s] * workers)) for job in jobs
        ]
    return [_mean(measured) for measured in found], start_s


def _begin(number: int) -> int:
    """Imports what a worker does before its first job."""
    import study.engines.worker  # noqa: F401

    return number


def _mean(found: Sequence[Measured]) -> Measured:
    return Measured(
        steps_per_s=sum(m.steps_per_s for m in found) / len(found),
        memory_bytes=max(m.memory_bytes for m in found),
        checkpoint_bytes=found[0].checkpoint_bytes,
        weights_bytes=found[0].weights_bytes,
        begin_s=sum(m.begin_s for m in found) / len(found),
        playing=mean_playing([m.playing for m in found if m.playing is not None]),
        gpu_bytes=max(m.gpu_bytes for m in found),
        busy_frac=sum(m.busy_frac for m in found) / len(found),
    )


def mean_playing(found: Sequence[Playing]) -> Playing | None:
    """Returns the mean of what was seen of several processes or players; None of none."""
    if not found:
        return None
    means = {
        name: sum(getattr(one, name) for one in found) / len(found)
        for name in ("begin_s", "row_s", "more_s", "shortest")
    }
    longest = max(one.longest for one in found)
    same = all(one.fixed and one.longest == longest for one in found)
    return Playing(**means, longest=longest, ended=all(one.ended for one in found), fixed=same)


def _measure(job: Job, device: str, for_s: float) -> Measured:
    torch.set_num_threads(1)
    started, processor_s = time.perf_counter(), time.process_time()
    if job.kind == "baseline":
        measured = Measured(playing=_playing(job, job.spec["policy"], for_s))
    else:
        measured = _trained(job, device, for_s)
    busy_frac = (time.process_time() - processor_s) / (time.perf_counter() - started)
    return replace(measured, busy_frac=min(busy_frac, 1.0))


def _trained(job: Job, device: str, for_s: float) -> Measured:
    """Returns what the first iterations of a training took, and an evaluation of what they made."""
    phase, tasks = job.spec["phase"], job.spec["tasks"] if job.kind == "pretrain" else [job.spec["task"]]
    kind, config = read_spec(phase)
    config = kind.as_measured(config, phase["num_envs"], learns=does_of(job) == "learns")
    spec = {**job.spec, "phase": {**phase, "learner": spec_of(config)}}
    learner, envs = _start(spec, device, tasks, job)  # first-use costs
    envs.close()
    started = time.perf_counter()
    learner, envs = _start(spec, device, tasks, job)
    begin_s = time.perf_counter() - started
    whole = min(learner.iteration_env_steps(envs.num_envs), job.budget_env_steps)
    part = min(
        whole, max(MEASURE_STEPS // envs.num_envs, 1) * envs.num_envs
    )  # a whole rollout of a big network takes minutes on a CPU
    learner.iteration(envs, part)  # first-use costs
    started, steps = time.perf_counter(), 0
    while steps == 0 or time.perf_counter() - started < for_s:
        steps += learner.iteration(envs, part).env_steps
    steps_per_s = steps / (time.perf_counter() - started)
    observation = envs.single_observation_space.sample()
    parts = observation.values() if isinstance(observation, dict) else [observation]
    rest_of_rollout = (whole - part) * sum(array.nbytes for array in parts)
    replays = kind.memory_nbytes(config, envs.single_observation_space, len(tasks))  # nearly empty as yet
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        envs_state = envs.state_dict() if can_save(envs) else {}
        write_state(path, {"learner": learner.state_dict(), "envs": envs_state})
        checkpoint_bytes = path.stat().st_size + replays
    policy = learner.frozen_policy()
    return Measured(
        steps_per_s=steps_per_s,
        begin_s=begin_s,
        playing=_playing(job, policy, for_s) if job.kind == "adapt" else None,
        memory_bytes=psutil.Process().memory_info().rss + rest_of_rollout + replays,
        checkpoint_bytes=checkpoint_bytes,
        weights_bytes=sum(tensor.nbytes for tensor in policy.weights.values()),
        gpu_bytes=0 if device == "cpu" else torch.cuda.max_memory_reserved(device) + CUDA_CONTEXT_BYTES,
    )


def _start(spec: Mapping[str, Any], device: str, tasks: Sequence[str], job: Job) -> tuple[Any, Any]:
    from study.jobs.agents import build_paradigm

    return build_paradigm(spec, device).start(tasks, job.seeds()[0], "resample")


def _playing(job: Job, policy: Any, for_s: float) -> Playing:
    from study.jobs.job import context_of

    return watched(context_of(job), policy, job.spec["task"], for_s)
