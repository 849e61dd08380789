"""Workers as Ray tasks, on a cluster that stands already and whose nodes all see the study's folder.

A Ray worker is a worker like any other: it takes jobs by lease, and leaves results in the folder. Ray only
starts it, somewhere, and says when it has ended. Ray's own retries are off: the study knows which job was
lost, and that it goes on from its checkpoint.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from study.engines.schedule import RunOptions
from study.errors import StudyError
from study.folder.files import write_bytes
from study.machine.needs import Needs

ANSWERS_WITHIN_S = 20.0
STOP_WITHIN_S = 60.0  # what running jobs get to write their checkpoints
# Before Ray is imported: else `uv run` would have it ship the project's folder to every node.
ENVIRONMENT = {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_USAGE_STATS_ENABLED": "0"}
LATE_S = 60.0  # after which a file that another node wrote is there, or missing


class RayWorkers:
    """Starts, watches and stops workers on a Ray cluster; what `registry.Workers` asks for."""

    def __init__(self, root: Path, options: RunOptions) -> None:
        """Connects to the cluster.

        Raises:
            StudyError: Ray is not installed, or no cluster is there.
        """
        os.environ.update({name: os.environ.get(name, text) for name, text in ENVIRONMENT.items()})
        try:
            import ray
        except ImportError:
            raise StudyError(
                "--engine ray needs Ray, which is not installed; `uv sync --extra ray` or `pip install "
                "'fvm-study[ray]'` brings it, on every node"
            ) from None
        self.ray, self.root, self.options = ray, root.resolve(), options
        try:
            check_answers(options.ray_address)
            ray.init(address=options.ray_address, log_to_driver=False, ignore_reinit_error=True)
        except (OSError, OverflowError, ValueError, RuntimeError) as error:
            words = " ".join(str(error).split())[:200]
            raise StudyError(
                f"no Ray cluster answers at --ray-address {options.ray_address} ({words}); start one with "
                "`ray start --head`, or name its address"
            ) from None
        self.stop_file = self.root / "running" / f"stop-{secrets.token_hex(6)}"
        self.pool: list[Any] = []
        self.kinds: dict[Any, str] = {}  # of jobs that each worker is large enough for, by its task
        self.left: Counter[str] = Counter()  # jobs by kind

    @property
    def size(self) -> int:
        """How many workers there are, those that wait for a free node counted."""
        return len(self.pool)

    @property
    def room(self) -> int:
        """How many workers the cluster has room for, as it is now."""
        there = self.ray.cluster_resources()
        each = min(self.options.needs.values(), key=size_of, default=Needs())
        asked = {"CPU": each.cpus, "GPU": each.gpus, "memory": each.memory}
        return max(1, min(int(there.get(name, 0.0) // much) for name, much in asked.items() if much))

    def submit(self) -> None:
        """Starts one more worker, wherever there is room, for the largest jobs that lack one."""
        kind = next_kind(self.options.needs, self.left, Counter(self.kinds[task] for task in self.pool))
        needs = self.options.needs.get(kind, Needs())
        options = replace(self.options, has=needs)
        asked = {"num_cpus": needs.cpus, "num_gpus": needs.gpus, "memory": needs.memory or None}
        task = self.ray.remote(work_there).options(max_retries=0, **asked)
        started = task.remote(str(self.root), options, str(self.stop_file))
        self.kinds[started] = kind
        self.pool.append(started)

    def poll(self, timeout_s: float) -> list[tuple[int, int]]:
        """Waits a moment; returns a process id, 0 where it is not known, and a status of the ended ones.

        Raises:
            StudyError: One of them met what a user must mend, as a full disk; in its words.
        """
        if not self.pool:
            threading.Event().wait(timeout_s)
            return []
        ready, self.pool = self.ray.wait(self.pool, num_returns=len(self.pool), timeout=timeout_s)
        ended = []
        for each in ready:
            self.kinds.pop(each, None)
            try:
                self.ray.get(each)
                ended.append((0, 0))
            except StudyError as error:  # Ray's own error too: its text has a traceback
                raise StudyError(str(getattr(error, "cause", error))) from None
            except self.ray.exceptions.RayError:
                ended.append((0, 1))  # its node or process is gone; its lease tells which job it had
        return ended

    def stop(self) -> None:
        """Has all workers write their checkpoints and end; leaves the cluster as it was."""
        if self.pool:
            with suppress(StudyError):
                write_bytes(self.stop_file, b"")
            _, late = self.ray.wait(self.pool, num_returns=len(self.pool), timeout=STOP_WITHIN_S)
            for each in late:
                self.ray.cancel(each, force=True)
        self.pool = []
        with suppress(OSError):
            self.stop_file.unlink()
        self.ray.shutdown()


def size_of(needs: Needs) -> tuple[float, float, float]:
    """Returns what orders needs by how hard they are to meet."""
    return needs.gpus, needs.memory, needs.cpus


def next_kind(needs: Mapping[str, Needs], left: Mapping[str, int], had: Mapping[str, int]) -> str:
    """Returns the kind of jobs that the next worker is to be large enough for.

    Args:
        needs: By kind.
        left: Jobs that are not finished, by kind.
        had: Workers that are there, by the kind that they were started for.
    """
    kinds = sorted(left, key=lambda kind: size_of(needs.get(kind, Needs())), reverse=True)
    lacking = (kind for kind in kinds if left[kind] > had.get(kind, 0))
    return next(lacking, kinds[-1] if kinds else "adapt")


def check_answers(address: str) -> None:
    """Raises OSError if nothing listens at HOST:PORT: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWERS_WITHIN_S).close()


class Told(threading.Event):
    """Set by a signal of a batch system, or by the file with which the driver asks to stop."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def is_set(self) -> bool:
        """Whether the worker is to stop."""
        return super().is_set() or os.path.lexists(self.path)


def work_there(root: str, options: RunOptions, stop_file: str) -> int:
    """A worker's whole life on a node; returns how many jobs it finished."""
    from study.engines.processes import work

    return work(Path(root), options, Told(Path(stop_file)), patience_s=LATE_S)
