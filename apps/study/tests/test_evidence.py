from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from fvm_eval.claims import Claim, Component
from fvm_eval.claims.looks import clusters_hash, level_of
from fvm_eval.folds import leave_one_out
from study.config import StudyConfig
from study.errors import StudyError
from study.estimates.amounts import plays_of
from study.folder.looks_file import LOOKS
from study.folder.store import Store, write_table
from study.measures import tuned
from study.plan import Plan, make_plan
from study.registry import Finished
from study.results.collect import collect
from study.results.evidence import SHIPPED, TUNING_SPENT, looks, planned, spending, tuning

GAP = {"multitask": 1.0, "scratch": -1.0}
PART = Component(name="better", summary="Value at budget", weights=GAP, margin=0.1)
CLAIMS = [Claim(id="C1", statement="Pretraining helps.", components=[PART])]


def adaptations(plan: Plan) -> list:  # type: ignore[type-arg]
    return [job for job in plan.jobs if job.kind == "adapt"]


def test_the_checklist_is_checked_against_plan_and_ledgers(
    small: StudyConfig, small_done: tuple[Plan, Store]
) -> None:
    plan, store = small_done
    results = collect(small, plan, store, rerun="")
    status = {check.rule: check.status for check in results.analysis.checks}
    assert {status[rule] for rule in (4, 7, 9)} == {"holds"}, [c.reason for c in results.analysis.checks]
    assert status[10] == "holds"
    jobs = adaptations(plan)
    spent = spending(jobs, store)
    assert len(spent) == len(jobs)
    assert spent["env_steps"].max() <= small.adapt.env_steps
    points = planned(jobs, small)
    assert set(points["key"]) == {job.key for job in jobs}
    assert len(points) == sum(len(job.spec["at"]) for job in jobs)
    # What the results hold is what was planned, and no more.
    table = results.study.episodes
    key = ["method", "fold", "seed", "checkpoint", "task", "env_step"]
    counted = table.group_by(key).agg(pl.len().cast(pl.Int64).alias("episodes"))
    assert points.select(*key, "episodes").sort(key).equals(counted.sort(key))


def test_earlier_snapshots_play_fewer_episodes_where_that_is_asked_for(
    small: StudyConfig, run_plan: Callable[..., Any], tmp_path: Path
) -> None:
    fewer = replace(small.evaluation, episodes=4, early_episodes=3)
    config = replace(small, methods=("scratch",), evaluation=fewer)
    plan, store = make_plan(config), Store(tmp_path / "fewer")
    run_plan(plan, store)
    results = collect(config, plan, store, rerun="")
    scratch = adaptations(plan)[0]
    played = store.table([scratch], "episodes").group_by("env_step").len().sort("env_step")
    assert played.rows() == [(0, 3), (256, 3), (512, 4)]
    (seven,) = (check for check in results.analysis.checks if check.rule == 7)
    assert (seven.status, seven.reason) == ("holds", "3 to 4 episodes at each of 6 points, as planned")
    counted = {played.episodes: times for played, times in plays_of(scratch).items()}
    assert counted == {3: 2, 4: 1}
    # Without it the jobs are those of before.
    assert "early_episodes" not in make_plan(small).jobs[-1].spec.get("evaluation", {})


def test_a_run_s_split_is_the_one_its_pretraining_saw(small: StudyConfig) -> None:
    tasks = [f"toy/catch/{level}" for level in (1, 2, 3)]
    empty: dict[str, Any] = {"pool": (), "validation": (), "held_out": (), "train_sizes": ()}
    config = replace(small, **empty, folds=tuple(leave_one_out(tasks)), methods=("scratch", "multitask"))
    plan = make_plan(config)
    points = planned(adaptations(plan), config)
    assert set(points.filter(pl.col("method") == "scratch")["split"]) == {None}
    trained = points.filter(pl.col("method") == "multitask").select("split", "task", "seed").unique()
    assert len(trained) == len(tasks) * config.seeds
    for split, task, seed in trained.iter_rows():
        assert plan.folds[split].held_out == (task,)
        assert split.endswith(f"/{seed}")


def test_looks_are_logged_once_for_each_set_of_runs(
    small: StudyConfig, small_done: tuple[Plan, Store], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store, jobs = Store(tmp_path_factory.mktemp("looks")), adaptations(small_done[0])
    first = looks(small, jobs, store, CLAIMS)
    assert looks(small, jobs, store, CLAIMS) == first
    assert (first[0].planned, first[0].clusters) == (True, clusters_hash(job.key for job in jobs))
    more = replace(small, seeds=small.seeds + 1)
    grown = looks(more, adaptations(make_plan(more)), store, CLAIMS)
    assert [look.planned for look in grown] == [True, False]
    assert looks(small, jobs, store, CLAIMS) == first  # judged again, at the level it had
    assert (store.root / LOOKS).read_text().count("clusters") == 2
    moved = [replace(CLAIMS[0], components=[replace(CLAIMS[0].components[0], margin=0.05)])]
    again = looks(small, jobs, store, moved)  # the same runs asked something else: another look
    assert [look.checkpoints for look in again] == [small.seeds, small.seeds + 1, small.seeds]
    assert len({look.asked for look in again}) == 2
    log = json.loads((store.root / LOOKS).read_text())
    for look in log:
        del look["asked"]  # as logs were before claims stood in them
    (store.root / LOOKS).write_text(json.dumps(log))
    assert len(looks(small, jobs, store, moved)) == 3


def test_looks_of_others_at_as_many_runs_are_more_looks(
    small: StudyConfig, small_done: tuple[Plan, Store], tmp_path: Path
) -> None:
    """Imported with their runs: each log's first look was its plan."""
    store, jobs = Store(tmp_path), adaptations(small_done[0])
    theirs = [{"clusters": name, "checkpoints": 5, "planned": True, "asked": ""} for name in "ab"]
    (tmp_path / LOOKS).write_text(json.dumps(theirs))
    for config in (small, replace(small, looks=(5, 8))):
        log = looks(config, jobs, store, CLAIMS)
        assert [look.planned for look in log] == [True, False, False]
        level = level_of(log, log[-1], config.looks)
        assert level == pytest.approx(0.3 / (2 * np.pi) ** 2)
    (tmp_path / LOOKS).write_text(json.dumps([{**theirs[0], "checkpoints": 0}]))
    with pytest.raises(StudyError, match=r"looks\.json is damaged"):
        looks(small, jobs, store, CLAIMS)


def test_a_plan_of_looks_rises(small: StudyConfig) -> None:
    assert replace(small, looks=(8, 16)).looks == (8, 16)
    assert replace(small, looks=(8, 16)).identity != small.identity
    for wrong in ((16, 8), (8, 8), (1, 8), (8.5,)):
        with pytest.raises(ValueError, match="looks"):
            replace(small, looks=wrong)


def test_fine_tuning_tuned_by_a_grid_is_tuned(small: StudyConfig, tmp_path: Path) -> None:
    """By its own points: a grid of what is compared with it is none of its."""
    arms = ("bc", "critic-warm-up", "entropy-off", "head-reset")
    methods = ("scratch", "multitask", *(f"multitask:gradient+{arm}" for arm in arms))
    store, config = Store(tmp_path), replace(small, methods=methods, trials=0)
    finished = Finished(
        config=config, plan=Plan(jobs=(), folds={}), store=store, episodes=pl.DataFrame(), ranges={}
    )

    def told(of: Finished = finished) -> tuple[bool, str]:
        (condition,) = tuned.findings(of).preconditions
        return condition.holds, condition.reason

    assert told() == (False, "no tuning trials")
    assert told(replace(finished, config=replace(config, trials=2)))[1].startswith("2 trials")
    (tmp_path / SHIPPED).mkdir()
    rows = [("multitask:gradient+bc", f"coef {value}", 100, ["toy/catch/78"]) for value in (1, 2)]
    table = pl.DataFrame(rows, schema=["method", "point", "env_steps", "tasks"], orient="row")
    write_table(tmp_path / SHIPPED / TUNING_SPENT, table)
    assert told() == (False, "no tuning trials")
    rows = [("multitask", f"rate {value}", 100, ["toy/catch/78"]) for value in (1, 2, 2, 3)]
    write_table(
        tmp_path / SHIPPED / TUNING_SPENT, table.vstack(pl.DataFrame(rows, table.schema, orient="row"))
    )
    assert told() == (True, "3 trials, all these arms were run")


def test_tuning_is_what_was_run(small: StudyConfig, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("tuned") / "study")
    methods = ["scratch", "multitask", "multitask:none"]
    untuned = tuning(replace(small, trials=0), methods, store)
    assert untuned is not None
    assert untuned.is_empty()
    # A preset's own trials, of which no ledger is here.
    assert tuning(replace(small, trials=8), methods, store) is None
    folder = store.root.with_name("study-tuning")
    folder.mkdir(parents=True)
    rows = [("scratch", 0, 100), ("scratch", 1, 100), ("multitask", 0, 300)]
    columns = ["pretraining", "trial", "env_steps"]
    write_table(folder / TUNING_SPENT, pl.DataFrame(rows, schema=columns, orient="row"))
    found = tuning(replace(small, trials=8), methods, store)
    assert found is not None
    assert found["method"].to_list() == ["scratch", "scratch", "multitask", "multitask:none"]
    assert found["env_steps"].to_list() == [100, 100, 300, 300]
    named = pl.DataFrame(rows, schema=columns, orient="row").with_columns(tasks=pl.lit(["toy/room/9"]))
    write_table(folder / TUNING_SPENT, named)
    told = tuning(replace(small, trials=8), methods, store)
    assert told is not None
    assert told["tasks"].to_list() == [["toy/room/9"]] * 4
