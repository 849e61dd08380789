"""The studies that docs/results ships as archives: whole, with their tables again, and ready to be grown."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import tyro
from study.command_line.arguments import Arguments
from study.command_line.cli import run
from study.folder.archive import import_study
from study.folder.cache import found_in
from study.folder.plan_file import read_plan
from study.folder.store import Store
from study.plan import make_plan
from study.resolve import resolve_all

RESULTS = Path(__file__).parent.parent / "docs" / "results"
SMALL = RESULTS / "toy-archive"
TWO_STAGE = re.findall(r"uv run study (--.*\S) +# (\S+)", (RESULTS / "two-stage" / "README.md").read_text())
COMMANDS = {
    **{f"two-stage/{cell}": line for line, cell in TWO_STAGE},
    "apple/interfering": "--benchmark apple --preset interfering",
    "apple/separate": "--benchmark apple --preset separate",
    "rlbench-mujoco-quick": "--benchmark rlbench --preset quick",
    "rlbench-far": "--benchmark rlbench --methods scratch multitask --retain bc em head-reset"
    " --demos 2 --seeds 5 --far",
}


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


def test_an_arm_is_added_to_a_shipped_study_without_running_the_others(tmp_path: Path) -> None:
    import_study(RESULTS / "apple" / "interfering" / "study.tar", tmp_path / "theirs")
    line = "--benchmark apple --preset interfering --methods scratch multitask --retain bc ks ewc l2"
    arguments = tyro.cli(Arguments, args=shlex.split(line), config=(tyro.conf.OmitArgPrefixes,))
    (config,) = resolve_all(arguments, default_preset="quick")
    jobs = make_plan(config).jobs
    taken = found_in([tmp_path / "theirs"], jobs)
    left = [(job.kind, job.method) for job in jobs if job.key not in taken]
    assert sorted(left) == [("adapt", "multitask:gradient+l2")] * 5 + [("pretrain", "multitask")] * 5


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_seed_is_added_to_a_shipped_study_without_running_the_rest(name: str, tmp_path: Path) -> None:
    import_study(RESULTS / name / "study.tar", tmp_path / "mine")
    store, line = Store(tmp_path / "mine"), shlex.split(COMMANDS[name])
    arguments = tyro.cli(Arguments, args=line, config=(tyro.conf.OmitArgPrefixes,))
    (config,) = resolve_all(arguments, default_preset="quick")
    assert [job.title for job in make_plan(config).jobs if not store.done(job)] == []
    wider = make_plan(replace(config, seeds=config.seeds + 1)).jobs
    assert {job.seed for job in wider if not store.done(job)} == {config.first_seed + config.seeds}
