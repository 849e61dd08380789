"""The folder of a study: finished jobs, checkpoints of running ones, tables and the report.

study.json                       which study this is
jobs/<key>/                      a finished job: it appears whole, by a rename, with the sums of its files
running/<key>/checkpoint...      a job under way
results.parquet  ...             tables over all finished jobs of the plan
report/  videos/  mlflow.db      what people look at
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import polars as pl

from study import study_file
from study.errors import StudyError, writing
from study.files import (
    Damaged,
    canonical_json,
    is_folder,
    json_bytes,
    parse_json,
    parse_table,
    partial_name,
    read_bytes,
    sha256_of,
    table_bytes,
    write_bytes,
)
from study.job_record import (
    COSTS,
    MANIFEST,
    RECORD,
    JobRecord,
    damaged,
    manifest_bytes,
    read_manifest,
    read_record,
    record_bytes,
    short,
)
from study.plan import Job
from study.state_file import read_state, write_state
from study.tables import Columns, of_columns
from study.under_way import UnderWay

CHECKPOINT = "checkpoint.safetensors"
WEIGHTS = "weights.safetensors"
COLUMNS_OF: Mapping[str, Columns] = {  # of the tables that every training or baseline leaves
    "episodes": {"task": pl.String, "env_step": pl.Int64, "episode": pl.Int64, "score": pl.Float64},
    "online": {"env_step": pl.Int64, "episodes": pl.Int64, "return": pl.Float64, "length": pl.Float64},
    "metrics": {"metric": pl.String, "env_step": pl.Int64, "value": pl.Float64},
}
WAIT_S = 0.1  # between two looks at a job that another process has in hand


Read = TypeVar("Read")


class Store:
    """Reads and writes one study's folder; the only part of a study that touches files."""

    def __init__(self, root: Path, patience_s: float = 0.0) -> None:
        """Opens a folder; on a shared one, files that others wrote may show up so much later."""
        self.root, self.patience_s = root, patience_s
        self._lock: IO[bytes] | None = None
        self._records: dict[str, JobRecord] = {}
        self._manifests: dict[str, tuple[dict[str, Any], dict[str, str]]] = {}
        self._alike: dict[str, dict[str, Any]] = {}  # manifests by their text: most are the same
        self._notes: dict[tuple[str, str], dict[str, Any]] = {}  # small, and asked for several times
        self._held: set[str] = set()

    def claim(
        self,
        identity: Mapping[str, Any],
        config: Mapping[str, Any],
        splits: Mapping[str, str],
        plugins: Mapping[str, str] | None = None,
    ) -> None:
        """Makes the folder this study's own until `close`; records the splits' hashes.

        Raises:
            StudyError: The folder holds something else, another process works on it, or it cannot be written.
        """
        self._lock = study_file.claim(self.root, identity, config, splits, plugins or {})

    def close(self) -> None:
        """Lets other processes have the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def recorded_splits(self) -> dict[str, str]:
        """Returns the hashes of all splits that were recorded here before their jobs ran, by name."""
        found = study_file.read_study_file(self.root)
        return dict(found.splits) if found else {}

    def folder(self, job: Job) -> Path:
        """Returns where a finished job lies."""
        return self.root / "jobs" / short(job.key)

    def workspace(self, job: Job) -> Path:
        """Returns where a job under way keeps its checkpoint; made if missing."""
        path = self.root / "running" / short(job.key)
        with writing(path):
            path.parent.mkdir(exist_ok=True)  # not the study's folder: one that was moved away stays away
            path.mkdir(exist_ok=True)
        return path

    def done(self, job: Job) -> bool:
        """Whether the job is finished."""
        return is_folder(self.folder(job))

    def finished(self) -> set[str]:
        """Returns the first parts of the keys of all finished jobs here, by one look at the folder."""
        try:
            return {
                entry.name for entry in os.scandir(self.root / "jobs") if entry.is_dir(follow_symlinks=False)
            }
        except FileNotFoundError:
            return set()

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

    def record(self, job: Job) -> JobRecord:
        """Returns what a finished job says of itself.

        Raises:
            StudyError: Its record is damaged, or another job's.
        """
        found = self._records.get(job.key)
        if found is None:
            folder = self.folder(job)
            try:
                found = self._patiently(lambda: read_record(folder))
                if found.key != job.key:
                    raise Damaged(f"it is the record of job {found.key}")
            except (OSError, Damaged) as error:
                raise self._damaged(folder / RECORD, error, folder) from None
            # The spec is the job's own, as its key says: of thousands of jobs none is kept twice.
            found = self._records[job.key] = replace(found, spec=job.spec)
        return found

    def manifest(self, job: Job) -> dict[str, Any]:
        """Returns what ran a finished job; raises StudyError if that is damaged."""
        return self._manifest(job)[0]

    def _manifest(self, job: Job) -> tuple[dict[str, Any], dict[str, str]]:
        found = self._manifests.get(job.key)
        if found is None:
            folder = self.folder(job)
            try:
                value, sums = self._patiently(lambda: read_manifest(folder))
            except (OSError, Damaged) as error:
                raise self._damaged(folder / MANIFEST, error, folder) from None
            found = self._alike.setdefault(canonical_json(value), value), sums
            self._manifests[job.key] = found
        return found

    def forget(self, job: Job) -> None:
        """Reads a job's record anew next time."""
        self._records.pop(job.key, None)
        self._manifests.pop(job.key, None)
        self._notes = {note: value for note, value in self._notes.items() if note[0] != job.key}

    def check(self, jobs: Iterable[Job]) -> None:
        """Raises StudyError if one of these jobs is finished and its record cannot be believed."""
        for job in jobs:
            if self.done(job):
                self.record(job)

    def read(self, job: Job, name: str) -> bytes:
        """Returns a file of a finished job, held against its SHA-256.

        Raises:
            StudyError: It is damaged or missing.
        """
        folder = self.folder(job)
        digest = self._manifest(job)[1].get(name) if name == COSTS else self.record(job).files.get(name)
        try:
            data = self._patiently(lambda: read_bytes(folder / name))
            if hashlib.sha256(data).hexdigest() != digest:
                raise Damaged("it does not match its SHA-256 in the job's record")
        except (OSError, Damaged) as error:
            raise self._damaged(folder / name, error, folder) from None
        return data

    def weights(self, job: Job) -> dict[str, Any]:
        """Returns the policy weights at the end of a finished job."""
        folder = self.folder(job)
        path = folder / WEIGHTS
        try:
            if self._patiently(lambda: sha256_of(path)) != self.record(job).files.get(WEIGHTS):
                raise Damaged("it does not match its SHA-256 in the job's record")
        except FileNotFoundError as error:
            if is_folder(folder) and WEIGHTS in self.record(job).files:
                raise StudyError(
                    f"{job.title} has no weights, as if from an archive without them, and they are needed; "
                    f"import an archive with weights, or delete the folder {folder}, and run the same "
                    f"command again: only this job runs anew"
                ) from None
            raise self._damaged(path, error, folder) from None
        except (OSError, Damaged) as error:
            raise self._damaged(path, error, folder) from None
        return read_state(path, mend=f"delete the folder {folder}")

    def note(self, job: Job, name: str) -> dict[str, Any]:
        """Returns one of a finished job's JSON notes, not to be changed: "costs", "ledger" or "manifest"."""
        if name == "manifest":
            return self.manifest(job)
        if (kept := self._notes.get((job.key, name))) is not None:
            return kept
        folder = self.folder(job)
        path = folder / f"{name}.json"
        try:
            value = parse_json(self.read(job, path.name))
            if not isinstance(value, dict):
                raise Damaged(f"it holds a {type(value).__name__}")
        except Damaged as error:
            raise damaged(path, error, folder) from None
        self._notes[job.key, name] = value
        return value

    def table(self, jobs: Iterable[Job], name: str, *, tasks: bool = False) -> pl.DataFrame:
        """Returns one table of many finished jobs; rows carry their job's method, fold, seed, checkpoint.

        A job whose record lists no such table has no rows in it. With `tasks` rows carry the job's task too.
        """
        frames, owners = [], []
        for job in jobs:
            if f"{name}.parquet" not in self.record(job).files:
                continue
            data = self.read(job, f"{name}.parquet")
            try:
                frames.append(of_columns(parse_table(data), COLUMNS_OF.get(name, {})))
            except Damaged as error:
                folder = self.folder(job)
                raise damaged(folder / f"{name}.parquet", error, folder) from None
            owners.append(job)
        return labelled(frames, owners, tasks) if frames else pl.DataFrame()

    def _patiently(self, read: Callable[[], Read]) -> Read:
        """Returns what is read, which may not be there yet."""
        end = time.monotonic() + self.patience_s
        while True:
            try:
                return read()
            except FileNotFoundError:
                if time.monotonic() >= end:
                    raise
                time.sleep(WAIT_S)

    def _damaged(self, path: Path, why: Exception, folder: Path) -> StudyError:
        """Returns the error for a file that cannot be read: nothing is wrong with it if all are gone."""
        if not (self.root / study_file.MARKER).exists() and not is_folder(self.root / "jobs"):
            return StudyError(
                f"the study's folder {self.root} is gone, moved or deleted while it ran; put it back, or "
                f"name its new place with --output, and run the same command again: what it holds is kept"
            )
        return damaged(path, why, folder)


def labelled(frames: Sequence[pl.DataFrame], jobs: Sequence[Job], tasks: bool) -> pl.DataFrame:
    """Returns the rows of jobs' tables together, with the labels that they do not have themselves."""
    rows = np.repeat(np.arange(len(jobs)), [frame.height for frame in frames])
    table = pl.concat(frames, how="diagonal")
    labels = {name: [getattr(job, name) for job in jobs] for name in ("method", "fold", "seed", "checkpoint")}
    if tasks:
        labels["task"] = [str(job.spec.get("task", "")) for job in jobs]
    for name, values in labels.items():
        label = pl.Series(name, values)
        if label.dtype.is_integer() and max(values) < 2**31:
            label = label.cast(pl.Int32)
        label = label.gather(rows)
        table = table.with_columns(table[name].fill_null(label) if name in table.columns else label)
    return table


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Writes a table as parquet, atomically; equal tables are equal bytes."""
    write_bytes(path, table_bytes(table))
