"""A run that is counted twice under another seed is said, on the page, in the terminal, by the checklist."""

import numpy as np
import polars as pl
from fvm_eval import compare


def rows(score, seeds=4, tasks=3, episodes=2):
    return [
        {"method": m, "seed": s, "task": f"t{t}", "episode": e, "score": float(score(m, s, t, e))}
        for m in "ab"
        for s in range(seeds)
        for t in range(tasks)
        for e in range(episodes)
    ]


def test_a_copied_seed_is_said_where_no_plan_knows_of_it():
    rng = np.random.default_rng(0)
    whole = rows(lambda *_: rng.normal(), seeds=5)
    copied = {(r["task"], r["episode"]): r["score"] for r in whole if (r["method"], r["seed"]) == ("a", 1)}
    twice = [
        row | {"score": copied[row["task"], row["episode"]]}
        if (row["method"], row["seed"]) == ("a", 4)
        else row
        for row in whole
    ]
    found = compare(pl.DataFrame(twice))
    said = "a/4 of a has the very same episodes as a/1: one run counted twice?"
    assert said in found.text()
    page = found.files["report.html"].decode()
    assert page.count(said) == 2, "above, and in the checklist"
    assert "Copies make intervals too narrow." in page
    rule = found.analysis.checks[8]
    assert (rule.rule, rule.status, rule.reason) == (9, "cannot be checked", said)
    assert "counted twice" not in compare(pl.DataFrame(whole)).text()


def test_scores_that_leave_nothing_to_chance_are_no_copies():
    by_task = compare(pl.DataFrame(rows(lambda m, s, t, e: (1.0, 5.3, 7.7)[t], seeds=8, tasks=3)))
    assert by_task.analysis.copies == ""
    rng = np.random.default_rng(1)
    solved = compare(pl.DataFrame(rows(lambda *_: 1.0, seeds=8, tasks=20)))
    assert solved.analysis.copies == ""
    floor = rows(lambda m, *_: rng.random() if m == "a" else 0.0, seeds=2, tasks=8, episodes=20)
    assert compare(pl.DataFrame(floor)).analysis.copies == "", "an arm at the floor is no copy of itself"
    rng = np.random.default_rng(0)  # of 10 episodes many seeds have the same share
    rates = compare(pl.DataFrame(rows(lambda *_: rng.random() < 0.9, seeds=20, tasks=1, episodes=10)))
    assert rates.analysis.copies == ""
