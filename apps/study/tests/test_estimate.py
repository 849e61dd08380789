"""What a study would take, where replays fill up and envs cannot be saved at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import study.estimates.estimate
import study.estimates.measuring
from rich.console import Console
from study.config import StudyConfig
from study.errors import StudyError
from study.estimates.measuring import Measured
from study.estimates.playing import Playing
from study.plan import Job, make_plan
from study.registry import registered


def rare(config: StudyConfig) -> StudyConfig:
    """The study on envs that can be saved every 64 steps only, with an agent that begins to learn late."""
    pretrain = replace(config.pretrain, learner=replace(config.pretrain.learner, learn_start=150))
    return replace(
        config,
        methods=("multitask", "pearl"),
        pretrain=replace(pretrain, restart_every=64),
        adapt=replace(config.adapt, restart_every=64),
    )


def test_a_measured_iteration_of_rainbow_has_updates_and_needs_no_state_of_its_envs(
    small_rainbow: StudyConfig,
) -> None:
    config = rare(small_rainbow).pretrain.learner
    num_envs = small_rainbow.pretrain.num_envs
    as_measured = registered().learners["rainbow"].as_measured
    assert as_measured(config, num_envs, learns=True).learn_start <= config.num_steps * num_envs // 2
    as_measured = registered().learners["rainbow"].as_measured
    assert as_measured(config, num_envs, learns=False).learn_start == config.replay_capacity
    for job in make_plan(rare(small_rainbow)).jobs:
        if job.kind == "pretrain":
            measured = study.estimates.measuring._measure(job, "cpu", 0.05)
            assert measured.steps_per_s > 0
            assert measured.checkpoint_bytes > measured.weights_bytes
            assert 0 < measured.busy_frac <= 1


def test_a_context_counts_as_play_and_zero_shot_as_nothing(small_rainbow: StudyConfig) -> None:
    methods = ("multitask", "multitask:none", "pearl", "pearl:both")
    groups = study.estimates.measuring.trainings(make_plan(replace(small_rainbow, methods=methods)).jobs)
    kinds = {(kind, does): {job.method for job in jobs} for (kind, _, does), jobs in groups.items()}
    assert kinds["adapt", "acts"] == {"pearl"}
    assert kinds["adapt", ""] == {"multitask:none"}


def test_replays_that_do_not_fit_are_refused_before_the_study_starts(
    small_rainbow: StudyConfig, small: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_plan(small_rainbow).jobs
    study.estimates.estimate.check_memory(jobs, "cpu", workers=2)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=100_000))
    with pytest.raises(StudyError, match=r"replays of 2 jobs at a time.*fewer --workers"):
        study.estimates.estimate.check_memory(jobs, "cpu", workers=2)
    study.estimates.estimate.check_memory(make_plan(small).jobs, "cpu", workers=2)  # PPO has none


def test_what_is_finished_already_takes_nothing(small: StudyConfig, tmp_path: Path) -> None:
    plan, out = make_plan(small), StringIO()
    finished = {job.key for job in plan.jobs}
    console = Console(file=out, width=200)
    study.estimates.estimate.show(console, small, plan, None, tmp_path, "cpu", 1, finished)
    jobs = len(plan.jobs)
    assert f"{jobs} of {jobs} jobs are finished in {tmp_path} or --cache" in out.getvalue()
    assert "nothing is left to run" in out.getvalue()


@pytest.mark.parametrize(
    ("left", "sized"), [(("measure",), True), (("pretrain", "measure"), True), (("baseline",), False)]
)
def test_measures_are_estimated_where_all_trainings_have_run(
    small: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: tuple[str, ...], sized: bool
) -> None:
    playing = Playing(begin_s=0.0, row_s=10.0, shortest=12, longest=12, ended=True, fixed=True)
    asked: list[str] = []

    def measured(jobs: Sequence[Job], device: str, workers: int) -> tuple[list[Measured], float]:
        asked.extend(job.kind for job in jobs)
        one = Measured(steps_per_s=1e6, playing=playing, memory_bytes=10**9)
        return [replace(one, playing=None) if job.kind == "pretrain" else one for job in jobs], 0.0

    monkeypatch.setattr(study.estimates.estimate, "measure", measured)
    plan, out = make_plan(small), StringIO()
    finished = {job.key for job in plan.jobs if job.kind not in left}
    console = Console(file=out, width=200)
    study.estimates.estimate.show(console, small, plan, None, tmp_path, "cpu", 1, finished)
    assert asked.count("adapt") == ("measure" in left)
    assert ("memory" in out.getvalue()) == sized
    assert "=0M" not in out.getvalue()
    if "measure" in left:
        assert "measure=1216M" in out.getvalue()
        row = next(line for line in out.getvalue().splitlines() if "measure training-return" in line)
        assert row.split()[-3:-1] == ["4.0", "min"]  # its and random play, 12 steps of 10 s each
