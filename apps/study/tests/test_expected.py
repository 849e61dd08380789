"""What a plan would take: episodes counted without playing, seconds by kind and method, and workers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from study.config import StudyConfig
from study.estimates.amounts import AGENT, Played, plays_of
from study.estimates.estimate import between, by_method, span
from study.estimates.expected import Expected, expected, lengths, makespan_s
from study.estimates.measuring import Measured, players, trainings
from study.estimates.playing import Playing
from study.plan import Job, make_plan
from study.presets import rlbench
from study.registry import registered


def job(number: int, parent: Job | None = None) -> Job:
    spec = {"number": number}
    return Job(kind="adapt" if parent else "pretrain", spec=spec, method="m", fold=0, seed=0, parent=parent)


def test_what_every_kind_of_job_plays_is_counted_without_playing(small: StudyConfig) -> None:
    config = replace(small, methods=("scratch", "multitask", "rl2"))
    of = {(j.kind, j.method, j.spec.get("measure")): plays_of(j) for j in make_plan(config).jobs}
    asked, snapshots = config.evaluation, len(config.snapshots)

    def played(player: str, episodes: int) -> Played:
        slots = min(asked.num_envs, episodes)
        return Played(player=player, episodes=episodes, slots=slots, max_steps=asked.max_steps)

    assert of["baseline", "random", None] == {played("random", asked.episodes): 1}
    assert of["adapt", "scratch", None] == {played(AGENT, asked.episodes): snapshots}
    assert of["pretrain", "multitask", None] == {}
    tasks = asked.training_tasks * asked.training_episodes  # the agent and random play, on each of them
    assert of["measure", "multitask", "training-return"] == {
        played(AGENT, tasks): 1,
        played("random", tasks): 1,
    }
    lifetimes = of["measure", "rl2", "training-return"]
    trials = {one.player: one.trials for one in lifetimes}
    assert trials == {AGENT: config.settings["rl2"].config["trials"], "random": trials["random"]}
    assert all(one.episodes == tasks for one in lifetimes)


def test_an_agent_that_infers_is_counted_with_each_of_its_latents() -> None:
    jobs = make_plan(replace(rlbench.QUICK, seeds=1)).jobs
    (episodes,) = {
        sum(played.episodes * times for played, times in plays_of(job).items())
        for job in jobs
        if job.spec.get("measure") == "latents"
    }
    assert episodes == 3 * rlbench.QUICK.evaluation.episodes  # its own, another task's, zero


def test_a_slot_plays_its_share_of_the_episodes_one_after_the_other() -> None:
    assert Played(player=AGENT, episodes=10, slots=4, max_steps=9).rounds == 3
    assert Played(player=AGENT, episodes=10, slots=4, trials=4, max_steps=9).rounds == 12


@pytest.mark.parametrize("benchmark", ["toy", "procgen", "atari"])
def test_no_measure_of_a_preset_is_beyond_counting(benchmark: str) -> None:
    config = replace(registered().benchmarks[benchmark].presets["quick"], seeds=1)
    counted = {j.spec["measure"]: plays_of(j) for j in make_plan(config).jobs if j.kind == "measure"}
    assert counted
    for plays in counted.values():
        assert sum(played.episodes * times for played, times in plays.items()) >= 2, counted


# Episodes of ten steps on average; a step of a slot takes 1 ms, and .01 ms more for each further one.
SEEN = Playing(begin_s=0.5, row_s=1e-3, more_s=1e-5, shortest=10.0, longest=18, ended=True)


def test_seconds_follow_from_env_steps_and_the_steps_of_episodes(small: StudyConfig) -> None:
    plan = make_plan(replace(small, methods=("scratch", "multitask:none")))
    asked = small.evaluation
    speed = Measured(steps_per_s=100.0, begin_s=2.0, playing=SEEN)
    found = dict.fromkeys(trainings(plan.jobs), speed)
    found |= dict.fromkeys(players(plan.jobs), Measured(playing=replace(SEEN, shortest=15.0)))
    takes = expected(plan.jobs, found)
    slots = min(asked.num_envs, asked.episodes)
    rounds, row_s = -(-asked.episodes // slots), 1e-3 + (slots - 1) * 1e-5
    begin_s, played = 0.5 * asked.episodes, len(small.snapshots)
    for one in plan.jobs:
        if one.method == "scratch":
            assert takes[one.key].train_s == small.adapt.env_steps / 100
            assert takes[one.key].begin_s == 2.0
            assert takes[one.key].play_s == pytest.approx(played * (begin_s + rounds * 10 * row_s))
            most = played * (begin_s + rounds * asked.max_steps * row_s)
            assert takes[one.key].most_play_s == pytest.approx(most)
        if one.kind == "adapt" and one.method == "multitask:none":  # nothing is learned
            assert takes[one.key].train_s == 0.0
        if one.kind == "baseline":  # its episodes were seen to their end
            assert takes[one.key].seconds == pytest.approx(begin_s + rounds * 15 * row_s)
            assert takes[one.key].most_s == pytest.approx(begin_s + rounds * 18 * row_s)


def test_an_agents_episodes_may_be_as_short_as_a_scripts_and_as_long_as_is_allowed() -> None:
    asked = Played(player=AGENT, episodes=8, slots=8, max_steps=1000)
    beginner = Playing(shortest=400.0, longest=600)
    assert lengths([beginner, SEEN], asked) == (10.0, 1000)
    assert lengths([beginner], asked) == (400.0, 1000)
    assert lengths([SEEN], asked) == (10.0, 18)  # of one player all was seen
    three = Playing(shortest=3.0, longest=3, ended=True, fixed=True)
    assert lengths([three, three], asked) == (3.0, 3.0)  # a game that always ends after three steps
    assert lengths([three, SEEN], asked) == (3.0, 1000)
    assert lengths([replace(beginner, shortest=2e4)], asked) == (1000, 1000)


def test_what_agents_played_lies_between_what_was_said() -> None:
    """Procgen's quick preset, a pretraining of 65,536 env steps, one held-out level; processor seconds."""
    record = json.loads((Path(__file__).parent / "records" / "procgen-playing.json").read_text())
    preset = registered().benchmarks["procgen"].presets["quick"]
    config = replace(
        preset,
        seeds=1,
        held_out=preset.held_out[:1],
        methods=("scratch", "multitask"),
        pretrain=replace(preset.pretrain, env_steps=65_536),
    )
    jobs = make_plan(config).jobs
    found = {}
    for row in record["said"]:
        work = row.pop("kind"), row.pop("learner"), row.pop("does")
        playing = row.pop("playing", None)
        found[work] = Measured(**row, playing=Playing(**playing) if playing else None)
    takes = {(job.kind, job.method, job.spec.get("measure", "")): job for job in jobs}
    said = expected(jobs, found)
    least_s = most_s = took_s = 0.0
    for kind, method, measure, train_s, play_s in record["took"]:
        one = said[takes[kind, method, measure].key]
        assert one.play_s <= play_s <= one.most_play_s, (kind, method, measure)
        assert one.train_s == pytest.approx(train_s, rel=0.2)
        least_s, most_s, took_s = least_s + one.seconds, most_s + one.most_s, took_s + train_s + play_s
    assert (least_s, took_s, most_s) == pytest.approx((81.6, 102.6, 138.2), rel=0.03)


def test_two_durations_that_hardly_differ_are_one() -> None:
    assert between(100.0, 105.0) == "about 1 min 45 s"
    assert between(2.0, 60.0) == "2.0 s to 1 min 0 s"
    assert span(100.0, 105.0) == "1.8 min"
    assert span(2.0, 60.0) == "2.0-60 s"
    assert span(0.01, 0.04) == "0.0 s"
    assert span(4000.0, 50_000.0) == "1.1-14 h"


def test_processor_seconds_are_those_of_the_work_that_was_measured(small: StudyConfig) -> None:
    plan = make_plan(replace(small, methods=("scratch", "multitask")))
    groups, played = trainings(plan.jobs), players(plan.jobs)
    shares = {"pretrain": 0.25, "adapt": 0.5}
    found = {work: Measured(steps_per_s=100.0, playing=SEEN, busy_frac=shares[work[0]]) for work in groups}
    takes = expected(plan.jobs, found | dict.fromkeys(played, Measured(playing=SEEN, busy_frac=1.0)))
    busy = {one.kind: takes[one.key].busy_frac for one in plan.jobs}
    assert busy["pretrain"] == 0.25
    assert busy["adapt"] == 0.5
    assert busy["baseline"] == 1.0


def test_the_points_of_a_grid_are_one_line() -> None:
    config = replace(registered().benchmarks["procgen"].presets["small"], on_validation=True, seeds=1)
    jobs = make_plan(config).jobs
    takes = {one.key: Expected(train_s=1.0, play_s=0.0, most_play_s=0.0) for one in jobs}
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
    assert makespan_s(jobs, seconds, 1) == 22.0
    assert makespan_s(jobs, seconds, 2) == 15.0  # the parent, then both children side by side
    assert makespan_s(jobs, seconds, 9) == 15.0
    assert makespan_s(children, seconds, 1) == 8.0  # of parents that are finished nothing is left
