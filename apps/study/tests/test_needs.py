"""What jobs of each kind need, who says so, and who takes them."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import study.machine.needs
from study.command_line.commands import slurm, work
from study.config import StudyConfig
from study.engines import Schedule
from study.engines.ray_workers import next_kind
from study.engines.schedule import RunOptions
from study.engines.worker import take_jobs
from study.errors import StudyError
from study.estimates import estimate
from study.folder.plan_file import PlanFile, read_plan, write_plan
from study.folder.store import Store
from study.folder.under_way import UnderWay
from study.machine.needs import Needs, largest, needs_of, of_json, with_measured
from study.plan import Plan, make_plan

GB = 2**30


def test_needs_are_said_for_all_kinds_or_for_one() -> None:
    found = needs_of(["2", "adapt=1"], [".5", "measure=0"], ["pretrain=6G", "500M"], on_gpu=True)
    assert found == {
        "baseline": Needs(cpus=2, gpus=0.5, memory=500 * 2**20),
        "pretrain": Needs(cpus=2, gpus=0.5, memory=6 * GB),
        "adapt": Needs(cpus=1, gpus=0.5, memory=500 * 2**20),
        "measure": Needs(cpus=2, gpus=0, memory=500 * 2**20),
    }
    assert {kind: each.gpus for kind, each in needs_of([], [], [], on_gpu=True).items()} == {
        "baseline": 0.0,
        "pretrain": 1.0,
        "adapt": 1.0,
        "measure": 1.0,
    }
    assert largest(found) == Needs(cpus=2, gpus=0.5, memory=6 * GB)
    assert largest(found, ["adapt", "measure"]) == Needs(cpus=2, gpus=0.5, memory=500 * 2**20)


@pytest.mark.parametrize(
    ("cpus", "gpus", "memory", "message"),
    [
        ("two", "1", "1G", "--cpus 'two' is no number of cpus"),
        ("0", "1", "1G", "--cpus '0' is no number"),
        ("nan", "1", "1G", "--cpus 'nan' is no number"),
        ("1", "-1", "1G", "--gpus '-1' is no number of gpus"),
        ("1", "1", "6 G", "--memory '6 G' is no size; give one such as 6G"),
        ("1", "1", "0G", "--memory '0G' is no size"),
        ("1", "1", "4", "--memory '4' is no size"),  # bytes
        ("1", "1", "pretraining=1G", "unknown kind of job 'pretraining'"),
    ],
)
def test_what_is_no_need_is_a_sentence(cpus: str, gpus: str, memory: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        needs_of([cpus], [gpus], [memory], on_gpu=False)


def test_a_kind_of_job_has_one_need() -> None:
    with pytest.raises(StudyError, match="--memory adapt=2G adapt=3G says the same kind of job twice"):
        needs_of([], [], ["adapt=2G", "adapt=3G"], on_gpu=False)
    with pytest.raises(StudyError, match="--cpus 1 2 says"):
        needs_of(["1", "2"], [], [], on_gpu=False)
    assert needs_of([], [], ["1G", "measured"], on_gpu=False)["adapt"].memory == GB


def test_what_was_measured_stands_where_nothing_is_said_with_room_to_grow() -> None:
    found = with_measured(
        needs_of([], [], ["adapt=1G", "measured"], on_gpu=False), {"pretrain": 2 * GB, "adapt": GB}
    )
    assert {kind: each.memory / 2**20 for kind, each in found.items()} == {
        "baseline": 1280,
        "pretrain": 2560,
        "adapt": 1024,
        "measure": 1280,
    }


def test_the_first_seconds_of_a_study_say_what_its_kinds_of_jobs_take(small: StudyConfig) -> None:
    found = estimate.memory_of(make_plan(small).jobs, "cpu")
    assert found.keys() == {"pretrain", "adapt"}
    assert all(10**8 < size < 10**10 for size in found.values())  # a process with torch


def test_a_worker_takes_what_fits_it_and_leaves_when_nothing_else_is_done(
    small_done: tuple[Plan, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, _ = small_done
    (tmp_path / "jobs").mkdir()
    store = Store(tmp_path)
    needs = needs_of([], [], ["1M", "pretrain=6G"], on_gpu=False)
    write_plan(tmp_path, PlanFile(jobs=plan.jobs, needs=needs))
    assert read_plan(tmp_path).needs == needs
    small_one = RunOptions("cpu", 1e9, needs=needs, has=Needs(memory=2 * GB))
    done = [
        event.job for event in take_jobs(Schedule(plan.jobs, store), small_one) if event.what == "finished"
    ]
    assert {(job.kind, job.method) for job in done} == {("baseline", "random"), ("adapt", "scratch")}
    assert work(tmp_path, device="cpu", memory="8G") == 0
    assert "finished here" in capsys.readouterr().out
    assert all(store.done(job) for job in plan.jobs)


def test_a_job_waits_until_the_machine_has_its_memory(
    small_done: tuple[Plan, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = small_done[0].jobs[0]
    (tmp_path / "jobs").mkdir()
    store, looks = Store(tmp_path), list[bool]()
    monkeypatch.setattr(
        study.machine.needs.Needs, "fit_now", lambda self, promised: looks.append(True) or len(looks) > 2
    )
    needs = needs_of([], [], ["1M"], on_gpu=False)
    events = list(take_jobs(Schedule([job], store), RunOptions("cpu", 1e9, needs=needs)))
    assert [event.what for event in events if event.what != "progress"] == ["started", "finished"]
    assert len(looks) == 3
    assert not UnderWay(tmp_path).held()


def test_memory_that_a_neighbour_has_not_taken_yet_is_not_free(
    small_done: tuple[Plan, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = small_done[0].jobs[:2]
    (tmp_path / "jobs").mkdir()
    under_way, asked = UnderWay(tmp_path), list[int]()
    neighbour = subprocess.Popen(["sleep", "60"])
    with monkeypatch.context() as there:
        there.setattr(os, "getpid", lambda: neighbour.pid)
        lease = under_way.take(theirs.key)
    assert lease is not None

    def fit_now(self: Needs, promised: int) -> bool:
        asked.append(promised)
        neighbour.kill()
        neighbour.wait()
        return not promised

    monkeypatch.setattr(study.machine.needs.Needs, "fit_now", fit_now)
    options = RunOptions("cpu", 1e9, needs=needs_of([], [], ["6G"], on_gpu=False))
    list(take_jobs(Schedule([ours, theirs], Store(tmp_path)), options))
    assert 6 * GB - 2**24 < asked[0] < 6 * GB
    assert asked[:2] == [asked[0]] * 2  # one look a round
    assert asked[2:] == [0, 0]  # it has ended
    assert Store(tmp_path).done(ours)
    lease.release()


def test_a_job_for_a_gpu_is_not_for_a_worker_without() -> None:
    assert Needs(gpus=0.5).fit(Needs(), "cuda:1")
    assert not Needs(gpus=0.5).fit(Needs(), "cpu")
    assert Needs(memory=GB).fit(Needs(memory=GB), "cpu")
    assert not Needs(memory=GB + 1).fit(Needs(memory=GB), "cpu")
    assert not Needs(memory=10**18).fit(Needs(memory=10**18), "cpu")  # whatever it was told that it has
    with pytest.raises(StudyError, match=r"a job of kind adapt needs 1099\.5 GB of memory"):
        study.machine.needs.check_here(needs_of([], [], ["adapt=1T"], on_gpu=False), "cpu")
    with pytest.raises(StudyError, match=r"a job of kind adapt needs 0\.5 of a GPU and runs on cpu here"):
        study.machine.needs.check_here(needs_of([], ["adapt=.5"], [], on_gpu=False), "cpu")
    study.machine.needs.check_here(needs_of([], ["adapt=.5"], [], on_gpu=False), "cuda:1")


def test_workers_of_a_cluster_are_started_for_the_largest_jobs_first() -> None:
    needs = needs_of([], ["pretrain=1"], ["1G", "pretrain=6G"], on_gpu=False)
    left, had = {"pretrain": 2, "adapt": 9}, Counter[str]()
    for _ in range(4):
        had[next_kind(needs, left, had)] += 1
    assert had == {"pretrain": 2, "adapt": 2}
    assert next_kind({}, {"adapt": 1}, {"adapt": 1}) == "adapt"


def test_an_array_is_as_large_as_the_kinds_of_jobs_that_it_is_for(
    small_done: tuple[Plan, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = needs_of(["pretrain=4"], ["pretrain=.5"], ["1G", "pretrain=6G"], on_gpu=False)
    write_plan(tmp_path, PlanFile(jobs=small_done[0].jobs, needs=needs))
    assert slurm(tmp_path, kinds=("adapt", "measure")) == 0
    few = capsys.readouterr().out
    assert "#SBATCH --mem=1024M\n" in few
    assert "gpus-per-task" not in few
    assert few.endswith("--memory 1024M\n")
    assert slurm(tmp_path) == 0
    much = capsys.readouterr().out
    assert {"#SBATCH --mem=6144M", "#SBATCH --cpus-per-task=4", "#SBATCH --gpus-per-task=1"} <= set(
        much.splitlines()
    )
    with pytest.raises(StudyError, match="unknown kind of job 'train'"):
        slurm(tmp_path, kinds=("train",))


@pytest.mark.parametrize(
    "value",
    [{"adapt": {"cpus": -1}}, {"adapt": {"memory": -1}}, {"baking": {}}, {"adapt": {"gpus": "1"}}],
)
def test_needs_in_a_plan_are_numbers_of_a_kind_of_job(value: dict[str, dict[str, object]]) -> None:
    with pytest.raises(ValueError, match="are no numbers of 0 or more of a kind of job"):
        of_json(value)
