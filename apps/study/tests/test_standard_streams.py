"""A study finishes whatever its output is: other encodings, closed, full, read by somebody who goes away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from study.command_line.standard_streams import Courteous

ENV = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
STUDY = f"{sys.executable} -m study"


def shell(line: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**ENV, **more}
    command = ["bash", "-o", "pipefail", "-c", line]
    return subprocess.run(command, capture_output=True, cwd=cwd, env=environment, timeout=120)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "latin-1", "utf-16"])
def test_help_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    shown = shell(f"{STUDY} --help", tmp_path, PYTHONIOENCODING=encoding)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert "study --benchmark procgen" in shown.stdout.decode(encoding)


@pytest.mark.parametrize(
    "line", ["{} --help | head -1", "{} --help > /dev/full", "{} --help >&-", "{} --version >&- 2>&-"]
)
def test_help_for_nobody(tmp_path: Path, line: str) -> None:
    shown = shell(line.format(STUDY), tmp_path)
    assert (shown.returncode, shown.stderr) == (0, b"")


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    from importlib.metadata import version

    shown = shell(f"{STUDY} --version", tmp_path)
    assert shown.stdout.decode() == f"study {version('fvm-study')}\n"


@pytest.mark.parametrize(
    ("rest", "encoding"),
    [
        ("| head -1", "utf-8"),
        ("> /dev/full", "utf-8"),
        (">&-", "utf-8"),
        ("> /dev/full 2>&1", "ascii"),
        ("> out.txt", "ascii"),
        ("> out.txt", "cp1252"),
    ],
)
def test_a_study_finishes(
    tiny: Callable[..., list[str]], tiny_done: Path, tmp_path: Path, rest: str, encoding: str
) -> None:
    import shlex
    import shutil

    root = tmp_path / "study"
    shutil.copytree(tiny_done, root)
    shutil.rmtree(next(root.glob("jobs/*")))  # a job is to be done
    (root / "results.parquet").unlink()
    shutil.rmtree(root / "report")
    line = f"{STUDY} {shlex.join(tiny(root, '--methods', 'scratch', 'multitask'))} {rest}"
    shown = shell(line, tmp_path, PYTHONIOENCODING=encoding)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert (root / "results.parquet").read_bytes() == (tiny_done / "results.parquet").read_bytes()
    assert (root / "report" / "report.html").exists()


def test_an_error_that_nobody_can_read_has_its_status(tmp_path: Path) -> None:
    assert shell(f"{STUDY} --benchmark tyo 2>/dev/full", tmp_path).returncode == 2
    assert shell(f"{STUDY} --benchmark tyo 2>&-", tmp_path).returncode == 2


def test_text_is_shown_as_far_as_it_can_be(tmp_path: Path) -> None:
    with open(tmp_path / "out", "w", encoding="ascii") as file:
        stream = Courteous(file)
        stream.write("RL² 3 \udcff\n")
        stream.flush()
    assert (tmp_path / "out").read_text() == "RL? 3 ?\n"
    nobody = Courteous(None)
    assert nobody.write("x") == 1
    nobody.flush()
    assert not nobody.isatty()


def test_memory_that_is_not_enough_to_load_torch_is_a_sentence(tmp_path: Path) -> None:
    shown = shell(f"ulimit -v 800000; {STUDY} --benchmark toy", tmp_path)
    assert shown.returncode == 2
    lines = shown.stderr.decode().splitlines()
    assert lines[-1].startswith("study: cannot load what a study needs (")
    assert "ulimit -v" in lines[-1]
    assert "Traceback" not in shown.stderr.decode()


def test_ctrl_c_while_torch_is_loaded_is_a_sentence(tmp_path: Path) -> None:
    import signal
    import time

    command = [sys.executable, "-m", "study", "--benchmark", "toy", "--output", str(tmp_path / "s")]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # else a child has it ignored
    try:
        process = subprocess.Popen(
            command, env=ENV, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    maps = Path(f"/proc/{process.pid}/maps")
    while "libtorch" not in maps.read_text():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (130, "study: stopped; the same command goes on from here\n")
    assert not (tmp_path / "s").exists()
