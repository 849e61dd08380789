"""MLflow as a sink: a process of its own copies finished jobs from the store to a tracking server.

The store is the truth. What was sent is noted in `tracking.json`, so whatever a server missed is sent by the
next run of the same command, and a server that goes away slows nothing down.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shlex
import signal
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from study.engines import Event
from study.engines.processes import interrupts_held
from study.errors import StudyError
from study.folder.store import Store
from study.plan import Job
from study.tracking.mlflow_sink import LOCAL, Sink, Status

EVERY_S = 5.0  # between two points of a running job's curves
MAX_LETTERS = 2000  # that may wait for a slow server
END_WITHIN_S = 10.0  # what it gets to say that the study was stopped
FLUSH_WITHIN_S = 120.0  # what the sink gets, at the end of a study, to send what is left
# A dead server would otherwise block each call for minutes.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # it would tear the live bars
    "GIT_PYTHON_REFRESH": "quiet",
}


# What MLflow takes: a server, a database by SQLAlchemy's names, or a workspace of Databricks.
ADDRESS = re.compile(
    r"https?://[^/\s]+.*|sqlite:///.+|(postgresql|mysql|mssql)(\+\w+)?://.+|databricks(-uc)?(://.+)?",
    re.DOTALL,
)


def look_at(root: Path, uri: str) -> str:
    """Returns the command line that shows what was logged."""
    line = f"uv run mlflow ui --backend-store-uri {shlex.quote(uri)}"
    return f"cd {shlex.quote(str(root.resolve()))} && {line}" if uri == LOCAL else line


def check_uri(uri: str) -> None:
    """Raises StudyError unless MLflow can understand the address."""
    if not ADDRESS.fullmatch(uri):
        raise StudyError(
            f"tracking URI {uri!r} is none that MLflow takes; use http://HOST:PORT or sqlite:///FILE"
        )


class Tracker:
    """Talks to the sink's process."""

    def __init__(
        self, store: Store, jobs: Sequence[Job], name: str, config: Mapping[str, Any], uri: str
    ) -> None:
        self.uri = uri
        self._told: dict[str, float] = {}  # by job, when its progress was last passed on
        self._letters: SimpleQueue[Any] = SimpleQueue()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, store.root, list(jobs), name, dict(config), uri), daemon=True
        )
        with interrupts_held():
            self._process.start()
        theirs.close()
        threading.Thread(target=self._deliver, daemon=True).start()

    def take(self, event: Event) -> None:
        """Passes on what has happened; a sink that is behind loses points of curves, never a job."""
        key, now = event.job.key, time.time()
        if event.what == "finished":
            self._told.pop(key, None)
            self.job_finished()
        elif event.what in ("started", "progress"):
            often = event.what == "progress" and not any(name.startswith("eval/") for name in event.metrics)
            if often and now - self._told.get(key, 0.0) < EVERY_S:
                return
            self._told[key] = now
            self._post(("live", key, event.env_step, event.metrics, int(now * 1000)))

    def job_finished(self) -> None:
        """Tells the sink to look for finished jobs."""
        self._post("sync")

    def _post(self, message: Any) -> None:
        """Leaves a message, and waits for no sink that is slow."""
        if message[0] != "live" or self._letters.qsize() < MAX_LETTERS:
            self._letters.put(message)

    def _deliver(self) -> None:
        with suppress(OSError, ValueError):
            while True:
                self._pipe.send(self._letters.get())

    def finish(self, artifacts: Iterable[Path], numbers: Mapping[str, float]) -> Status:
        """Sends what is left, then the artifacts and final numbers; returns how that went."""
        waited = Status(
            uri=self.uri, sent=0, unsent=0, report=False, error=f"no answer in {FLUSH_WITHIN_S:.0f} s"
        )
        try:
            self._post(("finish", [str(path.absolute()) for path in artifacts], dict(numbers)))
            if self._pipe.poll(FLUSH_WITHIN_S):
                waited = self._pipe.recv()
        except (OSError, EOFError):
            waited = Status(uri=self.uri, sent=0, unsent=0, report=False, error="the tracking process ended")
        self._hang_up()
        return waited

    def close(self, status: str = "FAILED") -> None:
        """Ends the sink, which says how the study ended; what it was sending is sent again next time."""
        with suppress(OSError, EOFError):
            self._post(("end", status))
            if self._pipe.poll(END_WITHIN_S):
                self._pipe.recv()
        self._hang_up()

    def _hang_up(self) -> None:
        self._pipe.close()
        self._process.join(1.0)
        if self._process.is_alive():
            self._process.terminate()


def _serve(
    pipe: Connection[Any, Any], root: Path, jobs: list[Job], name: str, config: dict[str, Any], uri: str
) -> None:
    """The sink's whole life: sends what is new whenever it is told to look."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update({key: os.environ.get(key, value) for key, value in ENVIRONMENT.items()})
    os.nice(5)  # the study's workers come first
    if uri == LOCAL:
        os.chdir(root)
        root = Path.cwd()
    sink = Sink(Store(root), jobs, name, config, uri)
    while True:
        try:
            message = pipe.recv()
            while message == "sync" and pipe.poll():
                message = pipe.recv()
        except (EOFError, OSError):
            return
        if message[0] == "live":
            with suppress(Exception):  # the next one may come through
                sink.progress(*message[1:])
            continue
        if message[0] == "end":
            with suppress(Exception):
                sink.end(message[1])
                pipe.send("ended")
            return
        artifacts, numbers = (message[1], message[2]) if message != "sync" else ((), None)
        error = ""
        try:
            sink.send_jobs()
            if numbers is not None:
                sink.send_report([Path(path) for path in artifacts], numbers)
        except Exception as exception:  # whatever a server or its client does, the study goes on
            words = str(exception).partition("[SQL:")[0]  # which may hold whole tables
            error = " ".join(words.split())[:200] or type(exception).__name__
        if numbers is not None:
            with suppress(OSError):
                pipe.send(sink.status(reported=not error, error=error))
            return
