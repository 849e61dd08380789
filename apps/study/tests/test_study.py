"""The whole command, end to end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import polars as pl
import psutil
import pytest
from study.command_line.cli import run

ENV = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}


def command(arguments: list[str], *start: str) -> list[str]:
    return [*(start or (sys.executable, "-m", "study")), *arguments]


def test_a_study_leaves_tables_a_report_and_no_leftovers(tiny_done: Path) -> None:
    names = {path.name for path in tiny_done.iterdir()}
    tables = {"results.parquet", "costs.parquet", "tables.json", "looks.json", "plan.json"}
    assert names == {".lock", "study.json", "jobs", "running", "report"} | tables
    assert not list(tiny_done.glob("running/*/*"))
    assert not list(tiny_done.rglob("*.partial"))
    page = (tiny_done / "report" / "report.html").read_text()
    assert "Multi-task" in page
    assert "too small" in page
    assert "--adapt-env-steps 512" in page  # how to run it again
    assert len(list(tiny_done.glob("jobs/*"))) == 5


def test_a_study_says_what_it_does_and_where_things_are(
    tiny: Callable[..., list[str]], tiny_done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "study"
    shutil.copytree(tiny_done, root)
    before = {p: p.stat().st_mtime_ns for p in root.glob("jobs/*/*")}
    results = (root / "results.parquet").read_bytes()
    assert run(tiny(root)) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for words in (
        "toy quick: scratch vs multitask on toy/catch",
        "1 seed, 4 training levels, 1 held-out; 5 jobs, 3,072 env steps on cpu",
        "5 of 5 jobs are finished from before",
        "Undecided: too small",
        f"report    {root}/report/report.html",
    ):
        assert words in " ".join(shown.out.split()).replace("report /", "report    /")
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert (root / "results.parquet").read_bytes() == results


@pytest.mark.usefixtures("no_report")
def test_several_training_set_sizes_and_a_method_less(tiny: Callable[..., list[str]], tmp_path: Path) -> None:
    assert run(tiny(tmp_path / "s", "--methods", "multitask", "--train-sizes", "4", "8")) == 0
    table = pl.read_parquet(tmp_path / "s" / "results.parquet")
    assert sorted(set(table["method"])) == ["multitask@4", "multitask@8", "random"]


def test_real_procgen_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        "--benchmark procgen --preset quick --seeds 1 --pretrain-env-steps 4096 --adapt-env-steps 2048 "
        "--train-sizes 8 --held-out 200001 --no-tracking --workers 0 "
        "--video procgen/coinrun-easy/200001"
    )
    assert run([*line.split(), "--output", str(tmp_path / "s")]) == 0
    table = pl.read_parquet(tmp_path / "s" / "results.parquet")
    assert set(table["method"]) == {"random", "always_right", "scratch", "multitask", "reptile", "rl2"}
    assert set(table["score"]) <= {0.0, 10.0}
    assert sorted(set(table["env_step"])) == [0, 512, 1024, 1536, 2048]
    assert (table.group_by("method", "env_step").len()["len"] == 10).all()
    assert (tmp_path / "s" / "report" / "report.html").exists()
    assert len(list((tmp_path / "s" / "videos").glob("*.gif"))) == 4
    assert "Not the paper's setting" in capsys.readouterr().out


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str], within_s: float = 300) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert process.poll() is None, f"it ended with {process.returncode}:\n{process.communicate()}"
        if time.monotonic() > end:
            process.kill()  # and its workers end by themselves
            pytest.fail("it did not come to that")
        time.sleep(0.02)


@pytest.mark.e2e
def test_a_study_killed_and_then_stopped_goes_on_to_the_same_bytes(
    tiny: Callable[..., list[str]],
    same_results: Callable[[Path, Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    longer = ("--pretrain-env-steps", "8192", "--adapt-env-steps", "2048")
    root, reference = tmp_path / "killed", tmp_path / "reference"
    arguments = tiny(root, *longer, "--workers", "2", "--checkpoint-every-s", "0")

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(arguments),
            env=ENV,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    # Killed: the workers have nobody left, and end by themselves.
    killed = start()
    wait_for(lambda: list(root.glob("running/*/checkpoint.safetensors")), killed)
    children = psutil.Process(killed.pid).children(recursive=True)
    assert len(children) >= 2
    killed.kill()
    killed.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    assert not (root / "results.parquet").exists()

    # Stopped by Ctrl-C, which a terminal sends to all of its processes.
    stopped = start()
    checkpoint = max(root.glob("running/*/checkpoint.safetensors"), key=lambda p: p.stat().st_mtime_ns)
    before = checkpoint.stat().st_mtime_ns

    def moved_on() -> bool:
        with suppress(FileNotFoundError):  # the job is finished
            return checkpoint.stat().st_mtime_ns != before
        return True

    wait_for(moved_on, stopped)
    os.killpg(stopped.pid, signal.SIGINT)
    out, err = stopped.communicate(timeout=300)
    assert stopped.returncode == 130
    assert err == "study: stopped; the same command goes on from here\n"
    assert "results in" in out
    assert list(root.glob("running/*/checkpoint.safetensors"))
    assert not (root / "results.parquet").exists()

    monkeypatch.setattr("study.run.write_report", lambda store, results: store.root)
    assert run([*arguments, "--workers", "0"]) == 0
    assert run(tiny(reference, *longer)) == 0
    assert (root / "results.parquet").read_bytes() == (reference / "results.parquet").read_bytes()
    same_results(root, reference)


def test_the_installed_command_is_the_same_one(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("study")
    shown = subprocess.run(
        command(["--help"], str(script)), env=ENV, capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert shown.returncode == 0
    module = subprocess.run(
        command(["--help"]), env=ENV, capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert module.stdout == shown.stdout
    assert "usage: study" in shown.stdout
    wrong = subprocess.run(
        command(["--benchmark", "tyo"], str(script)), env=ENV, capture_output=True, text=True, cwd=tmp_path,
        timeout=60,
    )  # fmt: skip
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "study: unknown benchmark 'tyo'; did you mean 'toy'?\n"
    assert not any(tmp_path.iterdir())


# Full disks, real ones.

NO_ROOM = r"no space left to write .* free some and run the same command again"
LIMIT = 24_000  # bytes; a checkpoint is larger, a table is not

LIMITED = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, resource.RLIM_INFINITY))
from study.command_line.cli import main
main()
"""


def test_a_file_size_limit_is_one_sentence_and_loses_nothing(
    tiny: Callable[..., list[str]],
    tiny_done: Path,
    same_results: Callable[[Path, Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = tmp_path / "study"
    arguments = tiny(root, "--workers", "1", "--checkpoint-every-s", "0")
    full = subprocess.run(
        command(arguments, sys.executable, "-c", LIMITED),
        # Python itself would leave modules cut short for all who come after.
        env={**ENV, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert_no_room(full)
    assert len(list(root.glob("jobs/*"))) == 1  # the baseline, which fits
    assert not list(root.rglob("*.partial"))
    monkeypatch.setattr("study.run.write_report", lambda store, results: store.root)
    assert run([*arguments, "--workers", "0"]) == 0
    same_results(root, tiny_done)


def assert_no_room(full: subprocess.CompletedProcess[str]) -> None:
    import re

    assert full.returncode == 2, (full.stdout, full.stderr)
    assert full.stderr.startswith("study: ")
    assert full.stderr.count("\n") == 1
    assert re.search(NO_ROOM, full.stderr)
    assert "Traceback" not in full.stdout + full.stderr


def can_mount() -> bool:
    tried = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


@pytest.mark.skipif(
    shutil.which("unshare") is None or not can_mount(), reason="may not mount a small disk here"
)
def test_a_disk_that_is_full_is_one_sentence_and_loses_nothing(
    tiny: Callable[..., list[str]],
    tiny_done: Path,
    same_results: Callable[[Path, Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A disk with room for the baseline, filled by a file that is deleted before the second run."""
    disk, saved = tmp_path / "disk", tmp_path / "saved"
    disk.mkdir()
    root = disk / "study"
    arguments = tiny(root, "--checkpoint-every-s", "0")
    script = (
        f"mount -t tmpfs -o size=400k none {disk} && head -c 250k /dev/zero > {disk}/movie && "
        f'{{ "$@"; status=$?; rm {disk}/movie; cp -r {root} {saved}; exit $status; }}'
    )
    full = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *command(arguments)],
        env=ENV,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert_no_room(full)
    assert saved.exists()
    assert len(list(saved.glob("jobs/*"))) >= 1
    monkeypatch.setattr("study.run.write_report", lambda store, results: store.root)
    assert run(tiny(saved)) == 0
    same_results(saved, tiny_done)


def test_a_run_that_diverges_is_kept_and_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    from study.presets import toy

    absurd = replace(toy.QUICK.adapt.learner, learning_rate=1e30)
    wild = replace(
        toy.QUICK,
        preset="wild",
        methods=("scratch", "multitask", "reptile"),
        settings={},
        seeds=1,
        train_sizes=(4,),
        held_out=(20,),
        pretrain=replace(toy.QUICK.pretrain, env_steps=2048, learner=absurd),
        adapt=replace(toy.QUICK.adapt, env_steps=1024, learner=absurd),
    )
    monkeypatch.setitem(toy.PRESETS, "wild", wild)
    root = tmp_path / "s"
    line = (
        "--benchmark toy --game visible-catch --preset wild --workers 0 --no-tracking --checkpoint-every-s 0"
    )
    assert run([*line.split(), "--output", str(root)]) == 0
    assert capsys.readouterr().err == ""
    from study.folder.state_file import read_state

    weights = [read_state(path) for path in root.glob("jobs/*/weights.safetensors")]
    assert any(not tensor.isfinite().all() for state in weights for tensor in state.values())  # it did
    table = pl.read_parquet(root / "results.parquet")
    assert set(table["method"]) == {"random", *wild.methods}
    assert table["score"].is_finite().all()
    assert "runs diverged and are scored as they play" in (root / "report" / "report.html").read_text()
    costs = [json.loads(path.read_text()) for path in root.glob("jobs/*/costs.json")]
    assert max(cost["env_steps"] for cost in costs) == 2048
