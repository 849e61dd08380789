"""The folder of a study: finished jobs, checkpoints of running ones, tables and the report.

study.json                       which study this is
jobs/<key>/                      a finished job: it appears whole, by a rename, with the sums of its files
running/<key>/checkpoint...      a job under way
results.parquet  ...             tables over all finished jobs of the plan
report/  videos/  mlflow.db      what people look at
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import polars as pl

from study.errors import StudyError, writing
from study.folder import study_file
from study.folder.files import (
    json_bytes,
    partial_name,
    sha256_of,
    table_bytes,
    write_bytes,
)
from study.folder.finished_jobs import WAIT_S, FinishedJobs
from study.folder.job_record import (
    COSTS,
    MANIFEST,
    RECORD,
    WEIGHTS,
    JobRecord,
    manifest_bytes,
    record_bytes,
    short,
)
from study.folder.state_file import read_state, write_state
from study.folder.under_way import UnderWay
from study.plan import Job

CHECKPOINT = "checkpoint.safetensors"


class Store(FinishedJobs):
    """Reads and writes one study's folder; the only part of a study that touches files."""

    def __init__(self, root: Path, patience_s: float = 0.0) -> None:
        """Opens a folder; on a shared one, files that others wrote may show up so much later."""
        super().__init__(root, patience_s)
        self._lock: IO[bytes] | None = None
        self._held: set[str] = set()

    def claim(
        self,
        identity: Mapping[str, Any],
        config: Mapping[str, Any],
        splits: Mapping[str, str],
        plugins: Mapping[str, str] | None = None,
        command: str = "",
    ) -> None:
        """Makes the folder this study's own until `close`; records the splits' hashes, and what ran it.

        Raises:
            StudyError: The folder holds something else, another process works on it, or it cannot be written.
        """
        self._lock = study_file.claim(self.root, identity, config, splits, plugins or {}, command)

    def close(self) -> None:
        """Lets other processes have the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def recorded_splits(self) -> dict[str, str]:
        """Returns the hashes of all splits that were recorded here before their jobs ran, by name."""
        found = study_file.read_study_file(self.root)
        return dict(found.splits) if found else {}

    def workspace(self, job: Job) -> Path:
        """Returns where a job under way keeps its checkpoint; made if missing."""
        path = self.root / "running" / short(job.key)
        with writing(path):
            path.parent.mkdir(exist_ok=True)  # not the study's folder: one that was moved away stays away
            path.mkdir(exist_ok=True)
        return path

    @contextmanager
    def holding(self, job: Job) -> Iterator[None]:
        """While open, `occupy` takes it that this process has the job's lease."""
        self._held.add(job.key)
        try:
            yield
        finally:
            self._held.discard(job.key)

    @contextmanager
    def occupy(self, job: Job) -> Iterator[None]:
        """Holds a job, so that no other process works on it; waits for one that still does."""
        if job.key in self._held:
            yield
            return
        under_way = UnderWay(self.root)
        while (lease := under_way.take(job.key)) is None:
            time.sleep(WAIT_S)
        try:
            yield
        finally:
            lease.release()

    def checkpoint(self, job: Job) -> Path:
        """Returns where a job under way keeps what it needs to go on."""
        return self.workspace(job) / CHECKPOINT

    def save_checkpoint(self, job: Job, state: dict[str, Any]) -> None:
        """Keeps all that an interrupted job needs to go on."""
        write_state(self.checkpoint(job), {"job": job.key, **state})

    def load_checkpoint(self, job: Job) -> dict[str, Any] | None:
        """Returns the last checkpoint of an unfinished job, if it has one.

        Raises:
            StudyError: It is damaged, or another job's.
        """
        path = self.checkpoint(job)
        if not os.path.lexists(path):
            return None
        state = read_state(path)
        if state.pop("job", None) != job.key:
            raise StudyError(
                f"{path} is damaged (it is no checkpoint of this job); delete this file and run the same "
                f"command again: only the job it belongs to starts anew"
            )
        return state

    def finish(
        self, job: Job, tables: Mapping[str, pl.DataFrame], notes: Mapping[str, Any], weights: Any
    ) -> None:
        """Files a job's results. Until the last rename the job counts as unfinished."""
        partial = self.workspace(job) / partial_name("finished")
        with writing(partial):
            partial.mkdir()
        try:
            for name, table in tables.items():
                write_table(partial / f"{name}.parquet", table)
            for name, value in notes.items():
                if name != "manifest":
                    write_bytes(partial / f"{name}.json", json_bytes(value))
            if weights is not None:
                write_state(partial / WEIGHTS, dict(weights))
            with writing(partial):
                sums = {path.name: sha256_of(path) for path in sorted(partial.iterdir())}
            write_bytes(partial / MANIFEST, manifest_bytes(notes.get("manifest", {}), sums.get(COSTS, "")))
            record = JobRecord(key=job.key, spec=job.spec, files=sums)
            write_bytes(partial / RECORD, record_bytes(record))
            self.publish(job, partial)
        finally:  # what a full disk took half of gives its room back
            shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(self.workspace(job), ignore_errors=True)

    def publish(self, job: Job, partial: Path) -> None:
        """Puts a whole job's folder in its place; one that another worker has put there first stays."""
        with writing(self.folder(job)):
            try:
                os.rename(partial, self.folder(job))
            except OSError:
                if not self.done(job):
                    raise
                shutil.rmtree(partial, ignore_errors=True)


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Writes a table as parquet, atomically; equal tables are equal bytes."""
    write_bytes(path, table_bytes(table))
