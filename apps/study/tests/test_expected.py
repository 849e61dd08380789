"""What a plan would take: episodes counted without playing, seconds by kind and method, and workers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from study.config import StudyConfig
from study.estimates.amounts import AGENT, episodes_of
from study.estimates.estimate import by_method
from study.estimates.expected import Expected, expected, makespan_s
from study.estimates.measuring import Measured, players, trainings
from study.plan import Job, make_plan
from study.registry import registered


def job(number: int, parent: Job | None = None) -> Job:
    spec = {"number": number}
    return Job(kind="adapt" if parent else "pretrain", spec=spec, method="m", fold=0, seed=0, parent=parent)


def test_episodes_of_every_kind_of_job_are_counted_without_playing(small: StudyConfig) -> None:
    config = replace(small, methods=("scratch", "multitask", "rl2"))
    of = {(j.kind, j.method, j.spec.get("measure")): episodes_of(j) for j in make_plan(config).jobs}
    asked, snapshots = config.evaluation, len(config.snapshots)
    assert of["baseline", "random", None] == {"random": asked.episodes}
    assert of["adapt", "scratch", None] == {AGENT: snapshots * asked.episodes}
    assert of["pretrain", "multitask", None] == {}
    tasks = asked.training_tasks * asked.training_episodes  # the agent and random play, on each of them
    assert of["measure", "multitask", "training-return"] == {AGENT: tasks, "random": tasks}


@pytest.mark.parametrize("benchmark", ["toy", "procgen", "atari"])
def test_no_measure_of_a_preset_is_beyond_counting(benchmark: str) -> None:
    config = replace(registered().benchmarks[benchmark].presets["quick"], seeds=1)
    counted = {j.spec["measure"]: episodes_of(j) for j in make_plan(config).jobs if j.kind == "measure"}
    assert counted
    assert all(episodes.total() >= 2 for episodes in counted.values()), counted


def test_seconds_follow_from_env_steps_and_episodes(small: StudyConfig) -> None:
    plan = make_plan(replace(small, methods=("scratch", "multitask:none")))
    speed = Measured(steps_per_s=100.0, episode_s=0.5)
    found = dict.fromkeys(trainings(plan.jobs), speed) | dict.fromkeys(
        players(plan.jobs), Measured(episode_s=0.1)
    )
    takes = expected(plan.jobs, found)
    played = small.evaluation.episodes * len(small.snapshots)
    for one in plan.jobs:
        if one.method == "scratch":
            assert takes[one.key] == Expected(train_s=small.adapt.env_steps / 100, play_s=played * 0.5)
        if one.kind == "adapt" and one.method == "multitask:none":  # nothing is learned
            assert takes[one.key].train_s == 0.0
        if one.kind == "baseline":
            assert takes[one.key].seconds == pytest.approx(small.evaluation.episodes * 0.1)


def test_processor_seconds_are_those_of_the_work_that_was_measured(small: StudyConfig) -> None:
    plan = make_plan(replace(small, methods=("scratch", "multitask")))
    groups, played = trainings(plan.jobs), players(plan.jobs)
    shares = {"pretrain": 0.25, "adapt": 0.5}
    found = {work: Measured(steps_per_s=100.0, episode_s=1.0, busy_frac=shares[work[0]]) for work in groups}
    takes = expected(plan.jobs, found | dict.fromkeys(played, Measured(episode_s=2.0, busy_frac=1.0)))
    for one in plan.jobs:
        if one.kind in shares:
            assert takes[one.key].processor_s == pytest.approx(takes[one.key].seconds * shares[one.kind])
        if one.kind == "baseline":
            assert takes[one.key].processor_s == pytest.approx(small.evaluation.episodes * 2.0)


def test_the_points_of_a_grid_are_one_line() -> None:
    config = replace(registered().benchmarks["procgen"].presets["small"], on_validation=True, seeds=1)
    jobs = make_plan(config).jobs
    takes = {one.key: Expected(train_s=1.0, play_s=0.0) for one in jobs}
    table = by_method(jobs, takes)
    listed = [str(cell) for cell in table.columns[1].cells]
    assert len(listed) == len(set(listed))
    assert "adapt multitask:gradient+head-reset" in listed
    numbers = [int(str(cell)) for cell in table.columns[0].cells]
    assert sum(numbers) == len(jobs)
    points = len(config.grid["adapt.learning_rate"]) * len(config.grid["adapt.entropy_coef"])
    assert numbers[listed.index("adapt multitask")] == points * len(config.validation)


def test_a_child_waits_for_its_parent_and_workers_share() -> None:
    parent, alone = job(0), job(1)
    children = [job(2, parent), job(3, parent)]
    jobs = [parent, alone, *children]
    seconds = dict(zip([j.key for j in jobs], [10.0, 4.0, 3.0, 5.0], strict=True))
    takes = {key: Expected(train_s=s, play_s=0.0) for key, s in seconds.items()}
    assert makespan_s(jobs, takes, 1) == 22.0
    assert makespan_s(jobs, takes, 2) == 15.0  # the parent, then both children side by side
    assert makespan_s(jobs, takes, 9) == 15.0
    assert makespan_s(children, takes, 1) == 8.0  # of parents that are finished nothing is left
