"""A grid of settings, splits drawn anew, and the plan that they make."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from study.config import Settings, StudyConfig
from study.engines.schedule import Schedule
from study.errors import StudyError
from study.folder.store import Store
from study.methods import Method, Row, label_of
from study.plan import Job, make_plan, training_folds
from study.presets import rlbench
from study.presets.toy_map import MAP
from study.results.collect import conditions_of
from study.tuning.grid import points_of, read_grid
from study.tuning.tuned import TUNED, with_tuned

TWO = replace(MAP, seeds=2, looks=(2,), methods=("scratch", "multitask", "rl2", "rl2:both"))


def test_every_point_is_a_row_and_points_share_what_they_do_not_change() -> None:
    jobs = make_plan(TWO).jobs
    pretrained = [job for job in jobs if job.kind == "pretrain"]
    # One of multi-task a seed, and two of RL2: of its meta-training rates 2.5e-3 is its own.
    assert len(pretrained) == 2 * (1 + 2)
    rates = [
        job.spec["phase"]["learner"]["ppo"]["learning_rate"] for job in pretrained if "rl2" in job.method
    ]
    assert sorted(rates) == [1.25e-3, 1.25e-3, 2.5e-3, 2.5e-3]
    adapted = {job.method for job in jobs if job.kind == "adapt"}
    assert {row for row in adapted if row.startswith("multitask")} == {
        f"multitask, rate {rate}" for rate in ("0.001", "0.0025", "0.005", "0.01")
    }
    assert "rl2, meta-rate 0.0025" in adapted
    one = next(job for job in jobs if job.method == "rl2:both, rate 0.005" and job.kind == "adapt")
    learner = one.spec["phase"]["learner"]["ppo"]
    assert (learner["learning_rate"], learner["entropy_coef"]) == (5e-3, 0.05)
    assert one.parent is not None
    assert one.parent.spec["phase"]["learner"]["ppo"]["learning_rate"] == 2.5e-3
    assert one.parent.budget_env_steps == 4 * 55_296


def test_what_an_arm_sets_itself_is_no_axis_of_its_grid() -> None:
    """Entropy-off pays nothing at any point: of its three rows two were lost without a word."""
    grid = {"adapt.entropy_coef": (0.01, 0.05), "adapt.learning_rate": (1e-3, 1e-2)}
    methods = ("multitask", "multitask:gradient+entropy-off", "multitask:gradient+low-rate")
    config = replace(TWO, grid=grid, methods=methods, retain={"entropy-off": {}})
    rows = {job.method for job in make_plan(config).jobs if job.kind == "adapt"}
    assert {row for row in rows if "off" in row} == {
        f"multitask:gradient+entropy-off, rate {rate}" for rate in ("0.001", "0.01")
    }
    assert len(rows) == 4 + 2 + 4


def test_two_rows_of_the_same_trainings_are_refused() -> None:
    """One of them was left out of every table."""
    settings = {"reptile": Settings(config={"eps_schedule": (0.9, 1.0)})}
    config = replace(TWO, methods=("reptile", "reptile-authors"), grid={}, settings=settings)
    with pytest.raises(StudyError, match="reptile and reptile-authors are the same trainings"):
        make_plan(config)


def test_a_grid_of_one_point_has_the_names_of_none() -> None:
    config = replace(TWO, grid={"adapt.learning_rate": (5e-3,)})
    assert [point.name for point in points_of(config, Method.parse("scratch"))] == [""]
    assert points_of(config, Method.parse("rl2"))[0].values == {}


def test_rlbenchs_small_adapts_at_the_rates_its_grid_chose_and_else_stays_as_it_is() -> None:
    grid = {"adapt.learning_rate": (5e-4, 1e-3, 2e-3, 4e-3)}  # widened by its tuning
    chosen = {"scratch": "rate 0.004", "multitask": "rate 0.002", "reptile": "rate 0.0005"}
    before = make_plan(rlbench.SMALL).jobs
    jobs = make_plan(replace(rlbench.SMALL, grid=grid, chosen=chosen)).jobs
    assert [job.method for job in jobs] == [job.method for job in before]
    rates = {
        (job.method.partition(",")[0], job.spec["phase"]["learner"]["c2f_arm"]["learning_rate"])
        for job in jobs
        if job.kind == "adapt"
    }
    assert rates == {("scratch", 4e-3), ("multitask", 2e-3), ("reptile", 5e-4), ("pearl", 1e-3)}
    kept = {job.key for job in before if job.kind == "pretrain" or job.method.startswith("pearl")}
    assert kept <= {job.key for job in jobs}
    trained = [job.seed for job in jobs if job.kind != "baseline"]
    assert trained == sorted(trained)  # stopped halfway, it has whole pretrainings


def test_a_study_at_chosen_points_has_one_row_a_method_at_those() -> None:
    grid = {"adapt.learning_rate": (1e-3, 5e-3), "adapt.entropy_coef": (0.01, 0.05)}
    chosen = {"scratch": "entropy 0.05 rate 0.001", "rl2": "meta-rate 0.0025"}
    config = replace(TWO, grid=grid, only_chosen=True, chosen=chosen)
    assert [point.values for point in points_of(config, Method.parse("scratch"))] == [
        {"adapt.learning_rate": 1e-3, "adapt.entropy_coef": 0.05}
    ]
    assert points_of(config, Method.parse("scratch"))[0].name == ""
    assert points_of(config, Method.parse("rl2"))[0].values == {}  # its settings say it
    assert points_of(config, Method.parse("multitask"))[0].values == {}  # not tuned
    other = dict(reversed(grid.items()))  # as JSON with sorted keys gives it back
    both = [points_of(replace(TWO, grid=one), Method.parse("scratch")) for one in (grid, other)]
    assert both[0] == both[1]
    assert len(points_of(replace(config, on_validation=True), Method.parse("scratch"))) == 4
    with pytest.raises(ValueError, match="which the grid does not have"):
        points_of(replace(config, chosen={"scratch": "rate 0.1"}), Method.parse("scratch"))


def test_a_retention_s_coefficient_is_an_axis_of_those_that_have_one(small: StudyConfig) -> None:
    """The same grid for each, 0 on it: plain fine-tuning, bit for bit."""
    methods = (
        "scratch",
        "multitask",
        *(f"multitask:gradient+{kept}" for kept in ("bc", "head-reset", "bc+l2")),
    )
    words = ["retain.coef=0,10", "adapt.learning_rate=1e-3,2e-3"]
    config = replace(small, methods=methods, retain={"bc": {"states": 64}, "l2": {"decay": 0.9}})
    config = replace(config, grid=read_grid(config, words))
    adapted = [job for job in make_plan(config).jobs if job.kind == "adapt"]
    rows = {job.method: job.spec.get("retain", {}) for job in adapted}
    rates = ("rate 0.001", "rate 0.002")
    assert {row for row in rows if "+" not in row or "head-reset" in row} == {
        f"{method}, {rate}" for method in (*methods[:2], methods[3]) for rate in rates
    }
    kept = {row: retain for row, retain in rows.items() if "bc" in row}
    assert set(kept) == {
        f"multitask:gradient+{names}, {rate} coef {coef}"
        for names in ("bc", "bc+l2")
        for rate in rates
        for coef in (0, 10)
    }
    both = kept["multitask:gradient+bc+l2, rate 0.001 coef 10"]
    assert (both["bc"]["coef"], both["bc"]["states"]) == (10.0, 64)
    assert (both["l2"]["coef"], both["l2"]["decay"]) == (10.0, 0.9)
    assert kept["multitask:gradient+bc, rate 0.002 coef 0"]["bc"]["coef"] == 0.0
    assert len({job.key for job in adapted if "multitask" in job.method}) == 2 * (1 + 1 + 2 + 2) * 2
    with pytest.raises(StudyError, match=r"unknown axis of a grid 'retain\.coef'"):
        read_grid(replace(small, methods=("scratch", "multitask")), words)
    with pytest.raises(StudyError, match="coef=-1"):
        read_grid(config, ["retain.coef=-1,1"])


def test_a_study_takes_over_its_retentions_coefficients(small: StudyConfig, tmp_path: Path) -> None:
    kept = "multitask:gradient+bc"
    untuned = replace(small, methods=("multitask", kept), retain={"bc": {"states": 64}})
    tuned = {"grid": {"retain.coef": [0.5, 5.0]}, "chosen": {kept: "coef 5"}, "settings": {}}
    (tmp_path / TUNED).write_text(json.dumps(tuned))
    every = with_tuned(untuned, tmp_path)
    coefs = {job.method: job.spec["retain"]["bc"]["coef"] for job in retained(every)}
    assert coefs == {f"{kept}, coef 0.5": 0.5, f"{kept}, coef 5": 5.0}
    chosen = {
        job.method: job.spec["retain"]["bc"]["coef"] for job in retained(replace(every, only_chosen=True))
    }
    assert chosen == {kept: 5.0}


def retained(config: StudyConfig) -> list[Job]:
    return [job for job in make_plan(config).jobs if job.kind == "adapt" and "+bc" in job.method]


def test_a_row_says_its_point_and_its_demonstrations() -> None:
    for name in ("scratch, rate 0.01", "multitask@100, 2 demos, rate 0.01 entropy 0.05", "scratch, 1 demo"):
        assert Row.parse(name).name == name
    assert Row.parse("multitask@100, rate 0.01").pretraining == "multitask@100"
    assert label_of("scratch, rate 0.01") == "Scratch, rate 0.01"


def test_each_seed_draws_its_own_split_whatever_the_family_and_the_seeds() -> None:
    fold = training_folds(TWO, 100)["16"]
    assert [len(part) for part in (fold.train, fold.validation, fold.held_out)] == [16, 4, 4]
    assert len({*fold.train, *fold.validation, *fold.held_out}) == 24
    other = training_folds(TWO, 101)["16"]
    assert set(other.held_out) != set(fold.held_out)
    visible = training_folds(replace(TWO, family="toy/visible-catch"), 100)["16"]
    levels = [[task.rpartition("/")[2] for task in one.held_out] for one in (fold, visible)]
    assert levels[0] == levels[1]
    more = make_plan(replace(TWO, seeds=3))
    assert {job.key for job in make_plan(TWO).jobs} <= {job.key for job in more.jobs}
    tuned = training_folds(replace(TWO, on_validation=True), 100)["16"]
    assert (tuned.train, tuned.held_out) == (fold.train, fold.validation)


def test_runs_from_scratch_on_one_split_are_one_cluster_and_its_fold_is_the_seed() -> None:
    jobs = [job for job in make_plan(TWO).jobs if job.kind == "adapt"]
    scratch = {(job.fold, job.checkpoint) for job in jobs if job.method == "scratch, rate 0.01"}
    assert scratch == {(100, "scratch, rate 0.01/100"), (101, "scratch, rate 0.01/101")}
    multitask = {(job.fold, job.checkpoint) for job in jobs if job.method.startswith("multitask")}
    assert multitask == {(100, "multitask/100"), (101, "multitask/101")}


def test_rows_of_one_point_are_shown_together() -> None:
    conditions = conditions_of([job for job in make_plan(TWO).jobs if job.kind == "adapt"])
    assert conditions["scratch, rate 0.01"] == conditions["multitask, rate 0.01"] == "rate 0.01"
    alone = replace(TWO, methods=("scratch", "rl2"), grid={"adapt.learning_rate": (1e-3, 1e-2)})
    adapted = [job for job in make_plan(alone).jobs if job.kind == "adapt"]
    assert conditions_of(adapted)["rl2"] == "its own settings"
    assert conditions_of([job for job in adapted if job.method == "rl2"]) == {}


def test_where_looks_are_planned_whole_seeds_come_first() -> None:
    seeds = [job.seed for job in make_plan(TWO).jobs if job.kind != "baseline"]
    assert seeds == sorted(seeds)


def test_whole_seeds_are_run_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "jobs").mkdir()
    jobs = [
        job
        for job in make_plan(replace(TWO, methods=("scratch", "multitask"))).jobs
        if job.kind != "baseline"
    ]
    schedule, taken = Schedule(jobs, store), []
    while (job := schedule.next()) is not None:
        taken.append(job)
        store.folder(job).mkdir()  # it is done
    assert len(taken) == len(jobs)
    behind = [job for job in taken if job.kind == "adapt"]
    examples = 3  # one of each kind and method comes first of all
    seeds = [job.seed for job in behind[examples:]]
    assert seeds == sorted(seeds)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"split": (16, 4)}, "give the sizes"),
        ({"split": (16, 4, 5)}, "pool of 24"),
        ({"validation": (3,)}, "leave those out"),
    ],
)
def test_splits_that_cannot_be(changed: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(TWO, **changed)  # type: ignore[arg-type]
