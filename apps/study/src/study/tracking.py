"""MLflow as a sink: a process of its own copies finished jobs from the store to a tracking server.

The store is the truth. What was sent is noted in `tracking.json`, so whatever a server missed is sent by the
next run of the same command, and a server that goes away slows nothing down.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import re
import shlex
import signal
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import polars as pl

from study.engines.processes import interrupts_held
from study.errors import StudyError
from study.files import write_bytes
from study.plan import Job
from study.store import Store

SENT = "tracking.json"
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


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the sink has done.

    Attributes:
        uri: Where it sends.
        sent: Finished jobs that are there.
        unsent: Finished jobs that are not.
        report: Whether the latest report is there.
        error: Why not, one line; empty if all went well.
    """

    uri: str
    sent: int
    unsent: int
    report: bool
    error: str = ""


# What MLflow takes: a server, a database by SQLAlchemy's names, or a workspace of Databricks.
ADDRESS = re.compile(
    r"https?://[^/\s]+.*|sqlite:///.+|(postgresql|mysql|mssql)(\+\w+)?://.+|databricks(-uc)?(://.+)?",
    re.DOTALL,
)


DATABASE = "mlflow.db"
LOCAL = (
    f"sqlite:///{DATABASE}"  # as seen from the study's folder, and what its note calls it wherever that lies
)
PLAIN_PATH = re.compile(r"[\w./-]+", re.ASCII)


def default_uri(root: Path) -> str:
    """Returns the store inside the output folder: by its path, or as seen from the folder.

    An address gives some characters (?, %, blanks) a meaning, and a path may have them; the sink works in the
    folder.
    """
    path = str((root / DATABASE).resolve())
    return f"sqlite:///{path}" if PLAIN_PATH.fullmatch(path) else LOCAL


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
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, store.root, list(jobs), name, dict(config), uri), daemon=True
        )
        with interrupts_held():
            self._process.start()
        theirs.close()

    def job_finished(self) -> None:
        """Tells the sink to look for finished jobs."""
        with suppress(OSError):
            self._pipe.send("sync")

    def finish(self, artifacts: Iterable[Path], numbers: Mapping[str, float]) -> Status:
        """Sends what is left, then the artifacts and final numbers; returns how that went."""
        waited = Status(
            uri=self.uri, sent=0, unsent=0, report=False, error=f"no answer in {FLUSH_WITHIN_S:.0f} s"
        )
        try:
            self._pipe.send(("finish", [str(path.absolute()) for path in artifacts], dict(numbers)))
            if self._pipe.poll(FLUSH_WITHIN_S):
                waited = self._pipe.recv()
        except (OSError, EOFError):
            waited = Status(uri=self.uri, sent=0, unsent=0, report=False, error="the tracking process ended")
        self._hang_up()
        return waited

    def close(self, status: str = "FAILED") -> None:
        """Ends the sink, which says how the study ended; what it was sending is sent again next time."""
        with suppress(OSError, EOFError):
            self._pipe.send(("end", status))
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
            error = " ".join(str(exception).split())[:200] or type(exception).__name__
        if numbers is not None:
            with suppress(OSError):
                pipe.send(sink.status(reported=not error, error=error))
            return


class Sink:
    """Copies a store to MLflow: a parent run for the study, a child run for each job."""

    def __init__(self, store: Store, jobs: list[Job], name: str, config: dict[str, Any], uri: str) -> None:
        self.store, self.jobs, self.name, self.config, self.uri = store, jobs, name, config, uri
        self._client: Any = None
        self._experiment = ""
        self._local = uri == default_uri(store.root)
        self._book = read_book(store.root / SENT)
        name_here = LOCAL if self._local else uri  # a folder that moves takes its database along
        self._mine: dict[str, Any] = self._book.setdefault(name_here, {"parent": None, "jobs": {}})

    def status(self, *, reported: bool, error: str) -> Status:
        """Returns what is there and what is not."""
        finished = [job for job in self.jobs if self.store.done(job)]
        unsent = sum(job.key not in self._mine["jobs"] for job in finished)
        return Status(uri=self.uri, sent=len(finished) - unsent, unsent=unsent, report=reported, error=error)

    def connect(self) -> Any:
        """Returns a client; opens the experiment and the parent run."""
        if self._client is None:
            from mlflow import MlflowClient

            for noisy in ("mlflow", "alembic"):  # after the import, which sets levels of its own
                logging.getLogger(noisy).setLevel(logging.ERROR)
            place = (self.store.root / "mlartifacts").resolve().as_uri()
            if self._local:
                keep_artifacts_here(self.store.root / DATABASE, place)
            client = MlflowClient(tracking_uri=self.uri)
            found = client.get_experiment_by_name(self.name)
            if found is None:
                ours = place if self.uri.startswith("sqlite") else None
                self._experiment = client.create_experiment(self.name, artifact_location=ours)
            else:
                self._experiment = found.experiment_id
            if self._mine["parent"] is not None and not _has_run(client, self._mine["parent"]):
                self._mine |= {"parent": None, "jobs": {}}  # the server's data are gone: send all again
            settings = {key: value[:500] for key, value in flatten(self.config).items()}
            before = self._mine["parent"]
            if before is not None and _settings(client, before) != settings:
                self._mine["parent"] = None  # MLflow never changes what a run says of its settings
            if self._mine["parent"] is None:
                run = client.create_run(self._experiment, run_name=self.name, tags={"fvm.kind": "study"})
                self._log(client, run.info.run_id, params=settings)
                for child in self._mine["jobs"].values():
                    client.set_tag(child, "mlflow.parentRunId", run.info.run_id)
                if before is not None:
                    client.delete_run(before)
                self._mine["parent"] = run.info.run_id
                self._write_book()
            else:
                client.update_run(self._mine["parent"], status="RUNNING")
            self._client = client
        return self._client

    def end(self, status: str) -> None:
        """Says of the study's run how it ended: "FINISHED", "FAILED", or "KILLED" by Ctrl-C."""
        if self._client is not None:
            self._client.set_terminated(self._mine["parent"], status=status)

    def send_jobs(self) -> None:
        """Sends every finished job that is not there yet."""
        client = self.connect()
        for job in self.jobs:
            if job.key in self._mine["jobs"] or not self.store.done(job):
                continue
            # A run that an earlier process left half sent.
            for run in client.search_runs([self._experiment], f"tags.`fvm.key` = '{job.key}'"):
                client.delete_run(run.info.run_id)
            costs = self.store.note(job, "costs")
            tags = {
                "mlflow.parentRunId": self._mine["parent"],
                "fvm.key": job.key,
                "fvm.kind": job.kind,
                "fvm.method": job.method,
            }
            run = client.create_run(self._experiment, run_name=job.title, tags=tags)
            spec = {key: value for key, value in job.spec.items() if key != "tasks"}
            self._log(client, run.info.run_id, params=flatten(spec), metrics=self._metrics(job, costs))
            client.set_terminated(run.info.run_id)
            self._mine["jobs"][job.key] = run.info.run_id
            self._write_book()

    def send_report(self, artifacts: list[Path], numbers: Mapping[str, float]) -> None:
        """Attaches files and folders to the parent run and closes it."""
        client, parent = self.connect(), self._mine["parent"]
        self._log(client, parent, metrics=[(name, value, 0) for name, value in numbers.items()])
        for path in artifacts:
            if path.is_dir():
                client.log_artifacts(parent, str(path), artifact_path=path.name)
            else:
                client.log_artifact(parent, str(path))
        self.end("FINISHED")

    def _metrics(self, job: Job, costs: Mapping[str, Any]) -> list[tuple[str, float, int]]:
        metrics = [(name, float(value), 0) for name, value in costs.items() if isinstance(value, int | float)]
        episodes = self.store.table([job], "episodes")
        if not episodes.is_empty():
            means = episodes.group_by("env_step").agg(pl.col("score").mean()).sort("env_step")
            metrics += [("score", row["score"], row["env_step"]) for row in means.iter_rows(named=True)]
        online = self.store.table([job], "online")
        if not online.is_empty():
            metrics += [
                ("online_return", row["return"], row["env_step"]) for row in online.iter_rows(named=True)
            ]
        metrics += [
            (row["metric"], row["value"], row["env_step"])
            for row in self.store.table([job], "metrics").iter_rows(named=True)
        ]
        return metrics

    def _log(
        self,
        client: Any,
        run_id: str,
        params: Mapping[str, str] | None = None,
        metrics: Sequence[tuple[str, float, int]] = (),
    ) -> None:
        """Logs in batches (MLflow takes 1000 metrics or 100 params); a call a metric is 20 times dearer."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        pairs = [Param(key, value[:500]) for key, value in (params or {}).items()]
        for i in range(0, len(pairs), 100):
            client.log_batch(run_id, params=pairs[i : i + 100])
        points = [Metric(_allowed(name), value, now, step) for name, value, step in metrics]
        for i in range(0, len(points), 1000):
            client.log_batch(run_id, metrics=points[i : i + 1000])

    def _write_book(self) -> None:
        write_bytes(self.store.root / SENT, json.dumps(self._book, indent=1, sort_keys=True).encode())


def read_book(path: Path) -> dict[str, Any]:
    """Returns what was sent to each server: nothing, so that all is sent again, if the note is damaged."""
    try:
        book: dict[str, Any] = json.loads(path.read_text())
        return {uri: {"parent": sent["parent"], "jobs": dict(sent["jobs"])} for uri, sent in book.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def keep_artifacts_here(database: Path, place: str) -> None:
    """Has a folder's own database keep its files in the folder, wherever it came from and whoever made it.

    MLflow notes absolute places when an experiment or run is made, and writes there ever after.
    """
    if not database.is_file():
        return
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True)) as connection:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if {"experiments", "runs"} <= tables:
            connection.execute("UPDATE experiments SET artifact_location = ?", (place,))
            artifacts = (place, "artifacts")
            connection.execute("UPDATE runs SET artifact_uri = ? || '/' || run_uuid || '/' || ?", artifacts)
            connection.commit()


def _settings(client: Any, run_id: str) -> dict[str, str]:
    return dict(client.get_run(run_id).data.params)


def _has_run(client: Any, run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False


def _allowed(name: str) -> str:
    """Returns a metric's name with "-" for what MLflow does not take, such as the @ of multitask@100."""
    return re.sub(r"[^\w\-. :/]", "-", name)


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Returns nested settings as dotted names and texts."""
    flat: dict[str, str] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        flat |= flatten(item, f"{name}.") if isinstance(item, Mapping) else {name: str(item)}
    return flat
