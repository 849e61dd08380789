"""Planted violations, each of a rule that must not hold then; what a table alone would let pass."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from fvm_eval import Budget, Ledger
from fvm_eval.analysis import analyse
from fvm_eval.claims import Look
from fvm_eval.fairness import RULES, LeakAudit
from planting import (
    best_brought_back,
    best_of_both_halves,
    crossed,
    cut_short_and_planned,
    demos_by_plan,
    episodes,
    fold_with,
    looked_at_with,
    looked_only_at,
    no_longer_tested,
    only,
    planned,
    rival_cut_short_by_plan,
    running_maximum,
    seed_1_from_0,
    shuffled,
    spending,
    taken_from_scratch,
    tuned,
    with_claim,
    without,
)


@pytest.fixture(scope="module")
def study(synthetic):
    return synthetic(seeds=2, tasks=2)


def first_point(study):
    return (pl.col("seed") == 0) & (pl.col("task") == study.tasks[0]) & (pl.col("env_step") == 0)


def answers(study):
    return {check.rule: check.status for check in analyse(study).checks}


# What was done, which rule must not hold, and how; every one is a study that a table alone would let pass.
VIOLATIONS = {
    "no estimand": (1, lambda s: replace(s, estimand=" ")),
    "one seed: no interval": (1, lambda s: episodes(s, lambda t: only(t, seed=0))),
    "one task: nothing known of others": (
        1,
        lambda s: episodes(s, lambda t: only(t, task=s.tasks[0])),
    ),
    "no split": (2, lambda s: replace(s, folds={})),
    "a split changed after training": (2, lambda s: fold_with(s, validation=())),
    "no hash from before": (2, lambda s: replace(s, recorded_splits=[])),
    "a task that no fold holds out": (
        2,
        lambda s: fold_with(s, held_out=s.folds["fixed"].held_out[:1]),
    ),
    "no tuning ledger": (2, lambda s: replace(s, tuning=None)),
    "a method without tuning": (2, lambda s: replace(s, tuning=without(s.tuning, method="scratch"))),
    "more trials for one method": (
        2,
        lambda s: replace(s, tuning=pl.concat([s.tuning, only(s.tuning, method="multitask")])),
    ),
    "as many trials, longer ones": (
        2,
        lambda s: replace(
            s,
            tuning=s.tuning.with_columns(
                env_steps=pl.when(pl.col("method") == "multitask").then(9000).otherwise(5000)
            ),
        ),
    ),
    "no audit": (3, lambda s: replace(s, leak_audit=None)),
    "an audit of 0 against 0": (3, lambda s: replace(s, leak_audit=LeakAudit(0, 0, (), "entities"))),
    "an audit against nothing": (3, lambda s: replace(s, leak_audit=LeakAudit(9, 0, (), "entities"))),
    "an audit of some tasks": (3, lambda s: replace(s, leak_audit=LeakAudit(1, 100, (), "entities"))),
    "an audit that does not say how": (3, lambda s: replace(s, leak_audit=LeakAudit(9, 100, (), ""))),
    "a leaked task kept": (
        3,
        lambda s: replace(s, leak_audit=LeakAudit(9, 100, (s.tasks[0],), "entities")),
    ),
    "no budget": (4, lambda s: replace(s, budget=None)),
    "no ledger": (4, lambda s: replace(s, spending=None)),
    "a method without ledgers": (
        4,
        lambda s: replace(s, spending=without(s.spending, method="scratch")),
    ),
    "one run without a ledger": (4, lambda s: replace(s, spending=s.spending[1:])),
    "all ledgers at twice the budget": (
        4,
        lambda s: replace(s, spending=s.spending.with_columns(env_steps=pl.lit(80_000))),
    ),
    "one method over its budget": (4, lambda s: spending(s, "multitask", env_steps=40_001)),
    "the rival cut short": (4, lambda s: spending(s, "scratch", env_steps=20_000)),
    "demos for one method": (4, lambda s: spending(s, "multitask", demos=3)),
    "env steps that are unknown": (4, lambda s: spending(s, "multitask", env_steps=None)),
    "a negative ledger": (4, lambda s: spending(s, "multitask", env_steps=-1)),
    "two ledgers for a run": (4, lambda s: replace(s, spending=pl.concat([s.spending] * 2))),
    "budgets that differ": (
        4,
        lambda s: replace(s, ledgers={**s.ledgers, "scratch": Ledger(Budget(20_000))}),
    ),
    "fewer steps, and no plan of it": (
        4,
        lambda s: replace(spending(s, "scratch", env_steps=9), plan=s.plan.drop("spends")),
    ),
    "evaluated beyond the budget": (4, lambda s: replace(s, budget=Budget(30_000))),
    "no baselines": (5, lambda s: replace(s, baselines=None)),
    "no random play": (5, lambda s: replace(s, baselines=without(s.baselines, baseline="random"))),
    "no script": (5, lambda s: replace(s, baselines=without(s.baselines, baseline="script"))),
    "a perfect script": (
        5,
        lambda s: replace(
            s,
            baselines=s.baselines.with_columns(
                score=pl.when(pl.col("baseline") == "script").then(10.0).otherwise(pl.col("score"))
            ),
        ),
    ),
    "random play perfect": (
        5,
        lambda s: replace(
            s,
            baselines=s.baselines.with_columns(
                score=pl.when(pl.col("baseline") == "random").then(10.0).otherwise(pl.col("score"))
            ),
        ),
    ),
    "no known best": (5, lambda s: replace(s, score_ranges=None)),
    "no zero-shot": (5, lambda s: episodes(s, lambda t: t.filter(pl.col("env_step") > 0))),
    "no online return": (6, lambda s: replace(s, online=None)),
    "online return of one method": (6, lambda s: replace(s, online=only(s.online, method="scratch"))),
    "one point a run": (6, lambda s: episodes(s, lambda t: only(t, env_step=40_000))),
    "a snapshot left out for one method": (
        6,
        lambda s: episodes(s, lambda t: without(t, method="scratch", env_step=20_000)),
    ),
    "a snapshot left out everywhere": (
        6,
        lambda s: episodes(s, lambda t: without(t, env_step=20_000)),
    ),
    "the better half of the episodes, renumbered": (
        7,
        lambda s: episodes(s, best_of_both_halves),
    ),
    "an episode dropped": (7, lambda s: episodes(s, lambda t: t[1:])),
    "an episode number dropped everywhere": (
        7,
        lambda s: episodes(s, lambda t: without(t, episode=3)),
    ),
    "the last episode dropped everywhere": (
        7,
        lambda s: episodes(s, lambda t: without(t, episode=19)),
    ),
    "a running maximum as the score": (8, lambda s: episodes(s, running_maximum)),
    "compared before the budget's end": (
        8,
        lambda s: replace(s, budget=Budget(30_000), episodes=without(s.episodes, env_step=40_000)),
    ),
    "a seed dropped everywhere": (9, lambda s: episodes(s, lambda t: without(t, seed=1))),
    "a task dropped everywhere": (9, lambda s: episodes(s, lambda t: without(t, task=s.tasks[0]))),
    "a failed run dropped": (
        9,
        lambda s: episodes(s, lambda t: without(t, method="scratch", seed=1)),
    ),
    "a method dropped": (
        9,
        lambda s: replace(s, comparisons=(), episodes=without(s.episodes, method="scratch")),
    ),
    "runs that nobody planned": (
        9,
        lambda s: replace(s, plan=without(s.plan, seed=1)),
    ),
    "a failed checkpoint replaced by a new one": (
        9,
        lambda s: episodes(
            s,
            lambda t: t.with_columns(
                checkpoint=pl.when(pl.col("seed") == 1)
                .then(pl.format("{} again", "checkpoint"))
                .otherwise(pl.col("checkpoint"))
            ),
        ),
    ),
    "a seed out of table and plan, whose envs counted steps": (
        9,
        lambda s: replace(s, episodes=without(s.episodes, seed=1), plan=without(s.plan, seed=1)),
    ),
    "a method out of table and plan, whose envs counted steps": (
        9,
        lambda s: replace(
            s,
            comparisons=(),
            episodes=without(s.episodes, method="scratch"),
            plan=without(s.plan, method="scratch"),
        ),
    ),
    "a seed's episodes copied from another": (9, lambda s: episodes(s, seed_1_from_0)),
    "baselines on one task": (5, lambda s: replace(s, baselines=only(s.baselines, task=s.tasks[0]))),
    "the script on one task": (
        5,
        lambda s: replace(
            s, baselines=s.baselines.filter((pl.col("baseline") == "random") | (pl.col("task") == s.tasks[0]))
        ),
    ),
    "a baseline that is no number": (
        5,
        lambda s: replace(s, baselines=s.baselines.with_columns(score=pl.lit(np.nan))),
    ),
    "online return of one seed": (6, lambda s: replace(s, online=only(s.online, seed=0))),
    "online return of one task": (6, lambda s: replace(s, online=only(s.online, task=s.tasks[0]))),
    "demos below 0": (4, lambda s: spending(s, "multitask", demos=-1)),
    "tuning without a count": (2, lambda s: tuned(s, env_steps=pl.lit(None, pl.Int64))),
    "tuning below 0": (2, lambda s: tuned(s, env_steps=pl.lit(-5000))),
    "tuning that is no number": (2, lambda s: tuned(s, env_steps=pl.lit(np.nan))),
    "tuned on a held-out task": (2, lambda s: tuned(s, tasks=pl.lit([s.tasks[0]]))),
    "tuned nobody says on what": (2, lambda s: replace(s, tuning=s.tuning.drop("tasks"))),
    "a method tuned and not shown": (
        2,
        lambda s: replace(
            s,
            tuning=pl.concat([s.tuning, only(s.tuning, method="scratch").with_columns(method=pl.lit("x"))]),
        ),
    ),
    "tested on what the own split trains on": (2, lambda s: crossed(s, {0: "b", 1: "a"})),
    "splits that cross, and no plan of them": (2, lambda s: crossed(s, None)),
    "a split that nobody handed in": (2, lambda s: crossed(s, {0: "a", 1: "c"})),
    "a rival's runs under the name of another method": (9, lambda s: episodes(s, taken_from_scratch)),
    "one pretraining for all seeds": (9, lambda s: replace(s, pretraining=only(s.pretraining, seed=0))),
    "a held-out task out of table, plan and ledger": (9, no_longer_tested),
    "a rival cut short by the plan": (4, rival_cut_short_by_plan),
    "a rival that learned from fewer steps, on which the plan is silent": (
        4,
        lambda s: planned(spending(s, "scratch", env_steps=20_000), spends=pl.lit(None, pl.Int64)),
    ),
    "demos for one method, by the plan": (4, demos_by_plan),
    "evaluated at other env steps": (
        6,
        lambda s: episodes(
            s,
            lambda t: t.with_columns(
                env_step=pl.when((pl.col("method") == "scratch") & (pl.col("env_step") == 20_000))
                .then(25_000)
                .otherwise(pl.col("env_step"))
            ),
        ),
    ),
    "fewer evaluation episodes for one method, by the plan": (
        7,
        lambda s: replace(
            planned(s, episodes=pl.when(pl.col("method") == "scratch").then(5).otherwise(20)),
            episodes=s.episodes.filter((pl.col("method") != "scratch") | (pl.col("episode") < 5)),
        ),
    ),
    "fewer episodes of one run before the budget, by the plan": (
        7,
        lambda s: replace(
            planned(s, episodes=pl.when(first_point(s)).then(5).otherwise(20)),
            episodes=s.episodes.filter(~first_point(s) | (pl.col("episode") < 5)),
        ),
    ),
    "a rival whose split trains on what is held out": (
        2,
        lambda s: replace(
            crossed(s, {0: "a", 1: "b"}),
            plan=s.plan.with_columns(split=pl.when(pl.col("method") == "multitask").then(pl.lit("b"))),
        ),
    ),
    "tuned on a held-out task, named as a text": (2, lambda s: tuned(s, tasks=pl.lit(s.tasks[0]))),
    "an audit against some of the training tasks": (
        3,
        lambda s: replace(s, leak_audit=LeakAudit(9, 1, (), "entities")),
    ),
    "a margin that changed after a look": (10, lambda s: looked_at_with(s, 0.2)),
    "a look at other runs": (
        10,
        lambda s: replace(planned(s, key=pl.col("checkpoint")), looks=[Look("x", 2, True)]),
    ),
    "a look that only says it was planned": (10, lambda s: replace(s, planned_looks=(8, 16))),
    "decided from two checkpoints, by a claim that asks for no more": (
        10,
        lambda s: replace(
            with_claim(s, min_checkpoints=2),
            score_ranges=None,
            episodes=s.episodes.with_columns(pl.col("score") + 100.0 * (pl.col("method") == "multitask")),
        ),
    ),
    "a look at claims of another margin": (10, lambda s: looked_only_at(s, margin=0.2)),
    "a look at claims of fewer checkpoints": (10, lambda s: looked_only_at(s, min_checkpoints=2)),
    "two looks that count as planned, and none was": (
        10,
        lambda s: replace(s, looks=[Look("x", 1, True), *s.looks]),
    ),
    "a plan without numbers of episodes": (7, lambda s: planned(s, episodes=pl.lit(None, pl.Int64))),
    "a rival that was to take no number of steps": (4, lambda s: cut_short_and_planned(s, -1)),
    "a rival that was to take none and took some": (4, lambda s: cut_short_and_planned(s, 0)),
    "a rival whose updates nobody counted": (
        4,
        lambda s: planned(
            spending(s, "scratch", env_steps=20_000, updates=None), spends=pl.lit(None, pl.Int64)
        ),
    ),
    "an audit of no numbers": (3, lambda s: replace(s, leak_audit=LeakAudit(np.nan, np.nan, (), "entities"))),
    "tuned on no task": (2, lambda s: tuned(s, tasks=pl.lit([], pl.List(pl.String)))),
    "tuned on a task without a name": (2, lambda s: tuned(s, tasks=pl.lit(""))),
    "one trial listed eight times": (
        2,
        lambda s: tuned(s, trial=pl.when(pl.col("method") == "scratch").then(0).otherwise("trial")),
    ),
    "online returns that are no numbers": (
        6,
        lambda s: replace(s, online=s.online.with_columns(pl.lit(np.nan).alias("return"))),
    ),
    "online returns of a method that are missing": (
        6,
        lambda s: replace(
            s,
            online=s.online.with_columns(pl.when(pl.col("method") == "multitask").then("return")),
        ),
    ),
    "a baseline without scores": (
        5,
        lambda s: replace(s, baselines=s.baselines.with_columns(score=pl.lit(None, pl.Float64))),
    ),
    "a baseline that is endless": (
        5,
        lambda s: replace(s, baselines=s.baselines.with_columns(score=pl.lit(-np.inf))),
    ),
    "an estimand of dots": (1, lambda s: replace(s, estimand="...")),
    "looks without a log": (10, lambda s: replace(s, looks=())),
    "a look that was not logged": (10, lambda s: replace(s, looks=[Look("x", 1, True)])),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_planted_violation_does_not_pass(study, name):
    rule, plant = VIOLATIONS[name]
    assert answers(plant(study))[rule] in ("fails", "cannot be checked")


def test_runs_that_are_equal_for_want_of_chance_are_no_copies(study):
    """Agents that always win leave nothing to tell them apart by."""
    always = episodes(study, lambda t: t.with_columns(score=pl.lit(10.0)))
    assert answers(always)[9] == "holds"
    assert answers(study)[9] == "holds"


def test_a_running_maximum_of_one_method(synthetic):
    study = synthetic(seeds=4, tasks=4)
    assert answers(study)[8] == "holds"
    assert answers(episodes(study, lambda t: running_maximum(t, "scratch")))[8] == "cannot be checked"


# Chance explains these in a study of two runs.
OF_MORE_RUNS = {
    "the best snapshot's episodes as the last one's": (
        8,
        lambda s: episodes(s, lambda t: best_brought_back(t, "multitask")),
    ),
    "a seed's episodes copied and shuffled": (9, lambda s: episodes(s, shuffled)),
}


@pytest.mark.parametrize("name", OF_MORE_RUNS)
def test_a_violation_that_only_more_runs_give_away(synthetic, name):
    rule, plant = OF_MORE_RUNS[name]
    study = synthetic(seeds=4, tasks=6, gap=0.5)
    assert answers(study)[rule] == "holds"
    assert answers(plant(study))[rule] == "cannot be checked"


def test_each_rule_has_a_violation():
    assert {rule for rule, _ in VIOLATIONS.values()} == set(RULES)
    assert len(VIOLATIONS) >= 90
