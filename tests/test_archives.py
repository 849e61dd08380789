"""The studies that docs/results ships as archives: whole, with their tables again, and ready to be grown."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from study.command_line.cli import run
from study.folder.archive import import_study
from study.folder.plan_file import read_plan
from study.folder.store import Store

RESULTS = Path(__file__).parent.parent / "docs" / "results"
SMALL = RESULTS / "toy-archive"


@pytest.mark.parametrize(
    "archive", sorted(RESULTS.rglob("*.tar")), ids=lambda path: str(path.parent.relative_to(RESULTS))
)
def test_an_archive_holds_whole_jobs(archive: Path, tmp_path: Path) -> None:
    came, there = import_study(archive, tmp_path / "mine")
    assert came == len(Store(tmp_path / "mine").finished()) > 0
    assert there == 0


def test_a_method_is_added_to_a_shipped_study_without_running_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.run.write_report", lambda store, results: store.root)
    (command, *_) = [
        line for line in (SMALL / "README.md").read_text().splitlines() if "uv run study" in line
    ]
    mine = tmp_path / "mine"
    import_study(SMALL / "study.tar", mine)
    own = [*shlex.split(command)[3:], "--output", str(mine), "--no-tracking", "--plain", "--workers", "0"]
    assert run(own) == 0
    jobs = len(read_plan(mine).jobs)
    assert f"{jobs} of {jobs} jobs are finished from before" in capsys.readouterr().out
    assert (mine / "results.parquet").read_bytes() == (SMALL / "results.parquet").read_bytes()

    before = Store(mine).finished()
    after_methods = own.index("multitask") + 1
    assert run([*own[:after_methods], "reptile", *own[after_methods:], "--seeds", "1"]) == 0
    plan = read_plan(mine).jobs
    new = Store(mine).finished() - before
    assert new
    assert {job.method for job in plan if job.key[:16] in new} == {"reptile"}
    assert "jobs are finished from before" in capsys.readouterr().out
