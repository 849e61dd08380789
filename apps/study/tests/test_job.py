"""What a job keeps of its training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from fvm_envs.toy.env import CatchVec
from study.claims.arms import spoken
from study.config import StudyConfig
from study.engines import Event, Schedule
from study.engines.schedule import RunOptions
from study.engines.worker import take_jobs
from study.folder.store import Store
from study.jobs.evaluation import Stopped
from study.jobs.job import Progress, run_job
from study.jobs.online import MetricCurves
from study.measures.posteriors import not_collapsed, posterior_note, posteriors
from study.plan import Plan, make_plan


def test_metrics_are_means_over_bins_of_env_steps() -> None:
    curves = MetricCurves(budget=1_000)
    curves.add(8, {"loss": 1.0})
    curves.add(10, {"loss": 3.0, "posterior_kl": 0.5})
    curves.add(1_000, {"loss": 5.0})
    assert curves.table().rows() == [("loss", 10, 2.0), ("loss", 1_000, 5.0), ("posterior_kl", 10, 0.5)]


def test_a_job_tells_how_far_an_evaluation_is(
    small: StudyConfig, small_done: tuple[Plan, Store], tmp_path: Path
) -> None:
    job = next(job for job in small_done[0].jobs if job.method == "scratch")
    (tmp_path / "jobs").mkdir()
    told: list[Progress] = []
    store = Store(tmp_path)
    for _ in run_job(job, store, device="cpu", checkpoint_every_s=1e9, tell=told.append):
        pass
    assert {progress.doing for progress in told} == {"evaluating"}
    for env_step in job.spec["at"]:
        parts = [progress.part for progress in told if progress.env_step == env_step]
        assert (parts[0], parts[-1]) == (0.0, 1.0)
        assert parts == sorted(parts)
    assert store.read(job, "episodes.parquet") == small_done[1].read(job, "episodes.parquet")


def test_a_job_on_envs_that_cannot_save_their_state_keeps_no_checkpoint_and_ends(
    small: StudyConfig, small_done: tuple[Plan, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As RLBench's in CoppeliaSim. A checkpoint is due at every moment; one that is stopped begins anew."""

    def no_state(envs: CatchVec) -> dict[str, object]:
        raise NotImplementedError("cannot save its state")

    monkeypatch.setattr(CatchVec, "saves_state", False)
    monkeypatch.setattr(CatchVec, "own_state", no_state)
    job = next(job for job in small_done[0].jobs if job.method == "scratch")
    (tmp_path / "jobs").mkdir()
    store = Store(tmp_path)
    stopped = run_job(job, store, device="cpu", checkpoint_every_s=0)
    next(stopped)
    stopped.close()
    assert store.load_checkpoint(job) is None
    for _ in run_job(job, store, device="cpu", checkpoint_every_s=0):
        pass
    assert store.read(job, "episodes.parquet") == small_done[1].read(job, "episodes.parquet")


@pytest.mark.parametrize("kept", ["small", "small_rainbow"])
def test_a_job_stopped_within_each_evaluation_plays_it_again_and_gives_the_same_bytes(
    kept: str,
    request: pytest.FixtureRequest,
    run_plan: Callable[[Plan, Store], list[Event]],
    same_results: Callable[[Path, Path], None],
    tmp_path: Path,
) -> None:
    config = replace(request.getfixturevalue(kept), held_out=(84,))
    if kept == "small":
        config = replace(config, methods=("scratch", "rl2"))
    plan, reference, store = make_plan(config), Store(tmp_path / "reference"), Store(tmp_path / "stopped")
    assert [event.message for event in run_plan(plan, reference) if event.what == "failed"] == []
    (store.root / "jobs").mkdir(parents=True)
    for job in plan.jobs:
        stops = 0
        seen: set[int] = set()

        def stop_halfway(progress: Progress, seen: set[int] = seen) -> None:
            if progress.part >= 0.5 and progress.env_step not in seen:
                seen.add(progress.env_step)
                raise Stopped

        while not store.done(job):
            try:
                list(run_job(job, store, device="cpu", checkpoint_every_s=1e9, tell=stop_halfway))
            except Stopped:
                stops += 1
        assert stops == len(job.spec["at"] if job.kind == "adapt" else seen)
    same_results(reference.root, store.root)


def test_a_worker_that_is_to_stop_does_not_wait_for_an_evaluation(small: StudyConfig, tmp_path: Path) -> None:
    slow = replace(small, methods=("scratch",), evaluation=replace(small.evaluation, episodes=1_000_000))
    job = next(job for job in make_plan(slow).jobs if job.kind == "adapt")
    (tmp_path / "jobs").mkdir()
    store, heard = Store(tmp_path), list[Event]()
    options = RunOptions("cpu", 1e9)
    events = take_jobs(Schedule([job], store), options, lambda: len(heard) > 1, hear=heard.append)
    assert [event.what for event in events] == ["started"]
    assert {event.doing for event in heard} == {"evaluating"}
    assert 0.0 == heard[0].part < heard[-1].part < 0.1  # the bar moves
    assert not list((tmp_path / "running").glob("*.lease"))
    saved = store.load_checkpoint(job)
    assert saved is not None
    assert saved["unfinished"]["env_step"] == 0


def test_a_job_keeps_its_metrics_and_a_report_says_what_pearls_posteriors_are_worth(
    small_rainbow: StudyConfig, run_plan: Callable[[Plan, Store], list[Event]], tmp_path: Path
) -> None:
    short = replace(
        small_rainbow,
        methods=("multitask", "pearl"),
        held_out=(84,),
        pretrain=replace(small_rainbow.pretrain, env_steps=256),
        adapt=replace(small_rainbow.adapt, env_steps=64),
    )
    plan, store = make_plan(short), Store(tmp_path / "study")
    assert [event.message for event in run_plan(plan, store) if event.what == "failed"] == []
    multitask, pearl = (job for job in plan.jobs if job.kind == "pretrain")
    assert "posterior_kl" not in store.table([multitask], "metrics")["metric"]
    kl = store.table([pearl], "metrics").filter(metric="posterior_kl")["value"]
    assert (kl > 0).all()
    last_tenth = store.table([pearl], "metrics").filter(
        pl.col("metric") == "posterior_kl", pl.col("env_step") > 230
    )
    nats = posteriors([multitask, pearl], store)
    assert nats == {"pearl": [pytest.approx(last_tenth["value"].mean())]}
    assert f"PEARL {nats['pearl'][0]:.2f}" in posterior_note(nats, "level")
    (told,) = not_collapsed({"pearl": [0.5, 0.2]}, "level")
    (silent,) = not_collapsed({"pearl": [0.5, 0.02]}, "level")
    assert (told.holds, silent.holds) == (True, False)
    assert told.name == spoken("pearl")
    assert posterior_note(posteriors([multitask], store), "level") == ""
