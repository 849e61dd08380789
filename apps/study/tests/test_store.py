from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from study.command_line.cli import run
from study.config import StudyConfig
from study.engines import Event, Schedule, run_in_process
from study.engines.schedule import RunOptions
from study.errors import StudyError
from study.folder.job_record import COSTS, MANIFEST, manifest_bytes, read_manifest
from study.folder.store import Store, write_table
from study.jobs.job import Progress, run_job
from study.plan import Job, Plan, make_plan
from study.results.collect import collect, environments_of


def claim(root: Path, config: StudyConfig) -> Store:
    store = Store(root)
    store.claim(config.identity, asdict(config), make_plan(config).splits)
    store.close()
    return store


def copy(store: Store, to: Path) -> Store:
    shutil.copytree(store.root, to)
    return Store(to)


def test_a_folder_remembers_its_study(small: StudyConfig, tmp_path: Path) -> None:
    claim(tmp_path / "s", small)
    claim(tmp_path / "s", replace(small, seeds=4, note="more"))  # a wider grid of the same study


def test_splits_are_recorded_once_and_kept(small: StudyConfig, tmp_path: Path) -> None:
    first = make_plan(small).splits
    assert claim(tmp_path, small).recorded_splits() == first
    wider = replace(small, seeds=3)
    changed = Store(tmp_path)
    changed.claim(wider.identity, asdict(wider), {**make_plan(wider).splits, next(iter(first)): "another"})
    changed.close()
    assert changed.recorded_splits() == make_plan(wider).splits
    assert len(changed.recorded_splits()) > len(first)


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (lambda c: replace(c, held_out=(84,)), "held_out"),
        (lambda c: replace(c, adapt=replace(c.adapt, env_steps=1024)), "adapt"),
        (lambda c: replace(c, family="toy/hidden-catch", script="x"), "family, script"),
    ],
)
def test_another_study_is_kept_out(
    small: StudyConfig, tmp_path: Path, other: Callable[[StudyConfig], StudyConfig], difference: str
) -> None:
    claim(tmp_path / "s", small)
    before = (tmp_path / "s" / "study.json").read_bytes()
    with pytest.raises(
        StudyError, match=rf"holds another study \(it differs in {difference}\); choose another"
    ):
        claim(tmp_path / "s", other(small))
    assert (tmp_path / "s" / "study.json").read_bytes() == before


def test_a_folder_of_another_program_stays_as_it_is(small: StudyConfig, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("chapter 1")
    with pytest.raises(StudyError, match=r"is not empty and holds no study \(it has 'thesis.tex'\)"):
        claim(tmp_path, small)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "{}", '{"fvm_study": 99, "identity": {}}', "\udcff"])
def test_a_study_json_that_is_none_of_ours_is_named(small: StudyConfig, tmp_path: Path, text: str) -> None:
    (tmp_path / "study.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StudyError, match=r"study\.json is not a study's .*choose another --output"):
        claim(tmp_path, small)


def test_a_file_is_no_folder(small: StudyConfig, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("x")
    for root in (tmp_path / "s", tmp_path / "s" / "below"):
        with pytest.raises(StudyError, match=r"as the output folder .*choose another --output"):
            claim(root, small)
    with pytest.raises(StudyError, match="cannot use /proc/none as the output folder"):  # not even for root
        claim(Path("/proc/none"), small)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(small: StudyConfig, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StudyError, match=r"Permission denied.*choose another --output"):
        claim(tmp_path, small)


def _hold(root: Path, held: object, let_go: object) -> None:
    import fcntl

    with open(root / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held.set()  # type: ignore[attr-defined]
        let_go.wait()  # type: ignore[attr-defined]


def test_a_folder_in_use_by_another_process(small: StudyConfig, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held, let_go = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path, held, let_go))
    process.start()
    held.wait()
    with pytest.raises(
        StudyError, match=r"another process is working on the study in .*wait for it or choose"
    ):
        claim(tmp_path, small)
    let_go.set()
    process.join()
    claim(tmp_path, small)
    claim(tmp_path, small)  # closed in between, so it can be had again


@pytest.mark.parametrize("after", ["parquet", "json", "weights"])
def test_a_job_appears_whole_or_not_at_all(
    small: StudyConfig,
    small_done: tuple[Plan, Store],
    same_results: Callable[[Path, Path], None],
    run_plan: Callable[..., list[Event]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: str,
) -> None:
    plan, store = make_plan(replace(small, methods=("scratch",))), Store(tmp_path)
    (tmp_path / "jobs").mkdir()
    job = next(job for job in plan.jobs if job.kind == "adapt")

    def die(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        target = {"parquet": "write_bytes", "json": "write_state", "weights": "os.rename"}[after]
        patch.setattr(f"study.folder.store.{target}", die)
        with pytest.raises(RuntimeError, match="power cut"):
            list(run_job(job, store, device="cpu", checkpoint_every_s=0))
    assert not any((tmp_path / "jobs").iterdir())
    assert not store.done(job)
    run_plan(plan, store)
    mine = tmp_path / "jobs" / job.key[:16]
    theirs = small_done[1].folder(job)
    assert sorted(p.name for p in mine.iterdir()) == sorted(p.name for p in theirs.iterdir())
    for name in ("weights.safetensors", "online.parquet", "episodes.parquet"):
        assert (mine / name).read_bytes() == (theirs / name).read_bytes()
    assert list((tmp_path / "running").glob("*/*")) == []


def test_more_seeds_and_methods_keep_what_is_finished(
    small: StudyConfig, run_plan: Callable[..., list[Event]], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    first = make_plan(replace(small, methods=("scratch",)))
    assert len(run_plan(first, store)) > 3
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("jobs/*/*")}
    wider = make_plan(replace(small, seeds=2))
    started = {event.job.key for event in run_plan(wider, store) if event.what == "started"}
    assert started == {job.key for job in wider.jobs} - {job.key for job in first.jobs}
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert run_plan(wider, store) == []


def test_a_damaged_table_or_note_is_named_with_its_mend(
    small: StudyConfig,
    small_done: tuple[Plan, Store],
    same_results: Callable[[Path, Path], None],
    run_plan: Callable[..., list[Event]],
    tmp_path: Path,
) -> None:
    plan, done = small_done
    job = next(job for job in plan.jobs if job.kind == "adapt")
    for name, damage in (
        ("episodes.parquet", b"PAR1 but no more"),
        ("online.parquet", b""),
        ("costs.json", b"{"),
        ("manifest.json", b"\xff\xfe"),
        ("ledger.json", None),
        ("episodes.parquet", None),
        ("online.parquet", None),
    ):
        store = copy(done, tmp_path / "copy")
        path = store.folder(job) / name
        path.unlink()
        if damage is not None:
            path.write_bytes(damage)
        with pytest.raises(
            StudyError, match=r"is damaged .*delete the folder .* and run the same command"
        ) as error:
            collect(small, plan, store, rerun="")
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
        shutil.rmtree(store.folder(job))  # as the message says
        run_plan(plan, store)
        same_results(store.root, done.root)
        shutil.rmtree(store.root)


def test_damaged_weights_of_a_parent_are_named_and_can_be_mended(
    small_done: tuple[Plan, Store],
    same_results: Callable[[Path, Path], None],
    run_plan: Callable[..., list[Event]],
    tmp_path: Path,
) -> None:
    plan, done = small_done
    store = copy(done, tmp_path / "copy")
    child = next(job for job in plan.jobs if job.parent is not None)
    assert child.parent is not None
    weights = store.folder(child.parent) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    shutil.rmtree(store.folder(child))
    events = run_plan(plan, store)
    assert [event.what for event in events] == ["started", "failed"]
    assert events[-1].mendable
    assert f"delete the folder {weights.parent} and run" in events[-1].message
    shutil.rmtree(weights.parent)
    assert [e.job for e in run_plan(plan, store) if e.what == "finished"] == [child.parent, child]
    same_results(store.root, done.root)


def test_a_damaged_checkpoint_is_named_and_can_be_mended(
    small_done: tuple[Plan, Store],
    same_results: Callable[[Path, Path], None],
    run_plan: Callable[..., list[Event]],
    tmp_path: Path,
) -> None:
    plan, done = small_done
    store = copy(done, tmp_path / "copy")
    job = next(job for job in plan.jobs if job.kind == "adapt")
    shutil.rmtree(store.folder(job))
    with closing(run_job(job, store, device="cpu", checkpoint_every_s=0)) as running:
        next(running)
        next(running)
    checkpoint = store.workspace(job) / "checkpoint.safetensors"
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)
    events = run_plan(plan, store)
    assert events[-1].what == "failed"
    assert f"{checkpoint} is damaged" in events[-1].message
    assert "delete this file and run the same command again" in events[-1].message
    checkpoint.unlink()
    run_plan(plan, store)
    same_results(store.root, done.root)


def test_a_worker_waits_for_another_that_still_has_the_job(small: StudyConfig, tmp_path: Path) -> None:
    job, store = make_plan(small).jobs[0], Store(tmp_path)
    (tmp_path / "jobs").mkdir()
    with store.occupy(job):
        other = threading.Thread(target=lambda: list(run_job(job, store, device="cpu", checkpoint_every_s=0)))
        other.start()
        other.join(0.3)
        assert other.is_alive()
        assert not store.done(job)
    other.join(60)
    assert store.done(job)


def test_equal_tables_are_equal_bytes(tmp_path: Path) -> None:
    table = pl.DataFrame({"x": [1, 2], "y": ["a", None], "z": [0.1, float("nan")]})
    write_table(tmp_path / "a", table)
    write_table(tmp_path / "b", table.clone())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert pl.read_parquet(tmp_path / "a").equals(table)


def test_results_hold_no_time_and_no_place(small: StudyConfig, small_done: tuple[Plan, Store]) -> None:
    plan, store = small_done
    collect(small, plan, store, rerun="")
    table = pl.read_parquet(store.root / "results.parquet")
    assert table.columns == ["method", "fold", "seed", "checkpoint", "task", "env_step", "episode", "score"]
    assert len(table) == 2 * 4 + 2 * 2 * 3 * 4  # random; two methods, tasks, three snapshots of four episodes
    assert table["score"].is_between(0, 1).all()
    costs = pl.read_parquet(store.root / "costs.parquet")
    assert set(costs.columns) == {
        "kind", "method", "seed", "key", "env_steps", "updates", "wall_s", "evaluation_s",
        "device_s", "device",
    }  # fmt: skip
    assert costs["env_steps"].to_list() == [job.budget_env_steps for job in plan.jobs]


def test_kinds_of_machine_that_ran_as_many_jobs_are_all_named(
    small_done: tuple[Plan, Store], tmp_path: Path
) -> None:
    """Both halves of a study once stood under one name, and the second took the first one's place."""
    plan, store = small_done
    alone = environments_of(plan.jobs, store)
    moved = copy(store, tmp_path / "s")
    half = len(plan.jobs) // 2
    for job in plan.jobs[:half]:
        there, costs = read_manifest(moved.folder(job))
        text = manifest_bytes({**there, "device": "another"}, costs[COSTS])
        (moved.folder(job) / MANIFEST).write_bytes(text)
    assert environments_of(plan.jobs[: 2 * half], moved) == {
        "mixed": [{"jobs": half, **alone, "device": "another"}, {"jobs": half, **alone}]
    }


@pytest.mark.usefixtures("no_report")
def test_the_command_line_says_what_is_wrong_with_the_folder(
    tiny: Callable[..., list[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert run(tiny(tmp_path)) == 2
    error = capfd.readouterr().err
    assert "not empty and holds no study" in error
    assert error.count("\n") == 1
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "study.json").write_text(
        json.dumps({"fvm_study": 1, "identity": {"benchmark": "atari"}})
    )
    assert run(tiny(tmp_path / "s")) == 2
    assert "holds another study" in capfd.readouterr().err


def test_a_bug_in_one_job_leaves_the_others_alone(
    small: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = make_plan(small), Store(tmp_path)
    (tmp_path / "jobs").mkdir()
    broken = next(job for job in plan.jobs if job.kind == "pretrain")

    def only_others(job: Job, store: Store, **options: Any) -> Generator[Progress, None, None]:
        if job is broken:
            raise ZeroDivisionError("a bug")
        yield from run_job(job, store, **options)

    monkeypatch.setattr("study.engines.worker.run_job", only_others)
    events = list(run_in_process(Schedule(plan.jobs, store), RunOptions()))
    failures = [event for event in events if event.what == "failed"]
    assert [event.job for event in failures] == [broken]
    assert "ZeroDivisionError: a bug" in failures[0].message
    assert not failures[0].mendable
    done = [job for job in plan.jobs if store.done(job)]
    assert done == [job for job in plan.jobs if job is not broken and job.parent is not broken]
