from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import study.estimates.estimate
import tyro
from study.command_line.arguments import Arguments
from study.command_line.cli import main, run
from study.plan import make_plan
from study.registry import registered
from study.resolve import resolve_all
from study.run import choose_workers, command_of


def test_help_is_good_reading(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for field in dataclasses.fields(Arguments):
        flag = "--" + field.name.replace("_", "-")
        assert flag in shown
    words = " ".join(shown.replace("│", " ").split())
    for example in (
        "study --benchmark procgen --dry-run",
        "study --benchmark procgen --seeds 5",
        "the same command goes on where it was",
        "Time between checkpoints of a running job",
        *registered().benchmarks,
        *{name for benchmark in registered().benchmarks.values() for name in benchmark.presets},
        *(name for name in registered().methods if "-" not in name),
    ):
        assert example in words
    own = words.partition("--set NAME=VALUE")[2].partition("--game")[0]
    for name, benchmark in registered().benchmarks.items():
        for option in dataclasses.fields(benchmark.options):
            assert re.search(rf"\b{option.name}\b[^()]*\([^)]*\b{name}\b", own), (name, option.name)
    assert "{None}" not in shown.replace("{None}|", "")  # nothing takes only None
    assert "StudyError" not in shown


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys, study.command_line.cli; print('torch' in sys.modules, 'mlflow' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout == "False False\n"


def test_main_exits_with_the_status() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--benchmark", "nothing"])
    assert stop.value.code == 2


def test_ctrl_c_before_anything_runs_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: Arguments) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("study.run.run_study", interrupted)
    assert run(["--benchmark", "toy"]) == 130
    assert capsys.readouterr().err == "study: stopped; the same command goes on from here\n"


@pytest.mark.parametrize(
    "arguments",
    [
        Arguments(benchmark="toy"),
        Arguments(
            benchmark="procgen",
            methods=("scratch", "multitask"),
            train_sizes=(100, 1000),
            output=Path("/tmp/my results/it's"),
            tracking=False,
            plain=True,
            checkpoint_every_s=1.5,
            video="procgen/coinrun-easy/200001",
            workers=0,
        ),
    ],
)
def test_the_command_that_runs_a_study_again_is_read_back_as_the_same(
    arguments: Arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = command_of(arguments)
    assert line.startswith("uv run study --benchmark ")
    seen: list[Arguments] = []
    monkeypatch.setattr("study.run.run_study", lambda arguments: seen.append(arguments) or 0)
    assert run(shlex.split(line)[3:]) == 0
    assert seen == [arguments]


def test_workers_are_no_more_than_jobs() -> None:
    assert choose_workers(None, "cpu", jobs=1) == 1
    assert choose_workers(None, "cuda", jobs=100) == 1
    assert choose_workers(5, "cpu", jobs=1) == 5
    assert choose_workers(0, "cpu", jobs=9) == 0


def test_a_dry_run_shows_the_grid_and_its_price_and_writes_nothing(
    tiny: Callable[..., list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Threads for processes, which would not know of the shorter time.
    monkeypatch.setattr(study.estimates.measuring, "MEASURE_S", 0.2)
    monkeypatch.setattr(
        study.estimates.measuring,
        "ProcessPoolExecutor",
        lambda workers, *spawned: ThreadPoolExecutor(workers),
    )
    monkeypatch.chdir(tmp_path)
    assert run(tiny(tmp_path / "deep" / "down", "--dry-run", "--tracking", "--workers", "1")) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    words = " ".join(shown.out.replace("│", " ").split())
    for part in (
        "toy quick: 5 jobs",
        "1 pretrain (multitask) 2,048 2,048",
        "2 adapt (scratch, multitask) 512 1,024",
        "5 in all 3,072",
        "What they would take of a worker",
        "1 pretrain multitask",
        "1 adapt scratch",
        "1 baseline random",
        "tables and report",
        "give or take a third",
        "disk about",
        "memory about",
        "GB free",
    ):
        assert part in words
    assert max(map(len, shown.out.splitlines())) < 200
    assert not any(tmp_path.iterdir())

    asked = ("--dry-run", "--tracking", "--workers", "1", "--tune", "2")
    assert run(tiny(tmp_path / "deep" / "down", *asked)) == 0
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    # Two trials of scratch, and two pretrainings with theirs, on the family's two validation levels.
    assert "toy quick: 15 jobs" in words
    assert "10 tuning (all methods) 8,192" in words
    assert not any(tmp_path.iterdir())

    finished = tyro.cli(Arguments, args=tiny(tmp_path), config=(tyro.conf.OmitArgPrefixes,))
    for job in make_plan(resolve_all(finished, default_preset="quick")[0]).jobs:
        (tmp_path / "cache" / "jobs" / job.key[:16]).mkdir(parents=True)
    asked = ("--dry-run", "--workers", "1", "--seeds", "2", "--cache", str(tmp_path / "cache"))
    assert run(tiny(tmp_path / "deep" / "down", *asked)) == 0
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    # What the cache holds is copied: it takes nothing.
    assert "5 of 9 jobs are finished" in words
    assert "toy quick: 4 jobs" in words
    assert "1 pretrain (multitask) 2,048 2,048" in words
