"""Who works on a job: a small file in the shared folder that its holder keeps young.

A lease is created exclusively. A thread of its holder touches it every few seconds, also while an agent is
evaluated. It is stale once it has not been touched for a minute, by the clock of the file server: its time is
compared with that of a file touched just now in the same folder, so clocks of hosts may differ. A holder that
was killed on this host is seen at once, by its process. Whoever finds a stale lease renames it away before
taking the job, so of several only one succeeds.

Leases save work, they do not guard results: jobs are deterministic and filed by a rename, so two workers on
one job would both be right.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from study.errors import writing
from study.folder.files import PARTIAL, Damaged, create, read_json, whole_or_gone

BEAT_S = 5.0
STALE_S = 60.0
SUFFIX = ".lease"


class Lease:
    """A job in hand; `release` it when done."""

    def __init__(self, path: Path, token: str) -> None:
        self.path, self.token = path, token
        self.lost = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Lets others have the job."""
        self._over.set()
        self._thread.join()
        if holder(self.path).get("token") == self.token:
            with suppress(OSError):
                self.path.unlink()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            if holder(self.path).get("token") != self.token:
                self.lost.set()  # somebody thought us dead; what we do is not wrong, only done twice
                return
            with suppress(OSError):
                os.utime(self.path)


def take(path: Path) -> Lease | None:
    """Returns the lease of a job; None if another live worker has it.

    Raises:
        StudyError: The folder cannot be written.
    """
    for _ in range(2):
        token = secrets.token_hex(8)
        if _write(path, token):
            return Lease(path, token)
        seen = holder(path).get("token")  # before it is judged: what is judged is what is cleared
        if not (is_stale(path) and clear(path, seen)):
            return None
    return None


def _write(path: Path, token: str) -> bool:
    """Creates a lease; whether there was none."""
    with writing(path):
        try:
            with whole_or_gone(path), create(path) as file:
                file.write(json.dumps({"token": token, **identity()}).encode())
        except FileExistsError:
            return False
    return True


def holder(path: Path) -> dict[str, Any]:
    """Returns what a lease says of its holder; nothing if there is none, or it is being written."""
    try:
        value = read_json(path)
    except (OSError, Damaged):
        return {}
    return value if isinstance(value, dict) else {}


def is_stale(path: Path) -> bool:
    """Whether a lease's holder is dead, or has not touched it for a minute of the file server's time."""
    found = holder(path)
    mine = identity()
    if found.get("place") == mine["place"] and found.get("pid"):
        return started(found["pid"]) != found.get("started")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)  # asks the server anew
        try:
            touched = os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)
        return now_at(path.parent) - touched > STALE_S
    except OSError:
        return False


def now_at(folder: Path) -> float:
    """Returns the time of the file server that has a folder; raises StudyError where it cannot be written."""
    probe = folder / f".{secrets.token_hex(6)}.clock{PARTIAL}"
    with writing(folder), whole_or_gone(probe), create(probe) as file:
        file.write(b"?")
        file.flush()
        time = os.fstat(file.fileno()).st_mtime
    with suppress(OSError):
        probe.unlink()
    return time


def clear(path: Path, token: str | None) -> bool:
    """Takes a stale lease away, the one with this token; whether this process was the one to do it."""
    if holder(path).get("token") != token:
        return False
    away = path.with_name(f".{path.name}.{secrets.token_hex(6)}{PARTIAL}")
    try:
        os.rename(path, away)
    except OSError:
        return False
    stale = holder(away).get("token") == token
    if not stale:  # somebody cleared and took it between our look and our rename: put it back
        with suppress(OSError):
            os.link(away, path)
    with suppress(OSError):
        away.unlink()
    return stale


@cache
def _place() -> str:
    """Returns what the processes that can see each other have in common: a boot of a host, a namespace."""
    parts = [socket.gethostname()]
    try:
        parts += [
            Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            os.readlink("/proc/self/ns/pid"),
        ]
    except OSError:
        parts.append(secrets.token_hex(8))  # no place that another process could be at
    return " ".join(parts)


def started(pid: int) -> str:
    """Returns when a process of this host started, in ticks since its boot; empty if there is none."""
    try:
        text = Path(f"/proc/{int(pid)}/stat").read_text()
    except (OSError, ValueError):
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]  # a zombie works no more


def identity() -> dict[str, Any]:
    """Returns what this process writes into its leases."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "place": _place(), "started": started(pid)}
