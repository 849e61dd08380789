"""What lies finished in a study's folder; each file is held against its SHA-256 when it is read."""

from __future__ import annotations

import hashlib
import os
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from study.errors import StudyError
from study.folder import study_file
from study.folder.files import (
    Damaged,
    canonical_json,
    is_folder,
    parse_json,
    parse_table,
    read_bytes,
    sha256_of,
)
from study.folder.job_record import (
    COSTS,
    MANIFEST,
    RECORD,
    WEIGHTS,
    JobRecord,
    damaged,
    lacks_weights,
    read_manifest,
    read_record,
    short,
)
from study.folder.job_tables import AT_ONCE, COLUMNS_OF, labelled, read_tables
from study.folder.state_file import read_state
from study.folder.tables import Columns, of_columns
from study.plan import Job

WAIT_S = 0.1  # between two looks at what another process has in hand

Read = TypeVar("Read")


class FinishedJobs:
    """Reads the finished jobs of one study's folder."""

    def __init__(self, root: Path, patience_s: float = 0.0) -> None:
        """Opens a folder; on a shared one, files that others wrote may show up so much later."""
        self.root, self.patience_s = root, patience_s
        self._jobs = root / "jobs"
        self._records: dict[str, JobRecord] = {}
        self._manifests: dict[str, tuple[dict[str, Any], dict[str, str]]] = {}
        self._alike: dict[str, dict[str, Any]] = {}  # manifests by their text: most are the same
        self._notes: dict[tuple[str, str], dict[str, Any]] = {}  # small, and asked for several times

    def folder(self, job: Job) -> Path:
        """Returns where a finished job lies."""
        return self._jobs / short(job.key)

    def done(self, job: Job) -> bool:
        """Whether the job is finished."""
        return is_folder(self.folder(job))

    def finished_at(self, job: Job) -> float:
        """Returns when a finished job's record was written, in seconds since 1970 by the file server."""
        return os.stat(self.folder(job) / RECORD).st_mtime

    def finished(self) -> set[str]:
        """Returns the first parts of the keys of all finished jobs here, by one look at the folder."""
        try:
            return {entry.name for entry in os.scandir(self._jobs) if entry.is_dir(follow_symlinks=False)}
        except FileNotFoundError:
            return set()

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

    def check_weights(self, jobs: Iterable[Job]) -> None:
        """Raises StudyError that names all agents whose weights jobs that are to run need and nobody has."""
        parents = {job.parent.key: job.parent for job in jobs if job.parent is not None}
        lacking = [
            parent
            for parent in parents.values()
            if self.done(parent) and lacks_weights(self.record(parent), self.folder(parent))
        ]
        if lacking:
            raise self._without_weights(lacking)

    def _without_weights(self, jobs: Sequence[Job]) -> StudyError:
        """Returns the error for finished jobs whose weights are needed and are not there."""
        titles = ", ".join(job.title for job in jobs)
        folders = shlex.join(str(self.folder(job)) for job in jobs)
        return StudyError(
            f"{titles} {'has' if len(jobs) == 1 else 'have'} no weights, as if from an archive without them, "
            f"and they are needed; import an archive with weights, or run `rm -r {folders}` and the same "
            f"command again: only {'this job runs' if len(jobs) == 1 else 'these jobs run'} anew"
        )

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
                raise self._without_weights([job]) from None
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
        file, columns = f"{name}.parquet", COLUMNS_OF.get(name, {})
        owners = [job for job in jobs if file in self.record(job).files]
        tables: list[pl.DataFrame] = []
        heights: list[int] = []
        for first in range(0, len(owners), AT_ONCE):
            some = owners[first : first + AT_ONCE]
            try:
                for job in some:
                    self.read(job, file)
                table, each = read_tables([self.folder(job) / file for job in some])
                tables.append(of_columns(table, columns))
                heights += each
            except Damaged:  # which one, or they are of several kinds: each by itself
                alone = [self._parsed(job, file, columns) for job in some]
                tables += alone
                heights += [table.height for table in alone]
        return labelled(tables, heights, owners, tasks) if owners else pl.DataFrame()

    def _parsed(self, job: Job, file: str, columns: Columns) -> pl.DataFrame:
        """Returns the table in a job's file; raises StudyError for what is none, or has other columns."""
        data = self.read(job, file)
        try:
            return of_columns(parse_table(data), columns)
        except Damaged as error:
            folder = self.folder(job)
            raise damaged(folder / file, error, folder) from None

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
        if not (self.root / study_file.MARKER).exists() and not is_folder(self._jobs):
            return self._gone()
        return damaged(path, why, folder)

    def check_there(self) -> None:
        """Raises StudyError if the study's folder is gone: nothing would ever be finished in it."""
        try:
            os.lstat(self._jobs)
        except (FileNotFoundError, NotADirectoryError):
            raise self._gone() from None
        except OSError:  # a server that does not answer may do so again
            pass

    def _gone(self) -> StudyError:
        return StudyError(
            f"the study's folder {self.root} is gone, moved or deleted while it ran; put it back, or "
            f"name its new place with --output, and run the same command again: what it holds is kept"
        )
