import polars as pl
import pytest
from study.claims.arms import FAR_DROP
from study.claims.retention import TEACHER, UNVISITED
from study.measures.far_cells import far_findings


def rows(frac, teacher=0.9):
    found = []
    for seed in range(5):
        run = {"fold": 0, "seed": seed, "checkpoint": f"multitask/{seed}", "task": "t", "place": "FAR"}
        for policy, score in (("teacher", teacher + 0.01 * seed), ("random", 0.1 + 0.02 * (seed % 2))):
            found.append({**run, "method": "multitask", "env_step": 0, "policy": policy, "score": score})
        for step, score in ((0, 0.9), (100, 0.5), (200, 0.1), (300, 0.8)):
            agent = {
                **run,
                "method": "multitask",
                "env_step": step,
                "policy": "agent",
                "far_frac": frac(step),
            }
            found += [{**agent, "score": score, "episode": 0}, {**agent, "score": score, "episode": 1}]
            found.append({**agent, "place": "CLOSE", "score": 0.0, "episode": 0})
    return pl.DataFrame(found, infer_schema_length=None)


def test_the_drop_is_the_teachers_score_minus_the_windows_mean():
    found = far_findings(rows(lambda step: 0.01), window=(100, 200))
    drop = found.cells[FAR_DROP].sort("seed")["value"].to_list()
    assert drop == pytest.approx([0.6 + 0.01 * seed for seed in range(5)])  # not .8, the minimum's
    held = {condition.name: condition.holds for condition in found.preconditions}
    assert held == {TEACHER: True, UNVISITED: True}


def test_a_teacher_that_cannot_and_a_far_that_is_visited_are_said():
    # 1 % of the first 100 steps and 8 % of the first 200: the second hundred was spent there by 15 %.
    found = far_findings(rows({0: 0.0, 100: 0.01, 200: 0.08, 300: 0.08}.get, teacher=0.1), window=(150, 200))
    teacher, unvisited = found.preconditions
    assert teacher.holds is False
    assert unvisited.holds is False
    assert "15.0 %" in unvisited.reason
    unknown = far_findings(rows(lambda step: None), window=(100, 200)).preconditions[1]
    assert unknown.holds is None


def test_a_window_without_a_snapshot_is_refused():
    with pytest.raises(ValueError, match=r"between env steps 400 and 500; they were at \[0, 100, 200, 300\]"):
        far_findings(rows(lambda step: 0.0), window=(400, 500))
