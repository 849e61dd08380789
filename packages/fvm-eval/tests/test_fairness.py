from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from fvm_eval import Budget, Comparison, Fold, Ledger, fairness
from fvm_eval.analysis import analyse
from fvm_eval.analysis.secondary import secondary_of
from fvm_eval.claims import Look, judge
from fvm_eval.fairness import RULES, Check, LeakAudit
from fvm_eval.report.headline import header
from fvm_eval.table import TableError

RUN = ["method", "fold", "seed", "checkpoint", "task"]
STEPS = (0, 10_000, 20_000, 30_000, 40_000)


@pytest.fixture(scope="module")
def study(synthetic):
    return synthetic(seeds=2, tasks=2)


def answers(study):
    return {check.rule: check.status for check in analyse(study).checks}


def test_a_good_study_holds_to_all_ten(study):
    checks = analyse(study).checks
    assert [check.rule for check in checks] == list(RULES)
    assert [check.status for check in checks] == ["holds"] * 10, [c.reason for c in checks]


def only(table, **values):
    return table.filter([pl.col(name) == value for name, value in values.items()])


def without(table, **values):
    return table.filter(~pl.all_horizontal([pl.col(name) == value for name, value in values.items()]))


def changed(study, **tables):
    return replace(study, **tables)


def episodes(study, change):
    return replace(study, episodes=change(study.episodes))


def spending(study, method, **values):
    own = pl.col("method") == method
    new = [pl.when(own).then(v).otherwise(pl.col(k)).alias(k) for k, v in values.items()]
    return replace(study, spending=study.spending.with_columns(new))


def best_of_both_halves(table):
    """The better half of the episodes, renumbered as if they were all."""
    cell = [*RUN, "env_step"]
    ranked = table.sort([*cell, "score"], descending=[False] * len(cell) + [True])
    ranked = ranked.with_columns(episode=pl.int_range(pl.len()).over(cell))
    return ranked.filter(pl.col("episode") < 10)


def running_maximum(table, method=None):
    """Each snapshot's episodes replaced by those of the best snapshot so far."""
    means = table.group_by([*RUN, "env_step"]).agg(value=pl.col("score").mean()).sort([*RUN, "env_step"])
    rows = []
    for (name, *key), run in means.group_by(RUN, maintain_order=True):
        best, source = -np.inf, 0
        for step, value in run.select("env_step", "value").iter_rows():
            if value > best or (method is not None and name != method):
                best, source = value, step
            rows.append((name, *key, step, source))
    chosen = pl.DataFrame(rows, schema=[*RUN, "env_step", "source"], orient="row")
    renamed = table.rename({"env_step": "source"}).drop("episode").with_columns(episode=table["episode"])
    joined = chosen.join(renamed, on=[*RUN, "source"])
    return joined.select([*RUN, "env_step", "episode", "score"])


def fold_with(study, **parts):
    fold = study.folds["fixed"]
    new = Fold(**{"train": fold.train, "validation": fold.validation, "held_out": fold.held_out, **parts})
    return replace(study, folds={"fixed": new})


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
    "looks without a log": (10, lambda s: replace(s, looks=())),
    "a look that was not logged": (10, lambda s: replace(s, looks=[Look("x", 1, True)])),
}
NEEDS_A_PLAN = (4, 6, 7, 8, 9)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_planted_violation_does_not_pass(study, name):
    rule, plant = VIOLATIONS[name]
    assert answers(plant(study))[rule] in ("fails", "cannot be checked")


def test_a_running_maximum_of_one_method(synthetic):
    study = synthetic(seeds=4, tasks=4)
    assert answers(study)[8] == "holds"
    assert answers(episodes(study, lambda t: running_maximum(t, "scratch")))[8] == "cannot be checked"


def test_without_a_plan_nothing_holds_that_needs_one(study):
    found = answers(replace(study, plan=None))
    assert {found[rule] for rule in NEEDS_A_PLAN} == {"cannot be checked"}
    bare = replace(study, plan=None, spending=None, tuning=None, looks=(), leak_audit=None, folds={})
    found = answers(bare)
    assert {found[rule] for rule in (2, 3, *NEEDS_A_PLAN, 10)} == {"cannot be checked"}


def test_fewer_steps_than_the_budget_hold_where_they_were_planned(study):
    """A memory that is full after 20,000 steps has no use for more."""
    own = pl.col("method") == "multitask"
    full = study.plan.with_columns(spends=pl.when(own).then(None).otherwise(pl.col("spends")))
    check = analyse(replace(spending(study, "multitask", env_steps=20_000), plan=full)).checks[3]
    assert (check.status, "as planned fewer: multitask" in check.reason) == ("holds", True)


def test_demonstrations_hold_where_each_row_has_those_that_were_planned(study):
    own = pl.col("method") == "multitask"
    asked = study.plan.with_columns(demos=pl.when(own).then(1).otherwise(0))
    budget = replace(study.budget, demos=1)
    given = replace(spending(study, "multitask", demos=1), plan=asked, budget=budget)
    rule = analyse(given).checks[3]
    assert (rule.status, "; 0, 1 in rows of their own" in rule.reason) == ("holds", True), rule.reason
    rule = analyse(replace(study, plan=asked, budget=budget)).checks[3]
    assert rule.status == "fails"
    assert "multitask had 0 of the 1 planned" in rule.reason


def test_no_line_that_is_handed_in_makes_a_rule_hold(study):
    fails = replace(study, plan=None, checks=[Check(9, "holds", "trust me")])
    assert answers(fails)[9] == "cannot be checked"
    assert answers(replace(study, checks=[Check(9, "fails", "a run was lost")]))[9] == "fails"


def test_each_rule_has_a_violation():
    assert {rule for rule, _ in VIOLATIONS.values()} == set(RULES)
    assert len(VIOLATIONS) > 50


def test_10_small_studies_do_not_decide(cells):
    comparison = Comparison(left="a", right="b", estimand="e")
    noise = 0.01 * np.arange(5)[:, None]
    enough = judge(comparison, cells(0.9 + noise, "a"), cells(0.1 + noise, "b"))
    few = judge(comparison, cells(0.9 + noise[:3], "a"), cells(0.1 + noise[:3], "b"))
    log = [Look("x", 3, True)]
    assert "1 of 2 with too few checkpoints" in fairness.check_size([enough, few], log, 3).reason
    hasty = replace(few, label="supported", components=(replace(few.components[0], passed=True),))
    assert fairness.check_size([hasty], log, 3).status == "fails"


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
    planned, had = (table.select(fairness.RUN).unique() for table in (study.plan, done))
    assert f"Not finished:</span> {len(had)} of {len(planned)} planned runs are finished." in text
    assert f"Missing: {len(planned) - len(had)} of " in text
    assert "No verdict and no p value before all are there." in text
    assert "beats" not in text


def test_a_later_look_has_its_own_level(study):
    looks = [Look("a", 1, True), Look("b", 2, False)]
    assert replace(study, looks=looks).level == pytest.approx(0.3 / np.pi**2)
    (_, verdict), *_ = analyse(replace(study, looks=looks)).verdicts
    assert verdict.alpha == pytest.approx(0.3 / np.pi**2)
