"""A study seen from another terminal: how far it is, its page, stopping it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from study.command_line.cli import run
from study.command_line.watching import STOPPED, over
from study.config import StudyConfig
from study.folder.plan_file import PlanFile, write_plan
from study.folder.store import Store
from study.folder.under_way import Failure, UnderWay
from study.plan import Plan, make_plan


def test_a_study_on_which_nobody_worked_yet_can_be_stopped(
    small: StudyConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plan(tmp_path, PlanFile(jobs=make_plan(small).jobs, checkpoint_every_s=60.0))
    assert run(["stop", str(tmp_path)]) == 0
    assert UnderWay(tmp_path).stopped
    capsys.readouterr()
    assert run(["status", str(tmp_path), "--plain"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].strip() == STOPPED


def test_a_finished_study_has_nothing_to_stop(
    small_done: tuple[Plan, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, store = small_done
    root = Path(shutil.copytree(store.root, tmp_path / "copy"))
    write_plan(root, PlanFile(jobs=plan.jobs, checkpoint_every_s=60.0))
    assert run(["stop", str(root)]) == 0
    assert capsys.readouterr().out == "all jobs have run; there is nothing to stop\n"
    assert not UnderWay(root).stopped


def test_watching_a_page_ends_when_no_more_can_be_finished(folder: tuple[Plan, Store]) -> None:
    plan, store = folder
    under_way = UnderWay(store.root)
    assert over(plan.jobs, store, under_way) == ""
    under_way.stop()
    assert over(plan.jobs, store, under_way) == STOPPED
    under_way.forget()
    first = [job for job in plan.jobs if job.parent is None]  # the others wait for them
    for job in first:
        under_way.fail(job.key, Failure(message="no memory"))
    assert over(plan.jobs, store, under_way).splitlines() == [f"{job.title} FAILED" for job in first]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_no_time_between_two_looks_is_a_sentence(
    seconds: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(tmp_path), "--watch", "--every-s", seconds]) == 2
    assert "--every-s" in capsys.readouterr().err


def test_ctrl_c_says_that_watching_has_ended_and_not_the_study(
    folder: tuple[Plan, Store], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    _, store = folder
    monkeypatch.setattr("study.command_line.watching.time.sleep", interrupted)
    assert run(["report", str(store.root), "--watch"]) == 130
    said = capsys.readouterr().err
    assert said == "study: no longer watching; the study itself was left as it was\n"
