"""What the checklist says of studies that keep the rules, of partial ones, and of later looks."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from fvm_eval import Comparison
from fvm_eval.analysis import analyse
from fvm_eval.analysis.secondary import secondary_of
from fvm_eval.claims import Look, judge
from fvm_eval.fairness import RULES, RUN, Check
from fvm_eval.fairness.completeness import check_size
from fvm_eval.report.headline import header
from fvm_eval.table import TableError
from planting import crossed, episodes, spending

STEPS = (0, 10_000, 20_000, 30_000, 40_000)


@pytest.fixture(scope="module")
def study(synthetic):
    return synthetic(seeds=2, tasks=2)


def answers(study):
    return {check.rule: check.status for check in analyse(study).checks}


def test_one_thing_is_said_in_the_singular(study):
    def reasons(told):
        return {check.rule: check.reason for check in analyse(told).checks}

    run = (pl.col("method") == "scratch") & (pl.col("seed") == 0) & (pl.col("task") == study.tasks[0])
    gap = reasons(episodes(study, lambda table: table.filter(~run)))
    assert gap[9].startswith("1 run of the grid is missing from the table")
    once = reasons(replace(study, tuning=study.tuning.filter(trial=0)))
    assert once[2].startswith("1 fold with the hash recorded before training; 1 tuning trial, 5,000 env")
    perfect = pl.col("baseline").eq("script") & pl.col("task").eq(study.tasks[0])
    full = study.baselines.with_columns(score=pl.when(perfect).then(10.0).otherwise("score"))
    assert "leaves no headroom on 1 task, as" in reasons(replace(study, baselines=full))[5]


# What was done, which rule must not hold, and how; every one is a study that a table alone would let pass.


def test_7_fewer_episodes_before_the_budget_are_fine_where_all_runs_have_as_many(study):
    early = pl.col("env_step") < 40_000
    told = replace(
        study,
        plan=study.plan.with_columns(episodes=pl.when(early).then(8).otherwise("episodes")),
        episodes=study.episodes.filter(~early | (pl.col("episode") < 8)),
    )
    (seven,) = (check for check in analyse(told).checks if check.rule == 7)
    assert seven.status == "holds"
    assert seven.reason.startswith("8 to 20 episodes at each of")


NEEDS_A_PLAN = (4, 6, 7, 8, 9)


def test_10_small_studies_do_not_decide(cells):
    comparison = Comparison(left="a", right="b", estimand="e")
    noise = 0.01 * np.arange(5)[:, None]
    enough = judge(comparison, cells(0.9 + noise, "a"), cells(0.1 + noise, "b"))
    few = judge(comparison, cells(0.9 + noise[:3], "a"), cells(0.1 + noise[:3], "b"))
    log = [Look("x", 3, True)]
    assert "1 of 2 with too few checkpoints" in check_size([enough, few], log, 3).reason
    hasty = replace(few, label="supported", components=(replace(few.components[0], passed=True),))
    assert check_size([hasty], log, 3).status == "fails"


def test_scores_outside_their_range_are_refused(study):
    with pytest.raises(TableError, match="outside its range of 5 to 6"):
        replace(study, score_ranges=dict.fromkeys(study.tasks, (5.0, 6.0)))
    for ends in ((0.0, np.inf), (np.nan, 1.0), (1.0, 0.0)):
        with pytest.raises(TableError, match="expected two finite numbers"):
            replace(study, score_ranges=dict.fromkeys(study.tasks, ends))


def test_a_partial_study_gets_no_verdicts(study):
    partial = analyse(replace(study, complete=False))
    assert (partial.verdicts, partial.claims) == ((), ())
    assert all(pair.p is None and pair.p_holm is None for pair in secondary_of(partial).pairs)


def test_a_partial_page_says_what_is_missing(study):
    done = study.episodes.filter(~((pl.col("method") == "multitask") & (pl.col("seed") == 1)))
    text = str(header(analyse(replace(study, complete=False, episodes=done))))
    planned, had = (table.select(RUN).unique() for table in (study.plan, done))
    assert f"Not finished:</span> {len(had)} of {len(planned)} planned runs are finished." in text
    assert f"Missing: {len(planned) - len(had)} of " in text
    assert "No verdict and no p value before all are there." in text
    assert "beats" not in text


def test_a_later_look_has_its_own_level(study):
    looks = [Look("a", 1, True), Look("b", 2, False)]
    assert replace(study, looks=looks).level == pytest.approx(0.3 / np.pi**2)
    (_, verdict), *_ = analyse(replace(study, looks=looks)).verdicts
    assert verdict.alpha == pytest.approx(0.3 / np.pi**2)


def test_fewer_steps_than_the_budget_hold_where_they_were_planned(study):
    """A memory that is full after 20,000 steps has no use for more."""
    own = pl.col("method") == "multitask"
    full = study.plan.with_columns(spends=pl.when(own).then(None).otherwise(pl.col("spends")))
    less = replace(spending(study, "multitask", env_steps=20_000, updates=0), plan=full)
    check = analyse(less).checks[3]
    assert (check.status, "as planned fewer: multitask" in check.reason) == ("holds", True)


def test_demonstrations_hold_where_each_row_has_those_that_were_planned(study):
    own = pl.col("method") == "multitask"
    asked = study.plan.with_columns(demos=pl.when(own).then(1).otherwise(0))
    budget = replace(study.budget, demos=1)
    rows = {"multitask": "1 demo", "scratch": "0 demos"}
    given = replace(spending(study, "multitask", demos=1), plan=asked, budget=budget, conditions=rows)
    rule = analyse(given).checks[3]
    assert (rule.status, "; 0, 1 in rows of their own" in rule.reason) == ("holds", True), rule.reason
    rule = analyse(replace(given, conditions={})).checks[3]
    assert rule.status == "fails"
    assert "methods of one condition other demos: multitask 1, scratch 0" in rule.reason
    rule = analyse(replace(study, plan=asked, budget=budget)).checks[3]
    assert rule.status == "fails"
    assert "multitask had 0 of the 1 planned" in rule.reason


def test_no_line_that_is_handed_in_makes_a_rule_hold(study):
    fails = replace(study, plan=None, checks=[Check(9, "holds", "trust me")])
    assert answers(fails)[9] == "cannot be checked"
    assert answers(replace(study, checks=[Check(9, "fails", "a run was lost")]))[9] == "fails"


def test_without_a_plan_nothing_holds_that_needs_one(study):
    found = answers(replace(study, plan=None))
    assert {found[rule] for rule in NEEDS_A_PLAN} == {"cannot be checked"}
    bare = replace(study, plan=None, spending=None, tuning=None, looks=(), leak_audit=None, folds={})
    found = answers(bare)
    assert {found[rule] for rule in (2, 3, *NEEDS_A_PLAN, 10)} == {"cannot be checked"}


def test_a_good_study_holds_to_all_ten(study):
    checks = analyse(study).checks
    assert [check.rule for check in checks] == list(RULES)
    assert [check.status for check in checks] == ["holds"] * 10, [c.reason for c in checks]


def test_splits_that_cross_hold_where_every_run_is_tested_on_what_its_own_holds_out(study):
    check = analyse(crossed(study, {0: "a", 1: "b"})).checks[1]
    assert check.status == "holds", check.reason
