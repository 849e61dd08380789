"""A disk that is full, and files that are cut short: one sentence, no half of a file, no time lost later."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import polars as pl
import pytest
import torch
from study.command_line.cli import loading, run
from study.engines import Schedule, run_in_process, run_in_processes
from study.engines.schedule import RunOptions
from study.errors import StudyError, said_of
from study.folder import lease
from study.folder.cache import take_from
from study.folder.store import CHECKPOINT, Store
from study.folder.tables import table_at
from study.folder.under_way import UnderWay
from study.plan import Plan
from study.tracking.mlflow_sink import DATABASE, Sink, default_uri
from study.tuning.tuned import TABLES, TUNED, read_tuned, ship

NO_ROOM = "no space left to write .*; free some and run the same command again"


@contextmanager
def limited(most: int = 0) -> Iterator[None]:
    """While open, no file grows beyond so many bytes: a full disk to whoever writes, without root.

    Modules that are imported meanwhile are not compiled to files: Python itself would leave them cut short.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # in workers
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def hidden(root: Path) -> list[Path]:
    """Returns what was left half-written."""
    return [path for path in root.rglob(".*") if path.name.endswith(".partial")]


def test_no_empty_lease_is_left_to_be_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "x.lease"
    with limited(), pytest.raises(StudyError, match=NO_ROOM):
        lease.take(path)
    assert not any(tmp_path.iterdir())
    held = lease.take(path)  # at once, not when an empty one is a minute old
    assert held is not None
    held.release()


def test_a_lease_of_elsewhere_that_nobody_can_judge_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.lease"
    path.write_text(json.dumps({"token": "theirs", "place": "elsewhere", "pid": 1}))
    with limited(), pytest.raises(StudyError, match=NO_ROOM):
        lease.take(path)
    assert list(tmp_path.iterdir()) == [path]


def test_notes_on_progress_leave_nothing_behind(folder: tuple[Plan, Store]) -> None:
    plan, store = folder
    work, under_way = store.workspace(plan.jobs[0]), UnderWay(store.root)
    with limited():
        for step in range(3):
            under_way.tell(plan.jobs[0].key, {"env_step": step, "metrics": {}})
    assert not any(work.iterdir())


def test_a_job_that_cannot_be_filed_gives_its_room_back_and_keeps_its_checkpoint(
    folder: tuple[Plan, Store],
) -> None:
    plan, store = folder
    job = plan.jobs[0]
    store.save_checkpoint(job, {"x": 1})
    given = ({"metrics": pl.DataFrame({"value": [1.0]})}, {"costs": {}}, {"w": torch.zeros(10_000)})
    with limited(8_000), pytest.raises(StudyError, match=NO_ROOM):
        store.finish(job, *given)  # the table fits, the weights do not
    assert [path.name for path in store.workspace(job).iterdir()] == [CHECKPOINT]
    store.finish(job, *given)
    assert store.done(job)


def test_a_job_that_cannot_be_taken_from_elsewhere_keeps_its_checkpoint(
    small_done: tuple[Plan, Store], tmp_path: Path
) -> None:
    plan, theirs = small_done
    store = Store(tmp_path)
    (tmp_path / "jobs").mkdir()
    job = next(job for job in plan.jobs if job.kind == "pretrain")
    store.save_checkpoint(job, {"x": 1})
    with limited(2_000), pytest.raises(StudyError, match=NO_ROOM):
        take_from(store, [job], [theirs.root])
    assert [path.name for path in store.workspace(job).iterdir()] == [CHECKPOINT]
    taken, _ = take_from(store, [job], [theirs.root])
    assert taken == [job]
    assert not (tmp_path / "running" / job.key[:16]).exists()


def test_a_worker_that_cannot_even_note_why_it_ends_tells_its_driver(folder: tuple[Plan, Store]) -> None:
    plan, store = folder
    with limited(), pytest.raises(StudyError, match=NO_ROOM):
        list(run_in_processes(Schedule(plan.jobs, store), RunOptions("cpu", 1e9), 1))
    assert not any((store.root / "jobs").iterdir())
    assert not list(store.root.rglob("*.lease"))


def test_a_folder_that_is_gone_is_not_waited_for(folder: tuple[Plan, Store]) -> None:
    plan, store = folder
    events = run_in_processes(Schedule(plan.jobs, store), RunOptions("cpu", engine="folder"), 0)
    shutil.rmtree(store.root)
    with pytest.raises(StudyError, match="is gone, moved or deleted while it ran; put it back"):
        next(events)


def test_a_full_disk_elsewhere_stops_the_study_and_is_no_fault_of_the_job(
    folder: tuple[Plan, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = folder

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/film.mp4")

    monkeypatch.setattr("study.engines.worker.run_job", full)
    events = list(run_in_process(Schedule(plan.jobs[:1], store), RunOptions("cpu", 1e9)))
    assert events[-1].mendable
    assert events[-1].message.startswith("no space left to write /tmp/film.mp4 (No space left on device)")


def test_what_is_said_where_no_file_is_named() -> None:
    assert "TMPDIR or /dev/shm" in said_of(OSError(errno.EFBIG, "File too large"))
    nowhere = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
    assert said_of(nowhere).endswith("found in ['/tmp']; make room in one of them, or name another by TMPDIR")
    assert said_of(FileNotFoundError(errno.ENOENT, "No such file", "x")) == "cannot use x (No such file)"
    assert said_of(OSError("ours")) == said_of(ValueError("ours")) == ""


def test_a_cache_that_cannot_be_made_is_not_taken_for_a_lack_of_memory() -> None:
    words = (
        "Matplotlib requires access to a writable cache directory" + " and more" * 30 + "; set MPLCONFIGDIR"
    )
    with pytest.raises(StudyError, match=r"set MPLCONFIGDIR, or make room there$"), loading():
        raise OSError(words)


def test_a_damaged_tuning_is_told_before_anything_runs(tmp_path: Path) -> None:
    theirs, root = tmp_path / "tuning", tmp_path / "study"
    theirs.mkdir()
    for name in TABLES:
        pl.DataFrame({"x": [1]}).write_parquet(theirs / name)
    (theirs / TUNED).write_text("")
    with pytest.raises(StudyError, match=r"tuned\.json is damaged .*; run `study tune` again"):
        read_tuned(theirs)
    for grid in ('"12"', "[null]", "[[1]]"):
        (theirs / TUNED).write_text(f'{{"settings": {{}}, "chosen": {{}}, "grid": {{"a": {grid}}}}}')
        with pytest.raises(StudyError, match=r"tuned\.json is damaged \(its grid is none of numbers\)"):
            read_tuned(theirs)
    with pytest.raises(StudyError, match=r"holds no finished tuning; run `study tune` first"):
        read_tuned(theirs / TUNED)  # a file
    ship(theirs, root)
    assert sorted(path.name for path in (root / "tuning").iterdir()) == sorted([TUNED, *TABLES])
    with limited(), pytest.raises(StudyError, match=NO_ROOM):
        ship(theirs, root)
    assert not hidden(root)
    (theirs / TABLES[1]).write_bytes(b"PAR1")
    with pytest.raises(StudyError, match=rf"{TABLES[1]} is damaged .*; run `study tune` again"):
        ship(theirs, root)
    with pytest.raises(StudyError, match=r"gone\.parquet is damaged \(No such file or directory\); do this"):
        table_at(tmp_path / "gone.parquet", "do this")


def test_half_an_agent_is_not_in_the_way(tiny_done: Path, tmp_path: Path) -> None:
    command = ["agents", str(tiny_done), "--method", "scratch", "--to", str(tmp_path / "agent")]
    with limited(10_000):
        assert run(command) == 2
    assert not any(tmp_path.iterdir())
    assert run(command) == 0


def test_a_database_that_cannot_be_written_is_told_at_once(
    small_done: tuple[Plan, Store], tmp_path: Path
) -> None:
    plan, database = small_done[0], tmp_path / DATABASE
    sink = Sink(Store(tmp_path), list(plan.jobs), "toy-quick", {}, default_uri(tmp_path))
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE x (y)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            sink.connect()
    database.write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        sink.connect()
    database.unlink()
    database.mkdir()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        sink.connect()


def test_mlflows_database_is_whole_or_not_there(
    small_done: tuple[Plan, Store], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plan, done = small_done
    shutil.copytree(done.root, tmp_path / "study")
    store = Store(tmp_path / "study")
    sink = Sink(store, list(plan.jobs), "toy-quick", {}, default_uri(store.root))
    with limited(100_000), pytest.raises(Exception, match=r"disk|full|I/O"):
        sink.connect()
    assert not (store.root / DATABASE).exists()  # some of its tables would be in MLflow's way for ever
    assert not hidden(store.root)
    assert "Traceback" not in capfd.readouterr().err
