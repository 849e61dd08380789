"""What was predicted of other lengths of pretraining, on runs whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from fvm_eval.claims import Precondition
from study.claims.arms import learned
from study.claims.toy_map import EXPLORES, MULTITASK, RESET, RL2, SCHEDULES, rows
from study.claims.toy_map_cells import Decided, beside, cells_of, decided
from study.claims.toy_pretraining import pretraining_claims
from study.methods import label_of
from study.plan import training_folds
from study.presets.toy_map import MAP

GRID = {axis: values for axis, values in MAP.grid.items() if axis.startswith("adapt.")}
CONFIG = replace(MAP, grid=GRID)
STEPS = (0, 16, 48, 192, 3_072)
PRETRAINED = (MULTITASK, *SCHEDULES, RL2)
HOLD = {name: Precondition(name, True, "") for name in (*map(learned, PRETRAINED), EXPLORES)}


def value(length: str, method: str, step: int) -> float:
    """Returns a truth in which L1 to L4 hold."""
    if method in ("rl2", "rl2:both"):
        return 0.9 if length == "4" else 0.5
    if step < 768:
        return 0.1
    if method == MULTITASK:
        return 0.2 if length == "4" else 0.8
    if method == RESET:
        return 0.9 if length == "4" else 0.7
    return 0.6


@pytest.fixture(scope="module")
def runs() -> pl.DataFrame:
    rng, found = np.random.default_rng(0), []
    for length in ("0.125", "4"):
        for seed in range(100, 110):
            for name in CONFIG.methods:
                pretraining, luck = name.partition(":")[0], rng.normal(0, 0.01)
                for row in rows(CONFIG, name):
                    cluster = row if pretraining == "scratch" else pretraining
                    for task in training_folds(CONFIG, seed)["16"].held_out:
                        for step in STEPS:
                            won = rng.binomial(80, value(length, name, step) + luck) / 80
                            found.append((length, row, seed, seed, f"{cluster}/{seed}", task, step, won, 80))
    names = ["length", "method", "fold", "seed", "checkpoint", "task", "env_step", "value", "episodes"]
    return pl.DataFrame(found, schema=names, orient="row")


def verdicts(runs: pl.DataFrame, conditions: dict[str, Precondition] = HOLD) -> dict[str, Decided]:
    cells = cells_of(beside(runs, "x {}", "length"), 3_072)
    found = decided(pretraining_claims(CONFIG), cells, conditions, alpha=0.05)
    return {one.verdict.claim.id: one for one in found}


def test_predictions_are_supported_where_they_are_true(runs: pl.DataFrame) -> None:
    found = verdicts(runs)
    assert {name: one.label for name, one in found.items()} == dict.fromkeys(
        ("L1", "L2", "L3", "L4"), "supported"
    )
    assert [len(one.verdict.components) for one in found.values()] == [2, 5, 2, 3 * 5 * 4]


def test_the_reverse_lengths_contradict_what_depends_on_them(runs: pl.DataFrame) -> None:
    turned = runs.with_columns(length=pl.col("length").replace({"4": "0.125", "0.125": "4"}))
    found = verdicts(turned)
    assert found["L1"].label == "contradicted"
    assert found["L2"].label == "contradicted"
    assert found["L3"].label.startswith("undecided: no assay sensitivity")  # of L1's first part
    assert all(part.passed for part in found["L3"].verdict.components)  # as near to each other either way


def test_rl2_that_does_not_explore_decides_nothing(runs: pl.DataFrame) -> None:
    found = verdicts(runs, {**HOLD, EXPLORES: Precondition(EXPLORES, False, "0.64 of the best")})
    assert found["L4"].label.startswith("undecided: ")
    assert "0.64 of the best" in found["L4"].label
    assert found["L1"].label == "supported"


def test_a_rival_that_did_not_learn_is_no_rival(runs: pl.DataFrame) -> None:
    name = learned(SCHEDULES[1])
    found = verdicts(runs, {**HOLD, name: Precondition(name, False, "0 over random play")})
    doubted = [part.component.name for part in found["L4"].verdict.components if part.doubt == "rival"]
    assert len(doubted) == 3 * 4  # env steps x rates
    assert all(label_of(SCHEDULES[1]) in part for part in doubted)
    assert found["L1"].label == "supported"
