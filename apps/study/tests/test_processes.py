"""Workers as processes: they may have children, and say what ended them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import psutil
import pytest
from study.engines.processes import how_it_ended

ENV = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "ended with status 1"),
        (0, "ended with status 0"),
        (-signal.SIGSEGV, "was killed by SIGSEGV"),
        (-signal.SIGTERM, "was killed by SIGTERM"),
        (
            -signal.SIGKILL,
            "was killed by SIGKILL, as the system does to what takes more memory than there is",
        ),
        (-99, "was killed by signal 99"),
    ],
)
def test_how_a_process_ended(code: int, words: str) -> None:
    assert how_it_ended(code) == words


SCRIPT = """
from pathlib import Path
from study.command_line.arguments import Arguments
from study.errors import StudyError
from study.run import run_study

try:
    run_study(Arguments(
        benchmark="toy", preset="quick", game="catch", methods=("scratch",), seeds=1, adapt_env_steps=512,
        held_out=("84",), output=Path("out"), workers={workers}, tracking={tracking},
    ))
except StudyError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("tracking", [True, False])
def test_a_script_without_a_main_guard_is_told_so_once(tmp_path: Path, tracking: bool) -> None:
    script = tmp_path / "my script.py"
    script.write_text(SCRIPT.format(workers=2, tracking=tracking))
    shown = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, env=ENV, timeout=120
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    told = [line for line in shown.stdout.splitlines() if line.startswith("refused:")]
    assert len(told) == 1
    assert str(script) in told[0]
    assert 'if __name__ == "__main__":' in told[0]
    assert "workers=0" in told[0]
    assert "another process" not in shown.stdout


def test_without_workers_it_needs_no_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(workers=0, tracking=False))
    shown = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, env=ENV, timeout=120
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "refused" not in shown.stdout
    assert (tmp_path / "out" / "results.parquet").exists()


CHILDREN = """
import os, sys
from pathlib import Path
import study.jobs.job
from study.jobs.job import run_baseline

# In every worker: a job whose envs are processes, as coppeliasim's and make_vec(..., num_processes=2) are.
def with_children(*of):
    import multiprocessing
    child = multiprocessing.get_context("spawn").Process(target=print, args=("a child plays",))
    child.start()
    child.join()
    assert child.exitcode == 0
    run_baseline(*of)

study.jobs.job.run_baseline = with_children

if __name__ == "__main__":
    from study.command_line.cli import main
    main()
"""


def test_a_worker_may_have_children(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(dedent(CHILDREN))
    line = (
        "--benchmark toy --preset quick --game catch --methods scratch --seeds 1 --adapt-env-steps 512 "
        "--held-out 84 --no-tracking --workers 1 --output out"
    )
    shown = subprocess.run(
        [sys.executable, str(script), *line.split()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=ENV,
        timeout=400,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "a child plays" in shown.stdout
    left = [one for one in psutil.process_iter(["cmdline"]) if str(script) in (one.info["cmdline"] or [])]
    assert left == []
