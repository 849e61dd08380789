"""What a study uses of this machine, as it was asked to: workers, engine, paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from study.command_line.arguments import Arguments
from study.engines.schedule import RunOptions
from study.errors import StudyError, at_home, unknown
from study.estimates import estimate
from study.machine.devices import choose_devices
from study.machine.limits import cores
from study.machine.needs import MEASURED, check_here, largest, needs_of, with_measured
from study.plan import Plan
from study.registry import Launcher, registered

MAX_WORKERS = 1024
GPU_SHARE = 0.9  # of a GPU's free memory that workers may fill: it is lost in pieces, and libraries take some


def with_paths(arguments: Arguments) -> Arguments:
    """Returns the arguments with ~ in paths as the user's folder: a shell leaves `--output=~/x` as it is."""
    paths = {name: value for name, value in vars(arguments).items() if isinstance(value, Path)}
    expanded: dict[str, Any] = {name: at_home(path) for name, path in paths.items()}
    if arguments.cache:
        expanded["cache"] = tuple(map(at_home, arguments.cache))
    return replace(arguments, **expanded)


def options_of(arguments: Arguments, device: str) -> RunOptions:
    """Returns how the jobs run.

    Raises:
        StudyError: There is no such engine, or what a job needs is none of what can be said, or not here.
    """
    here = launcher_of(arguments).here
    found = needs_of(arguments.cpus, arguments.gpus, arguments.memory, device != "cpu")
    if here:
        check_here(found, device)
    return RunOptions(
        device,
        arguments.checkpoint_every_s,
        arguments.plugin,
        arguments.engine,
        devices=choose_devices(arguments.device, here=here),
        needs=found,
        ray_address=arguments.ray_address,
    )


def launcher_of(arguments: Arguments) -> Launcher:
    """Returns the record of who is to run the jobs; raises StudyError if nobody knows it."""
    known = registered().launchers
    if arguments.engine not in known:
        raise unknown("engine", arguments.engine, known)
    return known[arguments.engine]


def workers_of(arguments: Arguments, device: str, plan: Plan) -> int:
    """Returns how many workers this process starts: none, unless asked for, where others run elsewhere.

    On GPUs as many as their free memory holds, by a measurement of some seconds.

    Raises:
        StudyError: None at all are asked of a launcher that is there to start them elsewhere.
    """
    launcher = launcher_of(arguments)
    if arguments.workers == 0 and launcher.start is not None and not launcher.here:
        raise StudyError(
            f"--engine {launcher.name} starts workers elsewhere, and --workers 0 asks for none; give 1 "
            "or more, or leave --workers out for as many as there is room for"
        )
    if launcher.start is None and arguments.workers is None:
        return 0
    if arguments.workers is None and not launcher.here:
        return len(plan.jobs)  # or as many as there is room for where they run
    if arguments.workers is None and device != "cpu" and len(plan.jobs) > 1:
        devices = choose_devices(arguments.device)
        free = [torch.cuda.mem_get_info(torch.device(name))[0] for name in devices]
        fit = workers_on_gpus(free, estimate.gpu_bytes(plan.jobs, devices[0]), cores())
        return min(fit, len(plan.jobs))
    most = largest(needs_of(arguments.cpus, arguments.gpus, (), on_gpu=False)).cpus
    return choose_workers(arguments.workers, device, len(plan.jobs), most)


def workers_on_gpus(free_bytes: Sequence[int], job_bytes: int, most: int) -> int:
    """Returns how many workers fit on GPUs side by side, at least one on each.

    Args:
        free_bytes: Free memory of each GPU.
        job_bytes: What one worker was measured to take.
        most: Cores that can feed them.
    """
    fit = min(int(free * GPU_SHARE) // max(job_bytes, 1) for free in free_bytes)
    return max(1, min(fit, most // len(free_bytes))) * len(free_bytes)


def with_measured_needs(arguments: Arguments, options: RunOptions, plan: Plan) -> RunOptions:
    """Returns how the jobs run, with the memory that they need measured, if that was asked for.

    Raises:
        StudyError: One needs more than this machine has, and is to run here.
    """
    if MEASURED not in arguments.memory:
        return options
    found = with_measured(options.needs, estimate.memory_of(plan.jobs, options.device))
    if launcher_of(arguments).here:
        check_here(found, options.device)
    return replace(options, needs=found)


def choose_workers(asked: int | None, device: str, jobs: int, cpus: float = 1.0) -> int:
    """Returns the number of worker processes: one a core on a CPU, one on a GPU, unless asked for.

    Of jobs that need several `cpus` as many as fit.
    """
    if asked is not None:
        if not 0 <= asked <= MAX_WORKERS:
            raise StudyError(
                f"--workers {asked} is out of range; give 0 (this process alone) to {MAX_WORKERS}"
            )
        return asked
    return min(max(1, int(cores() / cpus)), jobs) if device == "cpu" else 1
