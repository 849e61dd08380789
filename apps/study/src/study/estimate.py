"""What a study would take here: time from a short measurement, disk and memory from its parts."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import psutil
import torch
from fvm_meta.stream import can_save
from rich.console import Console
from rich.table import Table

from study import plugins
from study.config import StudyConfig
from study.engines.processes import one_thread
from study.environments import env_options, make_envs
from study.errors import StudyError
from study.learners import read_spec, spec_of
from study.machine import memory_bytes
from study.needs import Needs, size_words, with_measured
from study.pace import does_of
from study.plan import Job, Plan
from study.retentions import look_back_env_steps
from study.state_file import write_state
from study.terminal import count, duration

MEASURE_S = 12.0  # of all kinds of jobs together, beside what starting takes
REPORT_S = 5.0  # to collect and draw a study of some dozens of jobs
CUDA_CONTEXT_BYTES = 700_000_000  # of a process, beside its tensors: kernels and libraries, about
MEASURE_STEPS = 1024  # env steps of a measured iteration, about


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One worker's speed and size at one kind of job."""

    steps_per_s: float
    memory_bytes: int
    checkpoint_bytes: int
    weights_bytes: int
    evaluation_s: float  # of one snapshot
    gpu_bytes: int = 0  # what the process took of its GPU at most


def show(
    console: Console,
    config: StudyConfig,
    plan: Plan,
    tuning: Plan | None,
    output: Path,
    device: str,
    workers: int,
) -> None:
    """Prints the grid and what it would take; runs a few seconds of each kind of job, and keeps nothing.

    `tuning` holds the trials that come before, if any.
    """
    trials = tuning.jobs if tuning else ()
    everything = (*trials, *plan.jobs)
    kinds = {
        kind: [job for job in plan.jobs if job.kind == kind]
        for kind in ("baseline", "pretrain", "adapt", "measure")
    }
    grid = Table(title=f"{config.benchmark} {config.preset}: {len(everything)} jobs", title_justify="left")
    for column in ("jobs", "of", "env steps each", "env steps"):
        grid.add_column(column, justify="left" if column == "of" else "right")
    if tuning:
        grid.add_row(str(len(trials)), "tuning (all methods)", "", f"{tuning.env_steps:,}")
    for kind, jobs in kinds.items():
        methods = ", ".join(dict.fromkeys(job.method for job in jobs))
        if jobs:
            budgets = " / ".join(f"{steps:,}" for steps in sorted({job.budget_env_steps for job in jobs}))
            steps = sum(job.budget_env_steps for job in jobs)
            grid.add_row(str(len(jobs)), f"{kind} ({methods})", budgets, f"{steps:,}")
    env_steps = sum(job.budget_env_steps for job in everything)
    grid.add_row(str(len(everything)), "in all", "", f"{env_steps:,}")
    console.print(grid)
    console.print(f"measuring on {device} with {max(workers, 1)} at a time ...", style="dim")

    disk, checkpoints, memory = 0, 0, 0
    groups = alike(everything)
    found, start_s = measure([jobs[-1] for jobs in groups.values()], device, max(workers, 1))
    seconds = start_s + REPORT_S
    for ((kind, learner, does), jobs), measured in zip(groups.items(), found, strict=True):
        snapshots = len(jobs[0].spec.get("at", (0,)))
        looked_back = sum(look_back_env_steps(job.spec.get("retain", {})) for job in jobs)
        steps = looked_back + sum(job.budget_env_steps for job in jobs) if does else 0
        each = steps / len(jobs) / measured.steps_per_s + snapshots * measured.evaluation_s
        seconds += each * len(jobs) / max(workers, 1)
        disk += len(jobs) * (measured.weights_bytes + 50_000)
        checkpoints = max(checkpoints, max(workers, 1) * 2 * measured.checkpoint_bytes)
        memory = max(memory, max(workers, 1) * measured.memory_bytes)
        console.print(
            f"  {kind} {learner}{', acting only' if does == 'acts' else ''}: "
            f"{count(measured.steps_per_s)} env steps/s a worker, "
            f"{duration(each)} a job, {measured.checkpoint_bytes / 1e6:.0f} MB a checkpoint"
        )
    played = sum(job.kind in ("baseline", "measure") for job in everything)
    one_s = max(measured.evaluation_s for measured in found)  # most play as many episodes as a snapshot does
    seconds += played * one_s / max(workers, 1)
    console.print(f"  {played} jobs that play: {duration(one_s)} a job; start and report: ", end="")
    console.print(duration(start_s + REPORT_S))
    free = shutil.disk_usage(_existing(output)).free
    available = psutil.virtual_memory().available
    console.print(f"time      about {duration(seconds)}, give or take a third")
    console.print(
        f"disk      about {(disk + checkpoints) / 1e6:,.0f} MB in {output} ({free / 1e9:,.0f} GB free)",
        soft_wrap=True,
    )
    console.print(f"memory    about {memory / 1e9:.1f} GB ({available / 1e9:.1f} GB available)")
    asked = with_measured(
        {kind: Needs() for kind in kinds if kinds[kind]}, by_kind([g[0] for g in groups], found)
    )
    words = " ".join(f"{kind}={size_words(needs.memory)}" for kind, needs in asked.items())
    console.print(f"          to say so to workers and batch systems: --memory {words}", soft_wrap=True)
    if memory > available:
        console.print("          more than is available: use fewer --workers", style="yellow")


def check_memory(jobs: Sequence[Job], device: str, workers: int) -> None:
    """Say now, not when they have filled up after hours, that the replays do not fit.

    Raises:
        StudyError: Those of all workers together are larger than this machine's memory.
    """
    phases = {}
    for job in jobs:
        if job.kind in ("pretrain", "adapt"):
            tasks = job.spec["tasks"] if job.kind == "pretrain" else [job.spec["task"]]
            phases[job.kind, len(tasks)] = *read_spec(job.spec["phase"]), tasks, job
    needed = 0
    for kind, config, tasks, job in phases.values():
        if "replay" in kind.capabilities and device == "cpu":
            options = env_options(job.spec)
            with closing(make_envs(job.spec["benchmark"], tasks[:1], 1, 0, **options)) as envs:
                nbytes = kind.memory_nbytes(config, envs.single_observation_space, len(tasks))
            needed = max(needed, nbytes * max(workers, 1))
    memory = memory_bytes()
    if needed > memory:
        raise StudyError(
            f"the replays of {max(workers, 1)} jobs at a time take {needed / 1e9:.1f} GB and this machine "
            f"has {memory / 1e9:.1f} GB of memory; use fewer --workers or a smaller preset"
        )


def alike(jobs: Sequence[Job]) -> dict[tuple[str, str, str], list[Job]]:
    """Returns the trainings that take about the same: by kind, base learner, and what they do.

    "learns", "acts" (PEARL's context), or next to nothing, "": zero-shot, and RL2's first trials.
    """
    groups: dict[tuple[str, str, str], list[Job]] = {}
    for job in jobs:
        if job.kind in ("pretrain", "adapt"):
            kind, config = read_spec(job.spec["phase"])
            does = does_of(job)
            groups.setdefault((job.kind, kind.words(config), "" if does == "nothing" else does), []).append(
                job
            )
    return groups


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
        evaluation_s=sum(m.evaluation_s for m in found) / len(found),
        gpu_bytes=max(m.gpu_bytes for m in found),
    )


def memory_of(jobs: Sequence[Job], device: str) -> dict[str, int]:
    """Returns the memory that a job of each kind takes, by the first iterations of each kind of training."""
    groups = alike(jobs)
    if not groups:
        return {}
    found, _ = measure([group[-1] for group in groups.values()], device, 1)
    return by_kind([kind for kind, _, _ in groups], found)


def by_kind(kinds: Sequence[str], found: Sequence[Measured]) -> dict[str, int]:
    """Returns the most memory that was measured, by kind of job."""
    most: dict[str, int] = {}
    for kind, measured in zip(kinds, found, strict=True):
        most[kind] = max(most.get(kind, 0), measured.memory_bytes)
    return most


def gpu_bytes(jobs: Sequence[Job], device: str) -> int:
    """Returns what one worker takes of a GPU at most, by the first iterations of each kind of training."""
    examples = [group[-1] for group in alike(jobs).values()]
    return max(measured.gpu_bytes for measured in measure(examples, device, 1)[0]) if examples else 0


def _measure(job: Job, device: str, for_s: float) -> Measured:
    from study.agents import build_paradigm
    from study.job import context_of

    torch.set_num_threads(1)
    phase, tasks = job.spec["phase"], job.spec["tasks"] if job.kind == "pretrain" else [job.spec["task"]]
    kind, config = read_spec(phase)
    config = kind.as_measured(config, phase["num_envs"], learns=does_of(job) == "learns")
    spec = {**job.spec, "phase": {**phase, "learner": spec_of(config)}}
    learner, envs = build_paradigm(spec, device).start(tasks, job.seeds()[0], "resample")
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
    evaluation_s = 0.0
    if job.kind == "adapt":
        evaluating = time.perf_counter()
        policy = learner.frozen_policy()
        context_of(job).score(policy, [job.spec["task"]], job.spec["evaluation"]["episodes"], env_step=0)
        evaluation_s = time.perf_counter() - evaluating
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        envs_state = envs.state_dict() if can_save(envs) else {}  # type: ignore[attr-defined]
        write_state(path, {"learner": learner.state_dict(), "envs": envs_state})
        checkpoint_bytes = path.stat().st_size + replays
    weights = learner.frozen_policy().weights
    return Measured(
        steps_per_s=steps_per_s,
        memory_bytes=psutil.Process().memory_info().rss + rest_of_rollout + replays,
        checkpoint_bytes=checkpoint_bytes,
        weights_bytes=sum(tensor.nbytes for tensor in weights.values()),
        evaluation_s=evaluation_s,
        gpu_bytes=0 if device == "cpu" else torch.cuda.max_memory_reserved(device) + CUDA_CONTEXT_BYTES,
    )


def _existing(path: Path) -> Path:
    path = path.resolve()
    while not path.exists():
        path = path.parent
    return path
