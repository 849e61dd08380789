"""What the tracking process does with what it is told: MLflow runs that live as long as their jobs.

A run appears when its job starts, and its curves grow with the times at which their points were seen, under
names such as `train/return` and `eval/score`. What a finished job's tables have beyond that is added then.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from study.folder.files import Damaged, partial_name, read_json, write_bytes
from study.folder.job_record import short
from study.folder.store import Store
from study.plan import Job

SENT = "tracking.json"
DATABASE = "mlflow.db"
LOCAL = f"sqlite:///{DATABASE}"  # as seen from the study's folder; its note says so wherever the folder lies
PLAIN_PATH = re.compile(r"[\w./-]+", re.ASCII)
CHARTS = {"mlflow.experimentKind": "custom_model_development"}  # with it, the UI opens on runs and charts
Point = tuple[str, float, int]  # name, value, env step


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


def default_uri(root: Path) -> str:
    """Returns the store inside the output folder: by its path, or as seen from the folder.

    An address gives some characters (?, %, blanks) a meaning, and a path may have them; the sink works in the
    folder.
    """
    path = str((root / DATABASE).resolve())
    return f"sqlite:///{path}" if PLAIN_PATH.fullmatch(path) else LOCAL


class Sink:
    """Copies a study to MLflow: a parent run for it, a child run for each job."""

    def __init__(self, store: Store, jobs: list[Job], name: str, config: dict[str, Any], uri: str) -> None:
        self.store, self.jobs, self.name, self.config, self.uri = store, jobs, name, config, uri
        self._by_key = {job.key: job for job in jobs}
        self._client: Any = None
        self._experiment = ""
        self._local = uri == default_uri(store.root)
        self._book = read_book(store.root / SENT)
        name_here = LOCAL if self._local else uri  # a folder that moves takes its database along
        self._mine: dict[str, Any] = self._book.setdefault(name_here, {"parent": None, "jobs": {}})
        self._mine.setdefault("running", {})
        self._seen: dict[str, list[tuple[int, int]]] = {}  # by job, env step and when it was there
        self._live: dict[str, set[str]] = {}  # by job, the curves that grew while it ran

    def status(self, *, reported: bool, error: str) -> Status:
        """Returns what is there and what is not."""
        done = self.store.finished()
        finished = [job for job in self.jobs if short(job.key) in done]
        unsent = sum(job.key not in self._mine["jobs"] for job in finished)
        return Status(uri=self.uri, sent=len(finished) - unsent, unsent=unsent, report=reported, error=error)

    def connect(self) -> Any:
        """Returns a client; opens the experiment and the parent run."""
        if self._client is None:
            from mlflow import MlflowClient

            for noisy in ("mlflow", "alembic"):  # after the import, which sets levels of its own
                logging.getLogger(noisy).setLevel(logging.CRITICAL)  # what fails is told by `status`
            place = (self.store.root / "mlartifacts").resolve().as_uri()
            if self._local:
                make_database(self.store.root, self.uri)
                keep_artifacts_here(self.store.root / DATABASE, place)
            client = MlflowClient(tracking_uri=self.uri)
            found = client.get_experiment_by_name(self.name)
            if found is None:
                ours = place if self.uri.startswith("sqlite") else None
                self._experiment = client.create_experiment(self.name, artifact_location=ours, tags=CHARTS)
            else:
                self._experiment = found.experiment_id
                for tag, value in CHARTS.items():
                    client.set_experiment_tag(self._experiment, tag, value)
            if self._mine["parent"] is not None and not _has_run(client, self._mine["parent"]):
                self._mine |= {"parent": None, "jobs": {}, "running": {}}  # they are gone: send all again
            self._open_parent(client)
            self._client = client
        return self._client

    def _open_parent(self, client: Any) -> None:
        """Has one run for the study that says today's settings; MLflow never changes those of a run."""
        settings = {key: value[:500] for key, value in flatten(self.config).items()}
        before = self._mine["parent"]
        if before is not None and dict(client.get_run(before).data.params) == settings:
            client.update_run(before, status="RUNNING")
            return
        run = client.create_run(self._experiment, run_name=self.name, tags={"fvm.kind": "study"})
        self._log(client, run.info.run_id, params=settings)
        for child in (*self._mine["jobs"].values(), *self._mine["running"].values()):
            client.set_tag(child, "mlflow.parentRunId", run.info.run_id)
        if before is not None:
            client.delete_run(before)
        self._mine["parent"] = run.info.run_id
        self._write_book()

    def end(self, status: str) -> None:
        """Says of all runs under way how the study ended: "FINISHED", "FAILED", or "KILLED" by Ctrl-C."""
        if self._client is not None:
            for run_id in self._mine["running"].values():
                self._client.set_terminated(run_id, status=status)
            self._client.set_terminated(self._mine["parent"], status=status)

    def start(self, key: str, at_ms: int) -> str:
        """Has a run for a job that starts or goes on; returns its id."""
        client, job = self.connect(), self._by_key[key]
        running: dict[str, str] = self._mine["running"]
        self._seen.setdefault(key, [(0, at_ms)])
        if key in running and _has_run(client, running[key]):
            client.update_run(running[key], status="RUNNING")
            return running[key]
        # A run that an earlier process left half sent; those of other studies with the same job are theirs.
        for run in client.search_runs([self._experiment], f"tags.`fvm.key` = '{key}'"):
            parent = run.data.tags.get("mlflow.parentRunId", "")
            if self._local or parent == self._mine["parent"] or not _has_run(client, parent):
                client.delete_run(run.info.run_id)
        tags = {
            "mlflow.parentRunId": self._mine["parent"],
            "fvm.key": key,
            "fvm.kind": job.kind,
            "fvm.method": job.method,
        }
        run = client.create_run(self._experiment, start_time=at_ms, run_name=job.title, tags=tags)
        spec = {name: value for name, value in job.spec.items() if name != "tasks"}
        self._log(client, run.info.run_id, params=flatten(spec))
        running[key] = run.info.run_id
        self._write_book()
        return str(run.info.run_id)

    def progress(self, key: str, env_step: int, metrics: Mapping[str, float], at_ms: int) -> None:
        """Adds to the curves of a running job what it has just told."""
        run_id = self.start(key, at_ms)
        self._seen[key].append((env_step, at_ms))
        points = [(live_name(name), float(value), env_step) for name, value in metrics.items()]
        self._live.setdefault(key, set()).update(name for name, _, _ in points)
        self._log(self.connect(), run_id, metrics=points, times=[at_ms] * len(points))

    def send_jobs(self) -> None:
        """Completes the runs of all finished jobs that are not there yet."""
        self.connect()
        done = self.store.finished()
        for job in self.jobs:
            if job.key not in self._mine["jobs"] and short(job.key) in done:
                self._send(job)

    def _send(self, job: Job) -> None:
        costs = self.store.note(job, "costs")
        live = job.key in self._mine["running"]
        # Of a job that others finished while nobody watched, what its folder says.
        ended_s = time.time() if live else self.store.finished_at(job)
        now, took = int(ended_s * 1000), int(1000 * float(costs.get("wall_s", 0.0)))
        client, run_id = self.connect(), self.start(job.key, now if live else now - took)
        seen = sorted(dict([(0, now - took), *self._seen.get(job.key, ())]).items())
        if not live or len(seen) < 2:
            seen = [(0, now - took), (max(job.budget_env_steps, 1), now)]
        known = self._live.get(job.key, set())
        points = [point for point in self._tables(job) if point[0] not in known]
        steps = [point[2] for point in points]
        times = np.interp(steps, [step for step, _ in seen], [at for _, at in seen]).astype(int).tolist()
        ends = [(name, float(v), 0) for name, v in costs.items() if isinstance(v, int | float)]
        self._log(client, run_id, metrics=[*points, *ends], times=[*times, *([now] * len(ends))])
        client.set_terminated(run_id, end_time=now)
        self._mine["jobs"][job.key] = run_id
        for book in (self._mine["running"], self._seen, self._live):
            book.pop(job.key, None)
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

    def _tables(self, job: Job) -> list[Point]:
        """Returns the points of all curves in a finished job's tables."""
        points: list[Point] = []
        episodes = self.store.table([job], "episodes")
        if not episodes.is_empty():
            means = episodes.group_by("env_step").agg(pl.col("score").mean()).sort("env_step")
            points += [("eval/score", row["score"], row["env_step"]) for row in means.iter_rows(named=True)]
        for row in self.store.table([job], "online").iter_rows(named=True):
            points.append(("train/return", row["return"], row["env_step"]))
        for row in self.store.table([job], "metrics").iter_rows(named=True):
            points.append((live_name(row["metric"]), row["value"], row["env_step"]))
        return points

    def _log(
        self,
        client: Any,
        run_id: str,
        params: Mapping[str, str] | None = None,
        metrics: Sequence[Point] = (),
        times: Sequence[int] | None = None,
    ) -> None:
        """Logs in batches (MLflow takes 1000 metrics or 100 params); a call a metric is 20 times dearer."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        pairs = [Param(key, value[:500]) for key, value in (params or {}).items()]
        for i in range(0, len(pairs), 100):
            client.log_batch(run_id, params=pairs[i : i + 100])
        points = [
            Metric(_allowed(name), value, at, step)
            for (name, value, step), at in zip(metrics, times or [now] * len(metrics), strict=True)
        ]
        for i in range(0, len(points), 1000):
            client.log_batch(run_id, metrics=points[i : i + 1000])

    def _write_book(self) -> None:
        write_bytes(self.store.root / SENT, json.dumps(self._book, indent=1, sort_keys=True).encode())


def live_name(name: str) -> str:
    """Returns what a metric is called in MLflow: as the learner calls it, below "train/" or "eval/"."""
    return name if name.startswith(("train/", "eval/")) else f"train/{name}"


def read_book(path: Path) -> dict[str, Any]:
    """Returns what was sent to each server: nothing, so that all is sent again, if the note is damaged."""
    try:
        book = read_json(path)
        found: dict[str, Any] = {
            uri: {
                "parent": sent["parent"],
                "jobs": dict(sent["jobs"]),
                "running": dict(sent.get("running", {})),
            }
            for uri, sent in book.items()
        }
        runs = [run for sent in found.values() for run in (*sent["jobs"].values(), *sent["running"].values())]
        parents = [sent["parent"] for sent in found.values() if sent["parent"] is not None]
        return found if all(isinstance(run, str) for run in (*runs, *parents)) else {}
    except (OSError, Damaged, ValueError, KeyError, TypeError, AttributeError):
        return {}


def make_database(root: Path, uri: str) -> None:
    """Makes a folder's own database if it has none: whole, or, where a disk is full, not at all.

    MLflow makes its tables one by one, and can do nothing with a database that has only some of them. One
    that is there and cannot be written is refused at once: MLflow would try for minutes.

    Raises:
        sqlite3.Error: It is locked, read-only, or no database.
    """
    from mlflow import MlflowClient

    if os.path.lexists(root / DATABASE):
        with closing(sqlite3.connect(address_of(root / DATABASE), uri=True)) as connection:
            connection.execute("BEGIN IMMEDIATE")
        return
    name = partial_name(DATABASE)
    try:
        MlflowClient(tracking_uri=f"{uri.removesuffix(DATABASE)}{name}").search_experiments()
        os.replace(root / name, root / DATABASE)
    finally:
        for left in (name, f"{name}-journal"):
            with suppress(OSError):
                (root / left).unlink()


def address_of(database: Path) -> str:
    """Returns by what sqlite opens a file that must be there."""
    return f"{database.resolve().as_uri()}?mode=rw"


def keep_artifacts_here(database: Path, place: str) -> None:
    """Has a folder's own database keep its files in the folder, wherever it came from and whoever made it.

    MLflow notes absolute places when an experiment or run is made, and writes there ever after.
    """
    if not database.is_file():
        return
    with closing(sqlite3.connect(address_of(database), uri=True)) as connection:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if {"experiments", "runs"} <= tables:
            connection.execute("UPDATE experiments SET artifact_location = ?", (place,))
            artifacts = (place, "artifacts")
            connection.execute("UPDATE runs SET artifact_uri = ? || '/' || run_uuid || '/' || ?", artifacts)
            connection.commit()


def _has_run(client: Any, run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False


def _allowed(name: str) -> str:
    """Returns a name with "-" for what MLflow does not take, as the @ and + of multitask@100:encoder+bc."""
    return re.sub(r"[^\w\-. :/]", "-", name)


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Returns nested settings as dotted names that MLflow takes, and texts."""
    flat: dict[str, str] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        flat |= flatten(item, f"{name}.") if isinstance(item, Mapping) else {_allowed(name): str(item)}
    return flat
