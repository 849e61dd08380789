"""The page of a study that still runs, made by whoever sees its folder."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fvm_eval.folds import Fold
from study.command_line.cli import run
from study.config import StudyConfig
from study.engines import Event
from study.errors import StudyError
from study.folder.config_file import as_json, from_json
from study.folder.plan_file import PlanFile, write_plan
from study.folder.store import Store
from study.plan import Plan, make_plan
from study.registry import registered
from study.results.so_far import FOLDER, write_so_far

PRESETS = [config for benchmark in registered().benchmarks.values() for config in benchmark.presets.values()]


@pytest.mark.parametrize("config", PRESETS, ids=lambda config: f"{config.benchmark}-{config.preset}")
def test_a_config_comes_back_from_json_as_it_was(config: StudyConfig) -> None:
    back = from_json(json.loads(json.dumps(as_json(config))))
    assert back.spec == config.spec
    few = {"seeds": 1} if config.folds or config.split else {"seeds": 1, "held_out": config.held_out[:1]}
    assert [job.key for job in make_plan(replace(back, **few)).jobs] == [
        job.key for job in make_plan(replace(config, **few)).jobs
    ]


def test_so_does_one_with_folds(small: StudyConfig) -> None:
    tasks = [small.task_id(task) for task in range(3)]
    folds = (Fold((tasks[0],), (), (tasks[1],)), Fold((tasks[1],), (), (tasks[2],)))
    of_folds = replace(small, folds=folds, pool=(), validation=(), held_out=(), train_sizes=())
    assert from_json(json.loads(json.dumps(as_json(of_folds)))) == of_folds


@pytest.fixture
def half_done(small: StudyConfig, small_done: tuple[Plan, Store], tmp_path: Path) -> tuple[Plan, Store]:
    """A study of which one adaptation, measures and the last baseline are still to come."""
    plan, done = small_done
    shutil.copytree(done.root, tmp_path / "study", ignore=shutil.ignore_patterns("*.parquet.*", "report"))
    store = Store(tmp_path / "study")
    (store.root / "results.parquet").unlink()
    write_plan(store.root, PlanFile(jobs=plan.jobs, config=as_json(small)))
    adaptations = [job for job in plan.jobs if job.kind == "adapt"]
    left = [adaptations[-1], *(job for job in plan.jobs if job.kind == "measure"), plan.jobs[1]]
    for job in left:
        shutil.rmtree(store.folder(job))
    return plan, store


def test_a_page_of_a_part_has_numbers_and_no_verdict(half_done: tuple[Plan, Store]) -> None:
    plan, store = half_done
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    page, done, total = write_so_far(store.root, 0.0)
    assert (done, total) == (sum(map(store.done, plan.jobs)), len(plan.jobs))
    assert page == store.root / FOLDER / "report" / "report.html"
    text = re.sub(r"<[^>]+>", " ", page.read_text())
    assert f"So far: {done} of {total} jobs are finished." in text
    for verdict in ("Supported", "Contradicted", "Undecided"):
        assert not re.search(rf"\bC\d+\b[^.]*{verdict}", text)
    mine = store.root / FOLDER
    after = {p: p.read_bytes() for p in store.root.rglob("*") if p.is_file() and mine not in p.parents}
    assert after == before  # the folder is its driver's


def test_the_command_says_what_there_is(
    small: StudyConfig,
    half_done: tuple[Plan, Store],
    run_plan: Callable[..., list[Event]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan, store = half_done
    run_plan(plan, store)
    assert run(["report", str(store.root), "--watch"]) == 0  # all is finished, so it ends
    assert f"{len(plan.jobs)} of {len(plan.jobs)} jobs finished" in capsys.readouterr().out
    page = (store.root / FOLDER / "report" / "report.html").read_text()
    assert f"All {len(plan.jobs)} jobs are finished; what they decide stands on the study" in page
    shutil.rmtree(store.root / "jobs")
    assert run(["report", str(store.root)]) == 2
    assert "no adaptation of the study" in capsys.readouterr().err
    write_plan(store.root, PlanFile(jobs=plan.jobs))
    assert run(["report", str(store.root)]) == 2
    assert "says nothing of its study" in capsys.readouterr().err
    stranger = as_json(small)
    stranger["adapt"]["learner"] = {"somebodys": {}}
    write_plan(store.root, PlanFile(jobs=plan.jobs, config=stranger))
    assert run(["report", str(store.root)]) == 2
    assert "name its plug-ins with --plugin" in capsys.readouterr().err
    write_plan(store.root, PlanFile(jobs=plan.jobs, config={**as_json(small), "benchmark": "somebodys"}))
    assert run(["report", str(store.root)]) == 2
    said = capsys.readouterr().err
    assert "what is not here (nobody knows 'somebodys'); name its plug-ins with --plugin" in said


def test_a_damaged_job_is_not_told_as_a_folder_that_is_gone(half_done: tuple[Plan, Store]) -> None:
    plan, store = half_done
    job = next(job for job in plan.jobs if job.kind == "adapt" and store.done(job))
    (store.folder(job) / "online.parquet").write_bytes(b"")
    with pytest.raises(
        StudyError, match=rf"online\.parquet is damaged .*delete the folder {store.folder(job)}"
    ):
        write_so_far(store.root, 0.0)
