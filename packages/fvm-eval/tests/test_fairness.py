import polars as pl
import pytest
from fvm_eval import Budget, Comparison, Fold, Ledger, fairness
from fvm_eval.analysis import analyse
from fvm_eval.claims.comparisons import Verdict
from fvm_eval.curves import run_curves
from fvm_eval.statistics.intervals import Interval

FULL = Interval(1, 0, 2, "t", 5)
NONE = Interval(1, None, None, "none", 1)
FOLD = Fold(("a",), (), ("t",))


@pytest.fixture(scope="module")
def study(synthetic):
    return synthetic(seeds=2, tasks=2)


@pytest.fixture(scope="module")
def runs(study):
    return run_curves(study.episodes)


def test_a_good_study_passes_all_ten(study):
    assert [check.status for check in analyse(study).checks] == ["passed"] * 10
    assert [check.rule for check in analyse(study).checks] == list(fairness.RULES)


def test_1_estimand():
    assert fairness.check_estimand("", [FULL], [FULL]).status == "failed"
    check = fairness.check_estimand("Expected score.", [FULL, FULL], [FULL, NONE])
    assert (check.status, "1 over new tasks" in check.reason) == ("failed", True)


def test_2_splits():
    def status(folds=None, recorded=(FOLD.sha256,), tasks=("t",), trials=(4, 4)):
        ledgers = {}
        for method, count in zip("ab", trials, strict=True):
            ledgers[method] = Ledger(Budget(1))
            ledgers[method].charge(trials=count)
        return fairness.check_splits({"f": FOLD} if folds is None else folds, recorded, tasks, ledgers).status

    assert status() == "passed"
    assert {status(folds={}), status(recorded=()), status(tasks=("t", "a")), status(trials=(4, 5))} == {
        "failed"
    }


def test_3_leaks():
    audit = fairness.LeakAudit(10, 100, ("t/1",), "entities")
    assert fairness.check_leaks(None, ["t/0"]).status == "failed"
    assert fairness.check_leaks(audit, ["t/0"]).status == "passed"
    assert "t/1" in fairness.check_leaks(audit, ["t/1"]).reason


def test_4_budget():
    budget = Budget(100)
    a, b, idle = Ledger(budget), Ledger(Budget(200)), Ledger(budget)
    a.charge(env_steps=100)
    assert "less only idle (0)" in fairness.check_budget(budget, {"a": a, "idle": idle}, 100).reason
    assert fairness.check_budget(budget, {"a": a}, 100).status == "passed"
    assert fairness.check_budget(budget, {"a": a}, 101).status == "failed"
    assert "not comparable in env_steps" in fairness.check_budget(budget, {"a": a, "b": b}, 100).reason
    assert fairness.check_budget(None, {}, 100).status == "failed"


def test_5_baselines():
    script = pl.DataFrame({"task": ["x", "x", "y"], "score": [10.0, 5.0, 2.0]})
    best = {"x": 10.0, "y": 10.0}
    names, methods = ["random", "zero-shot"], ["scratch", "mt"]
    assert "75%" in fairness.check_baselines(names, methods, script, best).reason
    assert fairness.check_baselines(names, methods, None, best).status == "passed"
    assert fairness.check_baselines(["random"], ["mt"], script, best).reason == "missing: zero-shot, scratch"
    assert fairness.check_baselines(names, methods, script, {"x": 10.0, "y": 2.0}).status == "failed"


def test_6_curves(runs, study):
    assert fairness.check_curves(runs, study.online).status == "passed"
    assert fairness.check_curves(runs, None).status == "failed"
    assert "a point" in fairness.check_curves(runs.filter(pl.col("env_step") == 0), study.online).reason
    assert "different env steps" in fairness.check_curves(runs[1:], study.online).reason


def test_7_episodes(study):
    episodes = study.episodes
    everything = "20 numbered episodes at each of 40 points, none missing"
    assert fairness.check_episodes(episodes).reason == everything
    assert "between 19 and 20" in fairness.check_episodes(episodes[1:]).reason
    assert "gaps" in fairness.check_episodes(episodes.filter(pl.col("episode") != 3)).reason


def test_8_and_9_no_run_is_dropped(runs):
    assert fairness.check_summaries(runs, 40_000, True).status == "passed"
    assert fairness.check_summaries(runs, 40_000, False).status == "not applicable"
    cut = runs.filter(~((pl.col("env_step") == 40_000) & (pl.col("seed") == 1)))
    assert "4 of 8 runs lack env step 40,000" in fairness.check_summaries(cut, 40_000, True).reason
    assert fairness.check_complete(runs).status == "passed"
    dropped = runs.filter(~((pl.col("method") == "scratch") & (pl.col("seed") == 1)))
    assert "2 of 8 runs are missing" in fairness.check_complete(dropped).reason


def test_10_small_studies_do_not_decide():
    comparison = Comparison(left="a", right="b", estimand="e")
    small = Interval(1, 0.5, 2, "t", 2)
    assert fairness.check_size([], []).status == "not applicable"
    assert fairness.check_size([comparison], [Verdict("undecided", "too small", small)]).status == "passed"
    assert fairness.check_size([comparison], [Verdict("supported", "", small)]).status == "failed"
    assert fairness.check_size([comparison], [Verdict("supported", "", FULL)]).status == "passed"
