"""What a job keeps of its training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from study.claims.arms import spoken
from study.config import StudyConfig
from study.engines import Event
from study.job import Progress, run_job
from study.measures.posteriors import not_collapsed, posterior_note, posteriors
from study.online import MetricCurves
from study.plan import Plan, make_plan
from study.store import Store


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
