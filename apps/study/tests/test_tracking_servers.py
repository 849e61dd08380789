"""An MLflow server that dies in the middle of a study loses nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from study.command_line.cli import run
from study.tracking.mlflow_sink import SENT, read_book
from study.tracking.sink import Tracker

pytestmark = pytest.mark.usefixtures("no_report", "bounded")
NAME = "toy-quick"


def runs(uri: str) -> tuple[MlflowClient, list[Any]]:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(NAME)
    return client, [] if experiment is None else list(client.search_runs([experiment.experiment_id]))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(migrated: Path, tmp_path: Path) -> Iterator[Callable[[], tuple[str, subprocess.Popen[bytes]]]]:
    """Starts an MLflow server, always on the same port and data."""
    shutil.copy(migrated, tmp_path / "server.db")
    port, started = free_port(), []
    line = (
        f"{Path(sys.executable).with_name('mlflow')} server --host 127.0.0.1 --port {port} --workers 1 "
        f"--backend-store-uri sqlite:///{tmp_path}/server.db --artifacts-destination {tmp_path}/artifacts"
    )

    # Half the time to start: no runner for jobs that nobody sends.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

    def start() -> tuple[str, subprocess.Popen[bytes]]:
        with open(tmp_path / "server.log", "ab") as log:
            process = subprocess.Popen(
                line.split(), stdout=log, stderr=log, start_new_session=True, env=environment
            )
        started.append(process)
        for _ in range(600):
            with suppress(requests.ConnectionError):
                if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                    return f"http://127.0.0.1:{port}", process
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            time.sleep(0.1)
        raise AssertionError((tmp_path / "server.log").read_text())

    yield start
    for process in started:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


@pytest.mark.e2e
def test_a_server_that_dies_mid_study_is_told_and_sent_to_later(
    tiny: Callable[..., list[str]],
    server: Callable[[], tuple[str, subprocess.Popen[bytes]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"
    )  # the users' bound is longer, and has its own test
    root = tmp_path / "study"
    uri, process = server()
    sent_first: list[int] = []

    def die_after_the_first(self: Tracker) -> None:
        tell(self)
        if process.poll() is None:
            book: dict[str, Any] = {}
            for _ in range(600):  # until the sink has sent one job
                book = read_book(root / SENT).get(uri, {"jobs": {}})
                if book["jobs"]:
                    break
                time.sleep(0.1)
            sent_first.append(len(book["jobs"]))
            kill(process)

    tell = Tracker.job_finished
    monkeypatch.setattr(Tracker, "job_finished", die_after_the_first)
    started = time.monotonic()
    assert run(tiny(root, "--tracking", "--tracking-uri", uri)) == 0
    assert time.monotonic() - started < 150  # nobody waits for a dead server for long
    shown = " ".join(capfd.readouterr().out.split())
    assert sent_first == [1]
    finished = len(list((root / "jobs").iterdir()))
    assert f"not sent: {finished - 1} runs and the report" in shown
    assert "the same command sends them later" in shown
    assert (root / "results.parquet").exists()

    monkeypatch.setattr(Tracker, "job_finished", tell)
    server()
    assert run(tiny(root, "--tracking", "--tracking-uri", uri)) == 0
    shown = capfd.readouterr().out
    assert "not sent" not in shown
    assert "View run" not in shown  # MLflow's own chatter would tear the live bars
    client, found = runs(uri)
    jobs = [run.data.tags["fvm.key"] for run in found if "fvm.key" in run.data.tags]
    assert len(jobs) == len(set(jobs)) == finished
    assert sum(run.data.tags["fvm.kind"] == "study" for run in found) == 1
    parent = next(run for run in found if run.data.tags["fvm.kind"] == "study")
    assert "results.parquet" in {file.path for file in client.list_artifacts(parent.info.run_id)}
