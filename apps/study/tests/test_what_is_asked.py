"""What a study is asked beside its scores: tasks met, what was forgotten, looks, runs that diverged."""

from dataclasses import replace

import polars as pl
import pytest
from study.claims.arms import FORGETTING, TRAINED, seen
from study.command_line.arguments import Arguments
from study.config import StudyConfig
from study.errors import StudyError
from study.folder.store import Store
from study.jobs.diverged import as_said, note
from study.measures.forgetting import lost
from study.measures.seen import met_enough
from study.measures.tuned import tuned
from study.plan import make_plan
from study.registry import registered
from study.resolve import resolve
from study.results.collect import collect


def test_every_pretraining_must_have_met_most_of_its_tasks():
    met = {
        "multitask@100": [(100, 100), (80, 100)],
        "reptile@100": [(32, 100), (90, 100)],
        "rl2": [(None, 9)],
    }
    enough, few, unknown = met_enough(met, "level")
    assert (enough.name, enough.holds) == (seen("multitask@100"), True)
    assert (few.holds, few.reason) == (False, "at least 32 of 100, 80 % wanted")
    assert unknown.holds is None


def test_what_was_forgotten_is_the_score_before_minus_after_on_the_same_tasks():
    before = pl.DataFrame(
        {"fold": [0] * 4, "checkpoint": ["m/0"] * 4, "task": list("aabb"), "score": [1.0, 0.5, 1.0, 1.0]}
    )
    run = {"method": "m", "fold": 0, "seed": 0, "checkpoint": "m/0"}
    after = pl.DataFrame(
        [
            {**run, "adapted": new, "task": old, "score": s}
            for new, old, s in (("x", "a", 0.75), ("x", "b", 0.5), ("y", "a", 0.25), ("y", "b", 0.0))
        ]
    )
    assert lost(before, after).select("task", "value").rows() == [("x", 0.25), ("y", 0.75)]


ABLE = {name: kind.capabilities for name, kind in registered().learners.items()}
PPO = ABLE["ppo"]


def test_plain_fine_tuning_is_tuned_only_with_its_three_arms():
    whole = ("multitask", "multitask+critic-warm-up", "multitask+entropy-off", "multitask:encoder")
    assert tuned(whole, 4, PPO).holds is True
    assert tuned((*whole[:3], "multitask+head-reset"), 4, PPO).holds is True
    without = tuned(whole[:2], 0, PPO)
    assert without.holds is False
    assert without.reason == "no tuning trials; no arm with entropy off or head reset"


@pytest.mark.parametrize("learner", ["rainbow", "c2f_arm"])
def test_a_learner_is_asked_for_those_arms_that_it_can_have(learner):
    """Its values are its policy: no critic to warm up, nothing paid for being undecided."""
    assert tuned(("multitask", "multitask+bc"), 4, ABLE[learner]).reason == "no arm with head reset"
    assert tuned(("multitask", "multitask+head-reset"), 4, ABLE[learner]).holds is True


def test_looks_are_a_part_of_what_a_study_is(small):
    config = resolve(Arguments(benchmark="toy", preset="quick", looks=(16, 8)), "quick")
    assert config.looks == (8, 16)
    assert config.identity != replace(config, looks=()).identity
    with pytest.raises(StudyError, match="looks is 1; it must be at least 2"):
        resolve(Arguments(benchmark="toy", preset="quick", looks=(1,)), "quick")


def test_a_run_that_diverged_has_the_lowest_score_where_that_was_said(small):
    plan = make_plan(replace(small, diverged="worst"))
    adaptations = [job for job in plan.jobs if job.kind == "adapt"]
    broken = next(job for job in adaptations if job.parent is None)
    before = next(job for job in plan.jobs if job.kind == "pretrain")
    key = ["method", "fold", "seed", "checkpoint", "task"]
    rows = [
        (job.method, job.fold, job.seed, job.checkpoint, job.spec["task"], step, 0, 0.5)
        for job in adaptations
        for step in (0, 8)
    ]
    curves = pl.DataFrame(rows, schema=[*key, "env_step", "episode", "score"], orient="row")
    lowest = dict.fromkeys(curves["task"], -1.0)
    worst = as_said(curves, replace(small, diverged="worst"), adaptations, [broken, before], lowest)
    assert worst.drop("score").equals(curves.drop("score"))
    mine = worst.filter((pl.col("checkpoint") == broken.checkpoint) & (pl.col("task") == broken.spec["task"]))
    assert mine["score"].to_list() == [0.5, -1.0]  # it had not begun to learn at env step 0
    theirs = worst.filter(pl.col("checkpoint") == before.checkpoint)
    assert len(theirs)
    assert set(theirs["score"]) == {-1.0}
    untouched = worst.filter(~pl.col("checkpoint").is_in([broken.checkpoint, before.checkpoint]))
    assert set(untouched["score"]) <= {0.5}
    assert as_said(curves, small, adaptations, [broken, before], lowest).equals(curves)
    assert "lowest possible score, as was said beforehand" in note(
        replace(small, diverged="worst"), [broken], 9
    )
    with pytest.raises(ValueError, match="give 'as played' or 'worst'"):
        replace(small, diverged="best")


def test_a_study_tells_what_was_met_and_what_was_forgotten(small: StudyConfig, tmp_path, run_plan):
    config = replace(small, evaluation=replace(small.evaluation, forgetting=True))
    plan, store = make_plan(config), Store(tmp_path)
    plain = {job.key for job in make_plan(small).jobs}
    more = [job for job in plan.jobs if job.key not in plain]
    assert {job.spec["measure"] for job in more} == {"forgetting"}  # nothing else is another job
    assert [event.message for event in run_plan(plan, store) if event.what == "failed"] == []
    found = collect(config, plan, store, rerun="").study
    asked = {job.method for job in more}
    assert set(found.cells[FORGETTING]["method"]) == asked
    assert "scratch" not in asked
    arms = set(found.cells[TRAINED]["method"])
    assert {f"random play, {arm}" for arm in arms if not arm.startswith("random")} <= arms
    conditions = {one.name: one for one in found.preconditions}
    method = next(job.method for job in plan.jobs if job.kind == "pretrain")
    assert " of " in conditions[seen(method, config.unit)].reason
