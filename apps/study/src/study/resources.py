"""What a study uses of this machine, as it was asked to: device, workers, engine, paths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from study.arguments import Arguments
from study.engines.schedule import RunOptions
from study.errors import StudyError, unknown
from study.machine import cores
from study.plan import Plan
from study.registry import Launcher, registered

MAX_WORKERS = 1024


def with_paths(arguments: Arguments) -> Arguments:
    """Returns the arguments with ~ in paths as the user's folder: a shell leaves `--output=~/x` as it is."""
    paths = {name: value for name, value in vars(arguments).items() if isinstance(value, Path)}
    try:
        expanded: dict[str, Any] = {name: path.expanduser() for name, path in paths.items()}
        if arguments.cache:
            expanded["cache"] = tuple(path.expanduser() for path in arguments.cache)
        return replace(arguments, **expanded)
    except RuntimeError as error:  # ~nobody
        raise StudyError(f"{error}; write the path out") from None


def options_of(arguments: Arguments, device: str) -> RunOptions:
    """Returns how the jobs run.

    Raises:
        StudyError: There is no such engine.
    """
    launcher_of(arguments)
    return RunOptions(device, arguments.checkpoint_every_s, arguments.plugin, arguments.engine)


def launcher_of(arguments: Arguments) -> Launcher:
    """Returns the record of who is to run the jobs; raises StudyError if nobody knows it."""
    known = registered().launchers
    if arguments.engine not in known:
        raise unknown("engine", arguments.engine, known)
    return known[arguments.engine]


def workers_of(arguments: Arguments, device: str, plan: Plan) -> int:
    """Returns how many workers this process starts: none, unless asked for, where others run elsewhere."""
    if launcher_of(arguments).start is None and arguments.workers is None:
        return 0
    return choose_workers(arguments.workers, device, len(plan.jobs))


def choose_device(asked: str) -> str:
    """Returns a torch device name for "auto" or checks the one that was asked for.

    Raises:
        StudyError: There is no such device here.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda") or (device.type == "cpu" and device.index):
        raise StudyError(f"unknown device {asked!r}; use auto, cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise StudyError(
            f"device {asked!r} is not here ({torch.cuda.device_count()} CUDA GPUs found); use --device cpu"
        )
    return asked


def choose_workers(asked: int | None, device: str, jobs: int) -> int:
    """Returns the number of worker processes: one a core on a CPU, one on a GPU, unless asked for."""
    if asked is not None:
        if not 0 <= asked <= MAX_WORKERS:
            raise StudyError(
                f"--workers {asked} is out of range; give 0 (this process alone) to {MAX_WORKERS}"
            )
        return asked
    return min(cores(), jobs) if device == "cpu" else 1
