from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from mlflow import MlflowClient
from study.command_line.cli import run
from study.config import StudyConfig
from study.folder.store import Store
from study.plan import Plan
from study.tracking import sink as tracking
from study.tracking.mlflow_sink import LOCAL, SENT, Sink, default_uri
from study.tracking.sink import Tracker

pytestmark = pytest.mark.usefixtures("no_report", "bounded")
NAME = "toy-quick"


@pytest.fixture
def store(small_done: tuple[Plan, Store], migrated: Path, tmp_path: Path) -> Store:
    shutil.copytree(small_done[1].root, tmp_path / "study")
    shutil.copy(migrated, tmp_path / "study" / "mlflow.db")
    (tmp_path / "study" / "report").mkdir()
    (tmp_path / "study" / "report" / "report.html").write_text("<p>a report")
    return Store(tmp_path / "study")


def sink(store: Store, plan: Plan, config: StudyConfig) -> Sink:
    return Sink(store, list(plan.jobs), NAME, asdict(config), default_uri(store.root))


def runs(uri: str) -> tuple[MlflowClient, list[Any]]:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(NAME)
    return client, [] if experiment is None else list(client.search_runs([experiment.experiment_id]))


def test_a_study_is_a_parent_run_and_a_child_run_a_job(
    small: StudyConfig, small_done: tuple[Plan, Store], store: Store
) -> None:
    plan, _ = small_done
    it = sink(store, plan, small)
    it.send_jobs()
    it.send_report(
        [store.root / "report", store.root / "results.parquet"], {"multitask@100/Value at (x)": 0.5}
    )
    assert it.status(reported=True, error="").unsent == 0
    client, found = runs(it.uri)
    parents = [run for run in found if run.data.tags["fvm.kind"] == "study"]
    assert len(parents) == 1
    assert len(found) == 1 + len(plan.jobs)
    parent = parents[0]
    assert parent.info.status == "FINISHED"
    assert parent.data.params["adapt.learner.learning_rate"] == str(small.adapt.learner.learning_rate)
    assert parent.data.metrics == {"multitask-100/Value at -x-": 0.5}
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files == {"report", "results.parquet"}
    assert [f.path for f in client.list_artifacts(parent.info.run_id, "report")] == ["report/report.html"]

    by_key = {run.data.tags.get("fvm.key"): run for run in found}
    for job in plan.jobs:
        child = by_key[job.key]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.info.status == "FINISHED"
        assert (child.info.run_name, child.data.tags["fvm.method"]) == (job.title, job.method)
        assert child.data.metrics["env_steps"] == job.budget_env_steps
        if job.kind in ("baseline", "adapt"):  # the others are not asked to play held-out tasks
            assert child.data.params["evaluation.episodes"] == "4"
    job = next(job for job in plan.jobs if job.kind == "adapt")
    curve = client.get_metric_history(by_key[job.key].info.run_id, "eval/score")
    table = store.table([job], "episodes")
    means = {step: table.filter(pl.col("env_step") == step)["score"].mean() for step in job.spec["at"]}
    assert {point.step: point.value for point in curve} == pytest.approx(means)
    online = client.get_metric_history(by_key[job.key].info.run_id, "train/return")
    assert [point.step for point in online] == store.table([job], "online")["env_step"].to_list()
    told = store.table([job], "metrics").filter(metric="entropy")
    logged = client.get_metric_history(by_key[job.key].info.run_id, "train/entropy")
    assert {point.step: point.value for point in logged} == dict(told.select("env_step", "value").iter_rows())


def test_a_run_appears_when_its_job_starts_and_its_curves_grow(
    small: StudyConfig, small_done: tuple[Plan, Store], store: Store
) -> None:
    plan, _ = small_done
    job = next(job for job in plan.jobs if job.kind == "adapt")
    it = sink(store, plan, small)
    began = 1_700_000_000_000
    it.progress(job.key, 0, {}, began)
    it.progress(job.key, 128, {"return": 0.25, "entropy": 1.5}, began + 60_000)
    it.progress(job.key, 256, {"return": 0.5, "eval/score": 0.75}, began + 120_000)
    client, found = runs(it.uri)
    child = next(run for run in found if run.data.tags.get("fvm.key") == job.key)
    assert (child.info.status, child.info.start_time) == ("RUNNING", began)
    assert child.data.params["evaluation.episodes"] == "4"
    history = client.get_metric_history(child.info.run_id, "train/return")
    assert [(p.step, p.value, p.timestamp - began) for p in history] == [
        (128, 0.25, 60_000),
        (256, 0.5, 120_000),
    ]
    (scored,) = client.get_metric_history(child.info.run_id, "eval/score")
    assert (scored.step, scored.timestamp) == (256, began + 120_000)

    it.end("KILLED")  # Ctrl-C: all that ran says so, and the next run goes on with the same ones
    assert {run.info.status for run in runs(it.uri)[1]} == {"KILLED"}
    again = sink(store, plan, small)
    again.progress(job.key, 384, {"return": 1.0}, began + 600_000)
    again.send_jobs()
    again.send_report([], {})
    _, found = runs(it.uri)
    assert len(found) == 1 + len(plan.jobs)
    assert {run.info.status for run in found} == {"FINISHED"}
    assert child.info.run_id in {run.info.run_id for run in found}
    history = client.get_metric_history(child.info.run_id, "train/return")
    assert sorted(p.step for p in history) == [128, 256, 384]


def test_an_extended_study_keeps_one_parent_that_says_todays_settings(
    small: StudyConfig, small_done: tuple[Plan, Store], store: Store
) -> None:
    plan, _ = small_done
    first = sink(store, plan, small)
    first.send_jobs()
    first.send_report([], {})
    wider = sink(store, plan, replace(small, seeds=2))
    wider.send_jobs()
    _, found = runs(wider.uri)
    (parent,) = [run for run in found if run.data.tags["fvm.kind"] == "study"]
    assert (parent.data.params["seeds"], parent.info.status) == ("2", "RUNNING")
    children = [run for run in found if run.data.tags["fvm.kind"] != "study"]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert len(children) == len(plan.jobs)


def test_a_moved_study_stays_in_its_folder(
    small: StudyConfig, small_done: tuple[Plan, Store], store: Store, tmp_path: Path
) -> None:
    plan, _ = small_done
    it = sink(store, plan, small)
    it.send_jobs()
    it.send_report([store.root / "study.json"] if (store.root / "study.json").exists() else [], {})
    moved = Store(tmp_path / "elsewhere" / "a?b %41c")
    moved.root.parent.mkdir()
    shutil.move(store.root, moved.root)
    assert default_uri(moved.root) == LOCAL  # no address could hold this path
    code = (
        "import os, sys, pickle; from study.tracking.mlflow_sink import Sink, LOCAL; "
        "from study.folder.store import Store; "
        "from pathlib import Path; os.chdir(sys.argv[1]); "
        "jobs, name, config = pickle.load(sys.stdin.buffer); "
        "sink = Sink(Store(Path.cwd()), jobs, name, config, LOCAL); sink.send_jobs(); "
        "sink.send_report([Path('results.parquet')], {})"
    )
    data = pickle.dumps((list(plan.jobs), NAME, asdict(small)))
    subprocess.run([sys.executable, "-c", code, str(moved.root)], input=data, check=True, timeout=120)
    assert not store.root.exists()
    assert len(list(moved.root.glob("mlartifacts/*/artifacts/results.parquet"))) == 1
    assert sorted(p.name for p in moved.root.parent.iterdir()) == ["a?b %41c"]
    with closing(sqlite3.connect(moved.root / "mlflow.db")) as database:
        places = [place for (place,) in database.execute("SELECT artifact_uri FROM runs")]
        states = list(database.execute("SELECT lifecycle_stage FROM runs"))
    assert all(place.startswith((moved.root / "mlartifacts").as_uri()) for place in places)
    assert states == [("active",)] * (1 + len(plan.jobs))  # the same runs, one parent


def test_a_strangers_database_writes_nothing_elsewhere(
    small: StudyConfig, small_done: tuple[Plan, Store], store: Store, tmp_path: Path
) -> None:
    plan, _ = small_done
    sink(store, plan, small).send_jobs()
    victim = tmp_path / "victim"
    with closing(sqlite3.connect(store.root / "mlflow.db")) as database:
        database.execute("UPDATE experiments SET artifact_location = ?", (victim.as_uri(),))
        database.execute("UPDATE runs SET artifact_uri = ? || '/' || run_uuid", (victim.as_uri(),))
        database.commit()
    again = sink(store, plan, small)
    again.send_jobs()
    again.send_report([store.root / "results.parquet", store.root / "report"], {"x": 1.0})
    assert not victim.exists()
    assert list(store.root.glob("mlartifacts/*/artifacts/results.parquet"))


def test_nothing_is_sent_twice_and_what_is_lost_is_sent_again(
    small: StudyConfig, small_done: tuple[Plan, Store], store: Store, migrated: Path
) -> None:
    plan, _ = small_done
    sink(store, plan, small).send_jobs()
    _, first = runs(default_uri(store.root))
    sink(store, plan, small).send_jobs()
    _, second = runs(default_uri(store.root))
    assert {run.info.run_id for run in first} == {run.info.run_id for run in second}

    # The note is lost: what it told is replaced, never doubled.
    (store.root / SENT).write_text("{damaged")
    sink(store, plan, small).send_jobs()
    _, third = runs(default_uri(store.root))
    jobs = [run.data.tags["fvm.key"] for run in third if "fvm.key" in run.data.tags]
    assert sorted(jobs) == sorted(job.key for job in plan.jobs)


def test_studies_with_the_same_jobs_share_a_server(
    small: StudyConfig, small_done: tuple[Plan, Store], store: Store, migrated: Path, tmp_path: Path
) -> None:
    """Each has its own runs: none deletes another's, and what one left half sent is sent whole."""
    jobs, uri = list(small_done[0].jobs[:2]), f"sqlite:///{tmp_path}/server.db"
    shutil.copy(migrated, tmp_path / "server.db")
    shutil.copytree(store.root, tmp_path / "theirs")
    mine, theirs = Store(store.root), Store(tmp_path / "theirs")
    Sink(theirs, jobs, NAME, asdict(small), uri).send_jobs()
    first = Sink(mine, jobs, NAME, asdict(small), uri)
    first.start(jobs[0].key, 1)
    book = json.loads((mine.root / SENT).read_text())
    book[uri]["running"] = {}  # killed before it was noted
    (mine.root / SENT).write_text(json.dumps(book))
    Sink(mine, jobs, NAME, asdict(small), uri).send_jobs()
    _, found = runs(uri)
    parents = [run.info.run_id for run in found if "fvm.key" not in run.data.tags]
    of_jobs = [
        (run.data.tags["mlflow.parentRunId"], run.data.tags["fvm.key"])
        for run in found
        if "fvm.key" in run.data.tags
    ]
    assert sorted(of_jobs) == sorted((parent, job.key) for parent in parents for job in jobs)
    assert len(parents) == 2


def test_a_deleted_database_is_filled_again(
    small: StudyConfig, small_done: tuple[Plan, Store], store: Store, migrated: Path, tmp_path: Path
) -> None:
    plan, _ = small_done
    sink(store, plan, small).send_jobs()
    other = Store(tmp_path / "moved")
    shutil.move(store.root, other.root)  # a client keeps its file open by name
    shutil.copy(migrated, other.root / "mlflow.db")
    book = json.loads((other.root / SENT).read_text())
    assert list(book) == [LOCAL]  # wherever the folder lies
    again = sink(other, plan, small)
    assert again.status(reported=False, error="").unsent == 0  # so the note says
    again.send_jobs()
    _, found = runs(again.uri)
    assert len(found) == 1 + len(plan.jobs)


@pytest.mark.parametrize("uri", ["http://h:1", "https://h", "sqlite:////x.db", "postgresql://h/d"])
def test_addresses_that_mlflow_takes(uri: str) -> None:
    tracking.check_uri(uri)


def test_a_study_is_in_mlflow_by_default(
    tiny: Callable[..., list[str]],
    tiny_done: Path,
    migrated: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "study"
    shutil.copytree(tiny_done, root)
    shutil.copy(migrated, root / "mlflow.db")
    assert run(tiny(root, "--tracking")) == 0
    shown = "".join(capsys.readouterr().out.split())
    assert f"mlflow{default_uri(root)}" in shown
    assert f"uvrunmlflowui--backend-store-uri{default_uri(root)}" in shown
    assert "notsent" not in shown
    client, found = runs(default_uri(root))
    assert len(found) == 1 + len(list((root / "jobs").iterdir()))  # the study's own run, and one a job
    parent = next(run for run in found if run.data.tags["fvm.kind"] == "study")
    assert {f.path for f in client.list_artifacts(parent.info.run_id)} == {
        "report",
        "results.parquet",
        "study.json",
    }
    assert parent.data.metrics


def test_a_sink_that_says_nothing_is_not_waited_for_forever(
    small: StudyConfig, small_done: tuple[Plan, Store], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that accepts connections and never answers."""
    monkeypatch.setattr(tracking, "FLUSH_WITHIN_S", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracker = Tracker(store, small_done[0].jobs, NAME, asdict(small), uri)
        tracker.job_finished()
        before = time.monotonic()
        status = tracker.finish([], {})
        assert time.monotonic() - before < 20
    assert (status.report, status.uri) == (False, uri)
    assert "no answer in 1 s" in status.error
    tracker.close()  # twice does no harm


def test_a_job_ends_when_it_ended(small: StudyConfig, small_done: tuple[Plan, Store], store: Store) -> None:
    job = next(job for job in small_done[0].jobs if job.kind == "adapt")
    os.utime(store.folder(job) / "job.json", (1_700_000_000, 1_700_000_000))
    it = sink(store, small_done[0], small)
    it.send_jobs()
    (info,) = [run.info for run in runs(it.uri)[1] if run.data.tags.get("fvm.key") == job.key]
    assert info.end_time == 1_700_000_000_000
    assert info.start_time == info.end_time - int(1000 * store.note(job, "costs")["wall_s"])
