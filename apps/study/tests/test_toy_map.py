"""The map's predictions and its cells, on runs whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fvm_eval.claims import Precondition
from study.claims.arms import learned
from study.claims.toy import toy_claims
from study.claims.toy_map import (
    CONTROL,
    EXPLORES,
    MULTITASK,
    RESET,
    RL2,
    SCHEDULES,
    chosen,
    map_claims,
    rows,
    value_after,
)
from study.claims.toy_map_cells import (
    beside,
    best_mean_trial,
    best_of,
    cells_of,
    decided,
    preconditions_of,
    whole_seeds,
)
from study.command_line.arguments import Arguments
from study.errors import StudyError
from study.methods import Method, Row
from study.plan import make_plan, training_folds
from study.presets.toy import MAP_PEARL
from study.presets.toy_map import MAP
from study.resolve import resolve_all
from study.tuning.tuned import TUNED, with_tuned

GRID = {axis: values for axis, values in MAP.grid.items() if axis.startswith("adapt.")}
CHOSEN = {name: "rate 0.005" for name in MAP.methods if name not in ("rl2", "rl2-reset")}
HIDDEN = replace(MAP, grid=GRID, chosen=CHOSEN)
VISIBLE = replace(HIDDEN, family="toy/visible-catch")
STEPS = MAP.evaluation.at
PRETRAINED = (MULTITASK, RL2, CONTROL, *SCHEDULES)
HOLD = {name: Precondition(name, True, "") for name in (*map(learned, PRETRAINED), EXPLORES)}


def value(marks: int, method: str, rate: str, step: int) -> float:
    """Returns a truth in which P1 to P4 hold."""
    late = (step >= 768) * 1.0
    slow = {"rate 0.001": 0.45, "rate 0.0025": 0.7}.get(rate, 0.8)
    if method in ("rl2", "rl2:both"):
        return 0.6
    if method == "rl2-reset":
        return 0.2
    if marks == 4:
        return 0.9 if method == MULTITASK else 0.5 * late
    if method == MULTITASK:
        return 0.2 + 0.1 * late
    if method == RESET:
        return 0.02 + 0.93 * late
    return 0.02 + late * slow


def runs(marks: int, seeds: int = 10) -> pl.DataFrame:
    """Returns runs with so many seeds, as `runs_of` gives them."""
    config = HIDDEN if marks == 0 else VISIBLE
    rng, found = np.random.default_rng(marks), []
    for seed in range(100, 100 + seeds):
        luck = {method.partition(":")[0]: rng.normal(0, 0.02) for method in config.methods}
        for name in config.methods:
            pretraining = name.partition(":")[0]
            for row in rows(config, name):
                cluster = row if pretraining == "scratch" else pretraining
                for task in training_folds(config, seed)["16"].held_out:
                    for step in STEPS:
                        mean = value(marks, name, Row.parse(row).point, step) + luck[pretraining]
                        won = rng.binomial(80, min(max(mean, 0), 1)) / 80
                        found.append((marks, row, seed, seed, f"{cluster}/{seed}", task, step, won, 80))
    names = ["marks", "method", "fold", "seed", "checkpoint", "task", "env_step", "value", "episodes"]
    return pl.DataFrame(found, schema=names, orient="row")


@pytest.fixture(scope="module")
def both() -> pl.DataFrame:
    return pl.concat([runs(0), runs(4)])


def test_predictions_are_supported_where_they_are_true(both: pl.DataFrame) -> None:
    claims = map_claims(HIDDEN, VISIBLE)
    found = decided(claims, cells_of(beside(both), 3_072), HOLD, alpha=0.05)
    assert {one.verdict.claim.id: one.label for one in found} == dict.fromkeys(
        ("P1", "P2", "P3", "P4"), "supported"
    )
    third = found[2].verdict.components[0]
    # (.47 - .3) - (.5 - .9) at rate .001
    assert third.estimate is not None
    assert third.estimate.mean == pytest.approx(0.57, abs=0.03)
    # The largest p of the parts is the prediction's, and Holm's factor is its place among the four.
    ps = sorted((one.p or 0.0, one.adjusted or 0.0) for one in found)
    assert ps[-1][1] == pytest.approx(max(ps[-1][0], 2 * ps[-2][0], 3 * ps[-3][0], 4 * ps[0][0]))


def test_what_turned_out_the_other_way_is_contradicted(both: pl.DataFrame) -> None:
    swapped = both.with_columns(
        value=pl.when(pl.col("method") == "reptile-printed, rate 0.01", pl.col("marks") == 0)
        .then(0.99 - 0.001 * (pl.col("seed") - 100))
        .when(pl.col("method").str.starts_with(RESET), pl.col("marks") == 0)
        .then(pl.col("value") * 0.8)
        .otherwise("value")
    )
    found = decided(map_claims(HIDDEN, VISIBLE), cells_of(beside(swapped), 3_072), HOLD, alpha=0.05)
    assert found[1].label == "contradicted"
    names = [part.component.name for part in found[1].verdict.components if part.contradicted]
    assert len(names) == 1
    assert names[0].startswith("Reptile .1 → 0 + fine-tuning, rate 0.01 −")


def test_a_rival_that_did_not_learn_is_no_rival(both: pl.DataFrame) -> None:
    conditions = {**HOLD, EXPLORES: Precondition(EXPLORES, False, "0.5 of the best")}
    found = decided(map_claims(HIDDEN, VISIBLE), cells_of(beside(both), 3_072), conditions, alpha=0.05)
    assert found[3].label.startswith("undecided")
    assert found[3].verdict.components[-1].doubt == "rival"
    assert found[0].label == "supported"


@pytest.mark.parametrize(
    ("rival", "of_p2", "of_p4"),
    [(SCHEDULES[0], 4, 12), (SCHEDULES[1], 4, 12), (MULTITASK, 0, 24), (CONTROL, 0, 3)],
)
def test_who_has_not_learned_cannot_be_beaten(both: pl.DataFrame, rival: str, of_p2: int, of_p4: int) -> None:
    conditions = {**HOLD, learned(rival): Precondition(learned(rival), False, "0 over random play")}
    found = decided(map_claims(HIDDEN, VISIBLE), cells_of(beside(both), 3_072), conditions, alpha=0.05)
    counts = [sum(part.doubt == "rival" for part in one.verdict.components) for one in found]
    assert (counts[1], counts[3]) == (of_p2, of_p4)  # rates; rates x env steps
    assert found[3].label.startswith("undecided")


def test_fewer_than_five_seeds_decide_nothing(both: pl.DataFrame) -> None:
    few = both.filter(pl.col("seed") < 104)
    found = decided(map_claims(HIDDEN, VISIBLE), cells_of(beside(few), 3_072), HOLD, alpha=0.05)
    assert {one.label.partition(" (")[0] for one in found} == {"undecided: too small"}


def test_what_needs_a_family_that_was_not_run_says_so_and_keeps_its_place(both: pl.DataFrame) -> None:
    found = decided(
        map_claims(HIDDEN, VISIBLE), cells_of(beside(both.filter(marks=0)), 3_072), HOLD, alpha=0.05
    )
    assert found[2].label.startswith("undecided: not run: 4 marks: ")
    assert found[2].p is None
    assert found[0].label == "supported"
    smallest = min(one.p for one in found if one.p is not None)
    assert min(one.adjusted for one in found if one.adjusted is not None) == pytest.approx(4 * smallest)


def test_seeds_count_once_all_their_arms_have_finished(both: pl.DataFrame) -> None:
    lacking = both.filter(~((pl.col("seed") == 103) & (pl.col("method") == "rl2") & (pl.col("marks") == 4)))
    kept = whole_seeds(lacking.filter(marks=4), VISIBLE)
    assert kept["seed"].unique().sort().to_list() == [100, 101, 102, *range(104, 110)]
    assert whole_seeds(lacking.filter(marks=0), HIDDEN)["seed"].n_unique() == 10


def test_what_was_chosen_of_a_pretraining_is_no_row() -> None:
    config = replace(HIDDEN, chosen={**CHOSEN, "rl2": "meta-rate 0.0025"})
    assert chosen(config, "rl2") == "rl2"
    assert chosen(config, RESET) == f"{RESET}, rate 0.005"


def arms(cells: Mapping[str, pl.DataFrame], marks: int) -> dict[str, str]:
    """Returns the arms of a family at their chosen points, and their rows."""
    wanted = [replace(Row(Method.parse(m).name), point=CHOSEN.get(m, "")).name for m in MAP.methods]
    return {f"{marks} marks: {row}": row for row in wanted}


def test_a_cell_names_the_best_arm_where_it_beats_every_other(both: pl.DataFrame) -> None:
    cells = cells_of(beside(both), 3_072)
    early, late = cells[value_after(16)], cells[value_after(3_072)]
    first = best_of(early, arms(early, 0))
    # RL2 with and without gradients are the same agents then.
    assert Row.parse(first.row).method.startswith("rl2")
    assert not first.decided
    assert first.pretraining_decided
    last = best_of(late, arms(late, 0))
    assert (last.row, last.decided) == (f"{RESET}, rate 0.005", True)
    assert last.value == pytest.approx(0.95, abs=0.03)
    few = {arm: mine.filter(pl.col("seed") < 104) for arm, mine in late.items()}
    assert len(best_of(few, arms(late, 0)).open) == len(MAP.methods) - 1


def test_rl2_explores_if_it_comes_near_the_best_mean_trial() -> None:
    tasks = [f"toy/hidden-catch/{level}" for level in range(24)]
    assert best_mean_trial(tasks, 4) == pytest.approx((0.25 + 3) / 4)
    assert best_mean_trial(tasks, 1) == 0.25
    rows_ = [
        (0, RL2, seed, policy, mean, 0.8)
        for seed in range(5)
        for policy, mean in (("agent", 0.65), ("random", 0.02))
    ]
    names = ["marks", "method", "seed", "policy", "value", "optimum"]
    table = pl.DataFrame(rows_, schema=names, orient="row")
    assert preconditions_of(table)[EXPLORES].holds
    worse = table.with_columns(optimum=pl.lit(0.82))
    assert not preconditions_of(worse)[EXPLORES].holds
    assert preconditions_of(table)[learned(RL2)].holds


def test_every_method_pretrains_so_many_times_as_long() -> None:
    asked = Arguments(benchmark="toy", preset="map", set=("game=hidden-catch", "pretraining=.125"))
    (config,) = resolve_all(asked, "quick")
    budgets = {job.method: job.budget_env_steps for job in make_plan(config).jobs if job.kind == "pretrain"}
    assert budgets["multitask"] == 6_912
    assert {steps for method, steps in budgets.items() if "rl2" in method} == {27_648}
    assert next(job.budget_env_steps for job in make_plan(config).jobs if job.kind == "adapt") == 3_072
    for times in ("0", "nan", "-1", "1.00001"):
        with pytest.raises(StudyError, match=f"--set pretraining={times} makes .* env steps"):
            resolve_all(Arguments(benchmark="toy", preset="map", set=(f"pretraining={times}",)), "quick")


def test_how_long_a_method_pretrains_is_not_taken_over_from_a_tuning(tmp_path: Path) -> None:
    settings = {"rl2": {"pretrain": {"learning_rate": 1e-3}, "pretrain_env_steps": 221_184}}
    tuned = {"grid": {}, "settings": settings, "chosen": {}}
    (tmp_path / TUNED).write_text(json.dumps(tuned))
    longer = replace(MAP, settings={"rl2": replace(MAP.settings["rl2"], pretrain_env_steps=5)})
    found = with_tuned(longer, tmp_path).settings["rl2"]
    assert (found.pretrain_env_steps, found.pretrain) == (5, {"learning_rate": 1e-3})
    assert with_tuned(MAP, tmp_path).settings["rl2"].pretrain_env_steps == 221_184


def test_pearls_table_is_decided_at_every_rate_of_what_fine_tunes() -> None:
    assert toy_claims(MAP_PEARL) == []  # its KL is not chosen yet
    hidden = replace(MAP_PEARL, grid={"adapt.learning_rate": (5e-4, 1e-3)})
    ahead = next(claim for claim in toy_claims(hidden) if claim.id == "T6")
    played = {job.method for job in make_plan(hidden).jobs if job.kind == "adapt"}
    named = {arm for part in ahead.components for arm in part.weights}
    assert named == played - {"multitask:none"}
    assert len(ahead.components) == 3 * 2
    rivals = [part.rival_learned for part in ahead.components]
    assert rivals == [[]] * 2 + [[learned("multitask")]] * 4  # scratch has no pretraining
    seen = replace(hidden, family="toy/visible-long-catch", chosen={"scratch": "rate 0.001"})
    assert toy_claims(seen)[0].assay.weights == {"multitask:none": 1, "scratch, rate 0.001": -1}  # type: ignore[union-attr]
