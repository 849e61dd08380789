"""What this process may use of the machine: a container's or batch system's share, not all that is there."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
MINE = Path("/proc/self/cgroup")


def cores(cgroups: Path = CGROUPS, mine: Path = MINE) -> int:
    """Returns the number of CPU cores that this process may keep busy, at least 1."""
    allowed = float(len(os.sched_getaffinity(0)))
    for folder in _groups(cgroups, mine, "cpu"):
        allowed = min(allowed, _quota(folder))
    return max(1, int(allowed))


def memory_bytes(cgroups: Path = CGROUPS, mine: Path = MINE) -> int:
    """Returns the memory that this process and its like may take."""
    limit = int(psutil.virtual_memory().total)
    for folder in _groups(cgroups, mine, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(folder / name)
            if text.isdigit():
                limit = min(limit, int(text))
    return limit


@contextmanager
def one_thread() -> Iterator[None]:
    """While open, child processes start with one thread for every numerical library."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def give_back_memory() -> None:
    """Frees what objects hold that know only each other, and gives the system what the C library keeps of it.

    A learner lies in such circles, replay and all, until Python looks for them. And of what is freed glibc
    keeps all that lies below something still in use: after 300 jobs of Rainbow on Catch 2.5 GB.
    """
    gc.collect()
    with suppress(AttributeError, OSError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _groups(cgroups: Path, mine: Path, controller: str) -> list[Path]:
    """Returns the folders of the control groups that hold this process, and of those that hold them."""
    folders: list[Path] = []
    for line in _text(mine).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        parts = [part for part in name.split("/") if part not in ("", "..")]
        if number == "0" and not controllers:
            top = cgroups
        elif controller in controllers.split(","):
            top = cgroups / controllers if (cgroups / controllers).is_dir() else cgroups / controller
        else:
            continue
        folders += [top.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    return folders


def _quota(folder: Path) -> float:
    """Returns the cores of one control group; infinity without a limit."""
    words = _text(folder / "cpu.max").split()  # version 2: "150000 100000" or "max 100000"
    if not words:
        words = [_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")]
    try:
        quota, period = float(words[0]), float(words[1])
    except (ValueError, IndexError):
        return float("inf")
    return quota / period if quota > 0 and period > 0 else float("inf")


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""
