"""The batch script of workers: what sbatch takes, and what it would refuse after hours in a queue."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from study.command_line.cli import run
from study.command_line.commands import sbatch_script
from study.folder.plan_file import PlanFile, write_plan
from study.folder.store import Store
from study.plan import Plan


def test_an_sbatch_script_is_one_array_of_workers(tmp_path: Path) -> None:
    place = tmp_path / "it's a study"
    script = sbatch_script(place, 40, "4:00:00", 2, 1, "8G", "gpu")
    for line in (
        "array=0-39",
        "time=4:00:00",
        "requeue",
        "signal=B:USR1@60",
        "gpus-per-task=1",
        "partition=gpu",
    ):
        assert f"#SBATCH --{line}\n" in script
    words = subprocess.run(
        ["bash", "-c", script.replace("exec ", "printf '%s|' ")], capture_output=True, text=True, check=True
    )
    assert words.stdout.split("|")[-5:] == ["work", str(place), "--memory", "8G", ""]
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--time x", "--time 'x' is no time of sbatch"),
        ("--time 4:99:00", "--time '4:99:00' is no time"),
        ("--cpus 0", "--cpus 0 is too few; give 1 or more"),
        ("--gpus -1", "--gpus -1 is too few; give 0 or more"),
        ("--workers 0", "--workers 0 is too few"),
        ("--workers 4000001", "--workers 4000001 is more than a Slurm array has; give 4,000,000 or less"),
        ("--time 0", "--time '0' is no time of sbatch"),
        ("--time 0-00:00", "--time '0-00:00' is no time of sbatch"),
        ("--memory 4", "--memory '4' is no size"),
        ("--memory abc", "--memory 'abc' is no size"),
        ("--partition 'a b'", "--partition 'a b' is no name"),
    ],
)
def test_what_sbatch_would_refuse_is_a_sentence(
    folder: tuple[Plan, Store], words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["slurm", str(folder[1].root), *shlex.split(words)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--time 2-12:00:00", "time=2-12:00:00"),
        ("--time 90", "time=90"),
        ("--memory 1.5G", "mem=1536M"),
        ("--memory 6gb", "mem=6144M"),
        ("--partition long-gpu", "partition=long-gpu"),
    ],
)
def test_what_sbatch_takes_comes_through(
    folder: tuple[Plan, Store], words: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["slurm", str(folder[1].root), *shlex.split(words)]) == 0
    assert f"#SBATCH --{line}\n" in capsys.readouterr().out


def test_each_worker_is_given_the_plugins(
    folder: tuple[Plan, Store],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("_loaded", "_given"):
        monkeypatch.setattr(f"study.plugins.{name}", {})  # of other tests they are none
    (tmp_path / "my methods.py").write_text("")
    assert run(["slurm", str(folder[1].root), "--plugin", "./my methods.py", "json"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(last)[-3:] == ["--plugin", str(tmp_path / "my methods.py"), "json"]
    assert shlex.split(last)[-5:-3] == ["--memory", "4G"]


def test_an_array_without_the_plugins_of_its_plan_is_refused(
    folder: tuple[Plan, Store], capsys: pytest.CaptureFixture[str]
) -> None:
    plan, store = folder
    strange = [replace(job, spec={**job.spec, "benchmark": "mine"}, parent=None) for job in plan.jobs[:1]]
    write_plan(store.root, PlanFile(jobs=tuple(strange)))
    assert run(["slurm", str(store.root)]) == 2
    assert "is of a benchmark 'mine', which is not known here; name its plug-in" in capsys.readouterr().err
