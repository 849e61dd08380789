"""What lies in running/ beside the checkpoints: who tries a job, how far it is, and how attempts ended.

running/<key>.lease                   who has the job in hand
running/<key>/progress.json           where it is
running/attempts/<key>-<token>.json   an attempt: it goes when the job is done or handed over, stays as it is
                                      when its process was lost, and says why when it failed
running/stop                          workers are to save and stop
"""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import writing
from study.folder import lease
from study.folder.files import (
    PARTIAL,
    Damaged,
    is_folder,
    json_bytes,
    partial_name,
    read_json,
    whole_or_gone,
    write_bytes,
)
from study.folder.job_record import short
from study.folder.lease import Lease

PROGRESS = "progress.json"
STOP = "stop"
MAX_LOSSES = 3  # times a job may lose its worker before it counts as failed


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a job is not tried again, until somebody runs the study again."""

    message: str
    mendable: bool = False


class UnderWay:
    """The jobs of one study that are being worked on, by whomever."""

    def __init__(self, root: Path, max_losses: int = MAX_LOSSES) -> None:
        self.max_losses = max_losses
        self.root = root / "running"
        self.attempts = self.root / "attempts"

    def lease_path(self, key: str) -> Path:
        """Returns where the lease of a job lies."""
        return self.root / f"{short(key)}{lease.SUFFIX}"

    def take(self, key: str) -> Lease | None:
        """Returns the lease of a job, None if somebody else has it."""
        with writing(self.root):
            self.root.mkdir(exist_ok=True)
        return lease.take(self.lease_path(key))

    def held(self) -> dict[str, dict[str, Any]]:
        """Returns who has which job in hand, by the first part of its key."""
        found = {}
        with suppress(FileNotFoundError):
            for entry in os.scandir(self.root):
                if entry.name.endswith(lease.SUFFIX) and not entry.name.startswith("."):
                    found[entry.name.removesuffix(lease.SUFFIX)] = lease.holder(Path(entry.path))
        return found

    def free(self, pid: int) -> list[str]:
        """Takes away the leases of a process of this host that is known to be dead; returns their jobs."""
        mine = lease.identity()
        freed = []
        for key, holder in self.held().items():
            is_its = (holder.get("place"), holder.get("pid")) == (mine["place"], pid)
            if is_its and lease.clear(self.root / f"{key}{lease.SUFFIX}", holder.get("token")):
                freed.append(key)
        return freed

    @contextmanager
    def attempt(self, key: str) -> Iterator[None]:
        """Records an attempt while open."""
        with writing(self.attempts):
            self.attempts.mkdir(exist_ok=True)
        path = self.attempts / f"{short(key)}-{secrets.token_hex(6)}.json"
        write_bytes(path, json_bytes(lease.identity()))
        try:
            yield
        finally:  # only a killed process leaves it
            with suppress(OSError):
                path.unlink()

    def fail(self, key: str, failure: Failure) -> None:
        """Records that a job is not to be tried again."""
        with writing(self.attempts):
            self.attempts.mkdir(exist_ok=True)
        path = self.attempts / f"{short(key)}-{secrets.token_hex(6)}.json"
        value = {"failed": failure.message, "mendable": failure.mendable, **lease.identity()}
        write_bytes(path, json_bytes(value))

    def failures(self) -> dict[str, Failure]:
        """Returns the jobs that are not to be tried again, by the first part of their key."""
        found: dict[str, Failure] = {}
        begun: list[tuple[str, Path, dict[str, Any]]] = []
        with suppress(FileNotFoundError):
            for entry in os.scandir(self.attempts):
                key = entry.name.partition("-")[0]
                try:
                    value = read_json(Path(entry.path))
                except (OSError, Damaged):
                    continue
                if not isinstance(value, dict):
                    continue
                if "failed" in value:
                    found[key] = Failure(message=str(value["failed"]), mendable=bool(value.get("mendable")))
                else:
                    begun.append((key, Path(entry.path), value))
        # A lease is taken before its attempt and released after it: an attempt that was there before the
        # look at the leases and is there after it had one meanwhile, unless its process is lost.
        held = self.held() if begun else {}
        lost: dict[str, int] = {}
        for key, path, value in begun:
            mine = held.get(key, {})
            if (mine.get("place"), mine.get("pid")) != (value.get("place"), value.get("pid")):
                lost[key] = lost.get(key, 0) + os.path.lexists(path)
        for key, times in lost.items():
            if times >= self.max_losses and key not in found:
                found[key] = Failure(message=f"its process ended {times} times")
        return found

    def forget(self) -> None:
        """Lets jobs that failed, and workers that were stopped, try again."""
        with suppress(OSError):
            (self.root / STOP).unlink()
        if is_folder(self.attempts):
            for entry in os.scandir(self.attempts):
                if entry.name.endswith(PARTIAL):  # a worker elsewhere writes it just now
                    continue
                with suppress(OSError):
                    os.unlink(entry.path)

    def tell(self, key: str, progress: dict[str, Any]) -> None:
        """Notes how far a job is; whoever looks sees the last note or the one before, never a half."""
        folder = self.root / short(key)
        partial = folder / partial_name(PROGRESS)
        metrics = {name: value for name, value in progress["metrics"].items() if math.isfinite(value)}
        progress = {**progress, "metrics": metrics}  # of a run that diverged some are no numbers
        with suppress(OSError), whole_or_gone(partial):  # a courtesy
            partial.write_bytes(json_bytes(progress))
            os.replace(partial, folder / PROGRESS)

    def told(self, key: str) -> tuple[dict[str, Any], float] | None:
        """Returns the last note on a job's progress, and when it was made."""
        path = self.root / short(key) / PROGRESS
        try:
            value = read_json(path)
            time = os.stat(path).st_mtime
        except (OSError, Damaged):
            return None
        whole = isinstance(value, dict) and isinstance(value.get("env_step"), int)
        return (value, time) if whole and isinstance(value.get("metrics"), dict) else None

    def stop(self) -> None:
        """Has all workers save and stop."""
        with writing(self.root):
            self.root.mkdir(exist_ok=True)  # nobody may have worked on it yet
        write_bytes(self.root / STOP, b"")

    @property
    def stopped(self) -> bool:
        """Whether workers are to stop."""
        return os.path.lexists(self.root / STOP)
