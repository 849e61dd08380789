"""The folder of a study: finished jobs, checkpoints of running ones, tables and the report.

study.json                       which study this is
jobs/<key>/                      a finished job: it appears whole, by a rename
running/<key>/checkpoint...      a job under way
results.parquet  ...             tables over all finished jobs of the plan
report/  videos/  mlflow.db      what people look at
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import polars as pl

from study.errors import StudyError, writing
from study.plan import Job
from study.state_file import canonical_json, read_state, write_bytes, write_state

FORMAT = 1
CHECKPOINT = "checkpoint.safetensors"
# What a finished job of each kind has; one that lacks any of it is damaged.
TABLES = {
    "baseline": ("episodes",),
    "pretrain": ("online", "metrics"),
    "adapt": ("online", "metrics", "episodes"),
    "measure": ("rows",),
}


class Store:
    """Reads and writes one study's folder; the only part of a study that touches files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock: IO[str] | None = None

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
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._check_owner(identity)
            self._lock = open(self.root / ".lock", "w")  # noqa: SIM115
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise StudyError(
                f"another process is working on the study in {self.root}; "
                f"wait for it or choose another --output"
            ) from None
        except OSError as error:
            raise StudyError(
                f"cannot use {self.root} as the output folder ({error.strerror}); choose another --output"
            ) from None
        study = {"fvm_study": FORMAT, "identity": identity, "config": config}
        study["plugins"] = plugins or {}  # names and hashes, for people: nothing loads them
        study["splits"] = {**splits, **self.recorded_splits()}  # what was recorded first stays
        text = json.dumps(study, indent=1, sort_keys=True)
        write_bytes(self.root / "study.json", text.encode() + b"\n")
        for name in ("jobs", "running"):
            with writing(self.root / name):
                (self.root / name).mkdir(exist_ok=True)

    def close(self) -> None:
        """Lets other processes have the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _check_owner(self, identity: Mapping[str, Any]) -> None:
        marker = self.root / "study.json"
        if not marker.exists():
            others = sorted(p.name for p in self.root.iterdir() if p.name != ".lock")
            if others:
                raise StudyError(
                    f"{self.root} is not empty and holds no study (it has {others[0]!r}); "
                    f"choose another --output"
                )
            return
        try:
            found = json.loads(marker.read_text())
            if found["fvm_study"] != FORMAT:
                raise ValueError(f"format {found['fvm_study']}, this program writes {FORMAT}")
            theirs = found["identity"]
        except (ValueError, KeyError, TypeError) as error:
            raise StudyError(f"{marker} is not a study's ({error}); choose another --output") from None
        if canonical_json(theirs) != canonical_json(identity):
            mine = json.loads(canonical_json(identity))
            differ = sorted(k for k in {*theirs, *mine} if theirs.get(k) != mine.get(k))
            raise StudyError(
                f"{self.root} holds another study (it differs in {', '.join(differ)}); "
                f"choose another --output"
            )

    def recorded_splits(self) -> dict[str, str]:
        """Returns the hashes of all splits that were recorded here before their jobs ran, by name."""
        marker = self.root / "study.json"
        splits: dict[str, str] = json.loads(marker.read_text()).get("splits", {}) if marker.exists() else {}
        return splits

    def folder(self, job: Job) -> Path:
        """Returns where a finished job lies."""
        return self.root / "jobs" / job.key[:16]

    def workspace(self, job: Job) -> Path:
        """Returns where a job under way keeps its checkpoint; made if missing."""
        path = self.root / "running" / job.key[:16]
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def done(self, job: Job) -> bool:
        """Whether the job is finished."""
        return self.folder(job).is_dir()

    @contextmanager
    def occupy(self, job: Job) -> Iterator[None]:
        """Holds a job, so that no other process works on it; waits for one that still does."""
        path = self.workspace(job).with_suffix(".lock")
        with writing(path):
            lock = open(path, "w")  # noqa: SIM115
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def save_checkpoint(self, job: Job, state: dict[str, Any]) -> None:
        """Keeps all that an interrupted job needs to go on."""
        write_state(self.workspace(job) / CHECKPOINT, state)

    def load_checkpoint(self, job: Job) -> dict[str, Any] | None:
        """Returns the last checkpoint of an unfinished job, if it has one."""
        path = self.workspace(job) / CHECKPOINT
        return read_state(path) if path.exists() else None

    def finish(
        self, job: Job, tables: Mapping[str, pl.DataFrame], notes: Mapping[str, Any], weights: Any
    ) -> None:
        """Files a job's results. Until the last rename the job counts as unfinished."""
        partial = self.workspace(job) / "finished"
        shutil.rmtree(partial, ignore_errors=True)
        with writing(partial):
            partial.mkdir(parents=True)
        for name, table in tables.items():
            write_table(partial / f"{name}.parquet", table)
        for name, value in {"job": {"key": job.key, "spec": job.spec}, **notes}.items():
            write_bytes(
                partial / f"{name}.json", json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"
            )
        if weights is not None:
            write_state(partial / "weights.safetensors", dict(weights))
        with writing(self.folder(job)):
            os.rename(partial, self.folder(job))
        shutil.rmtree(self.workspace(job), ignore_errors=True)

    def weights(self, job: Job) -> dict[str, Any]:
        """Returns the policy weights at the end of a finished job."""
        folder = self.folder(job)
        return read_state(folder / "weights.safetensors", mend=f"delete the folder {folder}")

    def note(self, job: Job, name: str) -> dict[str, Any]:
        """Returns one of a finished job's JSON notes: "costs" or "manifest"."""
        path = self.folder(job) / f"{name}.json"
        try:
            value: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise StudyError(
                f"{path} is damaged ({error}); delete the folder {path.parent} and run the same command again"
            ) from None
        return value

    def table(self, jobs: Iterable[Job], name: str) -> pl.DataFrame:
        """Returns one table of many finished jobs; rows carry their job's method, fold, seed, checkpoint."""
        frames = []
        for job in jobs:
            path = self.folder(job) / f"{name}.parquet"
            if not path.exists() and name not in TABLES[job.kind]:
                continue
            try:
                frame = pl.read_parquet(path)
            except (pl.exceptions.PolarsError, OSError) as error:
                raise StudyError(
                    f"{path} is damaged ({str(error).splitlines()[0]}); delete the folder {path.parent} "
                    f"and run the same command again"
                ) from None
            labels = {"method": job.method, "fold": job.fold, "seed": job.seed, "checkpoint": job.checkpoint}
            missing = {k: pl.lit(v) for k, v in labels.items() if k not in frame.columns}
            frames.append(frame.with_columns(**missing))
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Writes a table as parquet, atomically; equal tables are equal bytes."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", compression_level=3)
    write_bytes(path, buffer.getvalue())
