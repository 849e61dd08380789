"""Any number of workers over one shared folder: no job is lost or done twice."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from study.command_line.cli import run
from study.command_line.watching import describe
from study.engines import Event, Schedule, run_in_process, run_in_processes
from study.engines.processes import work
from study.engines.schedule import RunOptions
from study.engines.watch import Watch
from study.engines.worker import take_jobs
from study.errors import StudyError
from study.folder import lease
from study.folder.plan_file import PlanFile, read_plan, write_plan
from study.folder.store import Store
from study.folder.under_way import Failure, UnderWay
from study.jobs.job import Progress
from study.plan import Plan

ENV = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}


def test_two_workers_share_a_plan_and_neither_does_the_others_jobs(
    folder: tuple[Plan, Store], small_done: tuple[Plan, Store], same_results: Callable[[Path, Path], None]
) -> None:
    plan, store = folder
    first = take_jobs(Schedule(read_plan(store.root).jobs, store), RunOptions())
    second = take_jobs(Schedule(read_plan(store.root).jobs, Store(store.root)), RunOptions())
    done: list[list[str]] = [[], []]
    turns = [first, second]
    events = [next(first), next(second)]
    assert events[0].job.key != events[1].job.key  # side by side
    while turns:  # step by step, one after the other, until a worker would have to wait for the other
        for i, worker in enumerate([first, second]):
            if worker in turns and (event := next(worker, None)) is None:
                turns.remove(worker)
            elif worker in turns and event.what == "finished":
                done[i].append(event.job.key)
            if done[1] and len(done[0]) + len(done[1]) >= 3 and len(turns) == 2:
                second.close()  # it hands over what it has
                turns.remove(second)
    assert sorted(done[0] + done[1]) == sorted(job.key for job in plan.jobs)
    assert all(done)
    same_results(store.root, small_done[1].root)
    assert not list(store.root.glob("running/*.lease"))


def test_a_worker_takes_up_a_plan_that_grew(folder: tuple[Plan, Store]) -> None:
    plan, store = folder
    baselines = [job for job in plan.jobs if job.kind == "baseline"]
    write_plan(store.root, PlanFile(jobs=tuple(baselines[:1])))
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 1:  # it has the only job in hand
            write_plan(store.root, PlanFile(jobs=tuple(baselines)))

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        assert work(store.root, RunOptions(), threading.Event(), say) == len(baselines) == 2
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert said[-1] == f"{baselines[1].title}: finished"


def test_whoever_finishes_second_accepts_the_first(small_done: tuple[Plan, Store], tmp_path: Path) -> None:
    plan, done = small_done
    shutil.copytree(done.root, tmp_path / "copy")
    store, job = Store(tmp_path / "copy"), plan.jobs[0]
    before = {p: p.read_bytes() for p in store.folder(job).iterdir()}
    partial = store.workspace(job) / "mine"
    shutil.copytree(store.folder(job), partial)
    store.publish(job, partial)
    assert {p: p.read_bytes() for p in store.folder(job).iterdir()} == before
    assert not partial.exists()


def test_a_reader_that_sees_files_late_waits_for_them(small_done: tuple[Plan, Store], tmp_path: Path) -> None:
    plan, done = small_done
    shutil.copytree(done.root, tmp_path / "copy")
    job = next(job for job in plan.jobs if job.kind == "adapt")
    for name in ("job.json", "episodes.parquet", "manifest.json", "costs.json", "weights.safetensors"):
        store = Store(tmp_path / "copy", patience_s=60.0)
        late, path = tmp_path / "late", store.folder(job) / name
        path.rename(late)
        threading.Timer(0.3, late.rename, (path,)).start()
        assert not store.table([job], "episodes").is_empty()
        assert store.note(job, "costs")
        assert store.weights(job)
    impatient = Store(tmp_path / "copy")
    (impatient.folder(job) / "episodes.parquet").unlink()
    with pytest.raises(StudyError, match="is damaged"):
        impatient.table([job], "episodes")


def test_failures_and_losses_are_files_and_are_forgotten_by_the_next_run(tmp_path: Path) -> None:
    under_way = UnderWay(tmp_path)
    (tmp_path / "running").mkdir()
    under_way.fail("a" * 64, Failure(message="no disk", mendable=True))
    for _ in range(3):
        with under_way.attempt("b" * 64):
            path = next(p for p in under_way.attempts.iterdir() if p.name.startswith("b"))
            shutil.copy(path, path.with_name(path.name.replace("-", f"-{os.urandom(3).hex()}")))
    with under_way.attempt("c" * 64):
        pass
    found = under_way.failures()
    assert found["a" * 16] == Failure(message="no disk", mendable=True)
    assert found["b" * 16].message == "its process ended 3 times"
    assert set(found) == {"a" * 16, "b" * 16}
    under_way.forget()
    assert under_way.failures() == {}


def test_what_a_worker_writes_while_another_run_forgets_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "running").mkdir()
    under_way, flush = UnderWay(tmp_path), os.fsync

    def meanwhile(descriptor: int) -> None:
        flush(descriptor)
        under_way.forget()

    monkeypatch.setattr(os, "fsync", meanwhile)
    under_way.fail("a" * 64, Failure(message="no disk"))
    assert under_way.failures() == {"a" * 16: Failure(message="no disk")}
    with under_way.attempt("b" * 64):
        pass


def test_an_attempt_that_ends_while_one_looks_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "running").mkdir()
    under_way, key = UnderWay(tmp_path, max_losses=1), "b" * 64
    mine, attempt = under_way.take(key), under_way.attempt(key)
    assert mine is not None
    attempt.__enter__()
    looked = UnderWay.held

    def held(self: UnderWay) -> dict[str, dict[str, Any]]:
        attempt.__exit__(None, None, None)
        mine.release()
        return looked(self)

    monkeypatch.setattr(UnderWay, "held", held)
    assert under_way.failures() == {}


def test_progress_of_a_run_that_diverged_is_told_without_what_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "running" / ("d" * 16)).mkdir(parents=True)
    metrics = {"loss": float("nan"), "kl": float("inf"), "return": 1.5}
    UnderWay(tmp_path).tell("d" * 64, {"env_step": 640, "metrics": metrics, "doing": "", "part": 0.0})
    told = UnderWay(tmp_path).told("d" * 64)
    assert told is not None
    assert told[0] == {"env_step": 640, "metrics": {"return": 1.5}, "doing": "", "part": 0.0}


def test_status_tells_counts_and_who_works_on_what(
    folder: tuple[Plan, Store], run_plan: Callable[..., list[Event]], capsys: pytest.CaptureFixture[str]
) -> None:
    plan, store = folder
    run_plan(Plan(jobs=plan.jobs[:2], folds={}), store)
    with closing(take_jobs(Schedule(plan.jobs, store), RunOptions())) as working:
        while next(working).what != "progress":
            pass
        watch = Watch(plan.jobs, store, UnderWay(store.root))
        lines = describe(plan.jobs, watch, UnderWay(store.root))
        assert lines[0] == f"2 of {len(plan.jobs)} jobs finished, 1 running, {len(plan.jobs) - 3} waiting"
        assert f"process {os.getpid()}" in lines[1]
        assert run(["status", str(store.root), "--plain"]) == 0
        assert capsys.readouterr().out.splitlines()[0] == lines[0]


def test_status_counts_jobs_whose_parent_failed(folder: tuple[Plan, Store]) -> None:
    plan, store = folder
    failed = next(job for job in plan.jobs if any(child.parent == job for child in plan.jobs))
    children = sum(job.parent == failed for job in plan.jobs)
    (store.root / "running").mkdir()
    under_way = UnderWay(store.root)
    under_way.fail(failed.key, Failure(message="no more memory"))
    line = describe(plan.jobs, Watch(plan.jobs, store, under_way), under_way)[0]
    assert line.endswith(f", 1 failed, {children} cannot run without what failed")
    assert sum(map(int, re.findall("[0-9]+", line.partition(" jobs finished")[2]))) == len(plan.jobs)


def test_stop_ends_workers_with_a_checkpoint(folder: tuple[Plan, Store]) -> None:
    plan, store = folder
    job = next(job for job in plan.jobs if job.method == "scratch")
    events = take_jobs(Schedule([job], store), RunOptions("cpu", 1e9))
    while next(events).what != "progress":
        pass
    assert run(["stop", str(store.root)]) == 0
    assert list(events) == []
    assert store.load_checkpoint(job) is not None
    assert run(["work", str(store.root)]) == 2  # it was stopped


def test_a_study_run_in_its_own_process_is_told_of_study_stop(folder: tuple[Plan, Store]) -> None:
    plan, store = folder
    told: list[str] = []
    how = {"asked": lambda: told.append("asked")}
    events = run_in_process(Schedule(plan.jobs, store), RunOptions("cpu", 1e9), **how)
    while next(events).what != "progress":
        pass
    UnderWay(store.root).stop()
    with pytest.raises(KeyboardInterrupt):
        list(events)
    assert told == ["asked"]


@pytest.mark.parametrize("in_hand", ["here", "elsewhere"])
def test_a_study_that_is_stopped_within_its_last_job_has_not_run(
    folder: tuple[Plan, Store], monkeypatch: pytest.MonkeyPatch, in_hand: str
) -> None:
    plan, store = folder
    job, under_way = next(job for job in plan.jobs if job.method == "scratch"), UnderWay(store.root)
    events = run_in_process(Schedule([job], store), RunOptions("cpu", 1e9))
    if in_hand == "here":
        while next(events).what != "progress":
            pass
        under_way.stop()
    else:
        monkeypatch.setattr(UnderWay, "take", lambda self, key: self.stop())  # another has it, and is told
    with pytest.raises(KeyboardInterrupt):
        list(events)
    assert not store.done(job)


def test_a_job_whose_lease_was_lost_is_waited_for(
    folder: tuple[Plan, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT_S", 0.01)
    plan, store = folder
    job = next(job for job in plan.jobs if job.method == "scratch")
    events = take_jobs(Schedule([job], store), RunOptions("cpu", 1e9))
    while next(events).what != "progress":
        pass
    path = UnderWay(store.root).lease_path(job.key)
    path.write_text(json.dumps({"token": "theirs", "place": "another host", "pid": 1, "started": "1"}))
    threading.Timer(1.0, path.unlink).start()  # they hand it over
    time.sleep(0.2)  # beats
    assert [event.what for event in events if event.what != "progress"] == ["started", "finished"]
    assert store.done(job)


def test_a_job_that_another_filed_has_not_failed_here(
    folder: tuple[Plan, Store], small_done: tuple[Plan, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = folder
    job, done = plan.jobs[0], small_done[1]

    def overtaken(*_: object, **__: object) -> Iterator[Progress]:
        shutil.copytree(done.folder(job), store.folder(job))
        shutil.rmtree(store.workspace(job))  # with what was written there
        raise StudyError("cannot write")
        yield

    monkeypatch.setattr("study.engines.worker.run_job", overtaken)
    events = list(take_jobs(Schedule([job], store), RunOptions("cpu", 1e9)))
    assert [event.what for event in events] == ["started", "finished"]
    assert UnderWay(store.root).failures() == {}


def test_a_driver_is_told_of_study_stop_before_its_workers_save(folder: tuple[Plan, Store]) -> None:
    plan, store = folder
    told: list[str] = []
    events = run_in_processes(
        Schedule(plan.jobs, store), RunOptions(engine="folder"), 0, lambda: told.append("asked")
    )
    stopper = threading.Timer(0.3, UnderWay(store.root).stop)  # what was there before is forgotten
    stopper.start()
    with pytest.raises(KeyboardInterrupt):
        list(events)
    assert told == ["asked"]


def test_commands_say_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["wrok", str(tmp_path)]) == 2
    assert "unknown command 'wrok'; did you mean 'work'?" in capsys.readouterr().err
    for command in ("work", "status", "stop", "slurm"):
        assert run([command, str(tmp_path)]) == 2
        assert "has no plan of a study's jobs" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf"])
def test_no_time_between_checkpoints_is_a_sentence(
    folder: tuple[Plan, Store], seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["work", str(folder[1].root), "--checkpoint-every-s", seconds]) == 2
    assert "is no time; give seconds, 0 or more" in capsys.readouterr().err


def start_worker(root: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "study", "work", str(root)]
    return subprocess.Popen(command, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_worker_told_to_go_hands_its_job_over(
    folder: tuple[Plan, Store],
    small_done: tuple[Plan, Store],
    same_results: Callable[[Path, Path], None],
    run_plan: Callable[..., list[Event]],
    number: signal.Signals,
) -> None:
    plan, store = folder
    worker = start_worker(store.root)
    while not list(store.root.glob("running/*/checkpoint.safetensors")):
        assert worker.poll() is None
        time.sleep(0.02)
    worker.send_signal(number)
    out, err = worker.communicate(timeout=300)
    assert (worker.returncode, err) == (0, "")
    assert "; stopped" in out
    assert not list(store.root.glob("running/*.lease"))
    run_plan(plan, store)
    same_results(store.root, small_done[1].root)


def test_a_driver_without_workers_reports_what_others_have_done(
    tiny: Callable[..., list[str]],
    tiny_done: Path,
    same_results: Callable[[Path, Path], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    no_report: None,
) -> None:
    root = tmp_path / "study"

    def elsewhere() -> None:
        while not (root / "plan.json").exists():
            time.sleep(0.05)
        for _ in take_jobs(Schedule(read_plan(root).jobs, Store(root, 60.0)), RunOptions()):
            pass

    words = tiny(root, "--engine", "folder")
    at = words.index("--workers")
    worker = threading.Thread(target=elsewhere)
    worker.start()
    status = run([*words[:at], *words[at + 2 :]])
    worker.join()
    assert status == 0
    said = capsys.readouterr().out
    assert "on cpu with workers started elsewhere" in " ".join(said.split())
    assert f"waiting for workers: `study work {root}`" in said
    assert (root / "report" / "report.html").exists()
    same_results(root, tiny_done)


# The cache, and running anew.


def test_a_worker_does_not_keep_the_memory_of_jobs_that_are_done(
    folder: tuple[Plan, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[int] = []
    monkeypatch.setattr("study.engines.worker.GIVE_BACK_EVERY_S", 0.0)
    monkeypatch.setattr("study.engines.worker.give_back_memory", lambda: given_back.append(1))
    plan, store = folder
    events = take_jobs(Schedule(plan.jobs, store), RunOptions("cpu"))
    finished = sum(event.what == "finished" for event in events)
    assert len(given_back) == finished > 0
