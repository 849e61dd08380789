"""Finished jobs of other studies, and what --fresh sets aside."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from study.config import StudyConfig
from study.errors import StudyError
from study.folder.cache import found_in, set_aside, take_from
from study.folder.looks_file import read_looks, write_looks
from study.folder.store import Store
from study.plan import Plan, make_plan


def test_jobs_of_other_studies_are_found_by_their_keys(
    small: StudyConfig,
    small_done: tuple[Plan, Store],
    same_results: Callable[[Path, Path], None],
    tmp_path: Path,
) -> None:
    plan, done = small_done
    shutil.copytree(done.root, tmp_path / "theirs" / "deep" / "study")
    mine = Store(tmp_path / "mine")
    (mine.root / "jobs").mkdir(parents=True)
    wider = make_plan(replace(small, seeds=2))
    assert found_in([tmp_path / "theirs", mine.root, tmp_path / "nowhere"], wider.jobs) == {
        job.key for job in plan.jobs
    }
    taken, remarks = take_from(mine, wider.jobs, [tmp_path / "theirs"])
    assert {job.key for job in taken} == {job.key for job in plan.jobs}
    assert remarks == []
    same_results(mine.root, done.root)
    assert take_from(mine, wider.jobs, [tmp_path / "theirs"]) == ([], [])
    assert not list(mine.root.glob("running/*"))


def test_looks_at_the_same_study_come_along(
    small: StudyConfig, small_done: tuple[Plan, Store], tmp_path: Path
) -> None:
    plan, done = small_done
    shutil.copytree(done.root, tmp_path / "theirs", ignore=shutil.ignore_patterns("looks.json"))
    look = {"clusters": "a", "checkpoints": 5, "planned": True, "asked": "x"}
    write_looks(tmp_path / "theirs", [look])
    for name, config in (
        ("theirs", small),
        ("mine", replace(small, seeds=2)),
        ("other", replace(small, looks=(2, 4))),
    ):
        store = Store(tmp_path / name)
        store.claim(config.identity, config.spec, {})
        store.close()
    for name, looks in (("mine", [look]), ("other", [])):
        assert len(take_from(Store(tmp_path / name), plan.jobs, [tmp_path / "theirs"])[0]) == len(plan.jobs)
        assert read_looks(tmp_path / name) == looks


def test_what_is_damaged_there_is_not_taken(small_done: tuple[Plan, Store], tmp_path: Path) -> None:
    plan, done = small_done
    shutil.copytree(done.root, tmp_path / "theirs")
    theirs, mine = Store(tmp_path / "theirs"), Store(tmp_path / "mine")
    (mine.root / "jobs").mkdir(parents=True)
    bits, gone, forged, *_ = plan.jobs
    linked = next(job for job in plan.jobs if job.kind == "adapt")
    rest = [job for job in plan.jobs if job not in (bits, gone, forged, linked)]
    table = theirs.folder(bits) / "episodes.parquet"
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    (theirs.folder(gone) / "manifest.json").unlink()
    shutil.rmtree(theirs.folder(forged))
    shutil.copytree(theirs.folder(rest[0]), theirs.folder(forged))
    secret = theirs.folder(linked) / "online.parquet"
    secret.unlink()
    secret.symlink_to("/etc/passwd")
    taken, remarks = take_from(mine, plan.jobs, [tmp_path / "theirs"])
    assert [job.key for job in taken] == sorted((job.key for job in rest), key=lambda key: key[:16])
    assert len(remarks) == 4
    assert {p.name for p in (mine.root / "jobs").iterdir()} == {job.key[:16] for job in rest}
    with pytest.raises(StudyError, match=r"--cache .* is no folder"):
        take_from(mine, plan.jobs, [tmp_path / "nowhere"])


def light_copy(done: Store, folder: Path) -> Store:
    """Returns a copy of a store without its weights, as from `study export` and `study import`."""
    shutil.copytree(done.root, folder)
    for weights in folder.glob("jobs/*/weights.safetensors"):
        weights.unlink()
    return Store(folder)


def test_jobs_without_their_weights_are_taken(
    small_done: tuple[Plan, Store], same_results: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    plan, done = small_done
    light_copy(done, tmp_path / "light")
    mine = Store(tmp_path / "mine")
    (mine.root / "jobs").mkdir(parents=True)
    taken, remarks = take_from(mine, plan.jobs, [tmp_path / "light"])
    assert {job.key for job in taken} == {job.key for job in plan.jobs}
    assert remarks == []
    same_results(mine.root, tmp_path / "light")
    whole = Store(tmp_path / "whole")  # elsewhere they have their weights: the whole ones are taken
    (whole.root / "jobs").mkdir(parents=True)
    take_from(whole, plan.jobs, [tmp_path / "light", done.root])
    assert all(whole.weights(job) for job in plan.jobs if job.kind == "pretrain")


def test_an_agent_without_weights_is_not_taken_where_they_are_needed(
    small_done: tuple[Plan, Store], tmp_path: Path
) -> None:
    plan, done = small_done
    light = light_copy(done, tmp_path / "light")
    child = next(job for job in plan.jobs if job.kind == "adapt" and job.parent is not None)
    assert child.parent is not None
    table = light.folder(child) / "episodes.parquet"
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    mine = Store(tmp_path / "mine")
    (mine.root / "jobs").mkdir(parents=True)
    taken, remarks = take_from(mine, plan.jobs, [tmp_path / "light"])
    left = {job.key for job in plan.jobs} - {job.key for job in taken}
    assert left == {child.key, child.parent.key}
    assert "episodes.parquet does not match" in remarks[0]
    assert remarks[1:] == [
        f"not taken, as jobs that are to run need weights that are not there: {child.parent.title}"
    ]
    mine.check_weights(job for job in plan.jobs if job.key in left)
    shutil.rmtree(light.folder(child))
    assert {job.key for job in plan.jobs} - found_in([light.root], plan.jobs) == left


def test_running_anew_keeps_what_there_was(small_done: tuple[Plan, Store], tmp_path: Path) -> None:
    plan, done = small_done
    shutil.copytree(done.root, tmp_path / "mine")
    store = Store(tmp_path / "mine")
    store.check(plan.jobs)
    moved, place = set_aside(store, plan.jobs)
    assert moved == len(plan.jobs)
    assert not any(store.done(job) for job in plan.jobs)
    assert {p.name for p in (place / "jobs").iterdir()} == {job.key[:16] for job in plan.jobs}
    taken, _ = take_from(store, plan.jobs, [place])  # they are a cache like any other
    assert len(taken) == len(plan.jobs)
    assert set_aside(store, plan.jobs)[1].name == "before-2"
