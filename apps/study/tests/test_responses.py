"""Tuning by a grid: what is chosen, when the grid widens, what is counted."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from fvm_learners import PPOConfig
from study.cli import run
from study.config import Phase, Settings
from study.errors import StudyError
from study.grid import read_grid
from study.presets import toy
from study.presets.rlbench import PLAYERS_PRESET
from study.presets.toy_map import MAP
from study.responses import (
    FIRST_SEED,
    best_points,
    curves,
    seeds_of,
    settings_of,
    trials_of,
    tuned_arms,
    widened,
)
from study.tuned import read_tuned, with_tuned

FEW = replace(MAP, methods=("scratch", "multitask", "rl2", "rl2-reset", "rl2:both"))
PPO = PPOConfig(num_steps=4, num_epochs=1, num_minibatches=2, network="minatar")
TINY = replace(
    FEW,
    preset="tiny",
    methods=("scratch", "rl2", "rl2:both"),
    seeds=2,
    looks=(2,),
    split=(2, 1, 2),
    grid={"adapt.learning_rate": (1e-3, 5e-3, 1e-2), "pretrain.learning_rate": (1e-3, 2.5e-3, 5e-3)},
    pretrain=Phase(env_steps=64, num_envs=8, learner=PPO),
    adapt=Phase(env_steps=64, num_envs=8, learner=PPO),
    settings={"rl2": Settings(config={"trials": 2}, learner={"recurrent": True}, pretrain_env_steps=128)},
    evaluation=replace(
        MAP.evaluation, at=(0, 64), episodes=4, training_tasks=1, training_episodes=1, lifetimes=1, trials=2
    ),
)


def table(**scores: tuple[float, ...]) -> pl.DataFrame:
    """Returns runs of one task and two seeds that score this much, .1 apart, at the points in turn."""
    rates = [f"rate {rate:g}" for rate in MAP.grid["adapt.learning_rate"]]
    rows = [
        (method, rates[i], seed, "a", value + sign * 0.05, 4)
        for method, values in scores.items()
        for i, value in enumerate(values)
        for seed, sign in ((1, 1), (2, -1))
    ]
    names = ["method", "point", "seed", "task", "value", "episodes"]
    return pl.DataFrame(rows, schema=names, orient="row")


def test_who_is_tuned_and_in_which_order() -> None:
    # RL2's control takes over what RL2 chose, and RL2 comes before what starts from it.
    assert [method.name for method in tuned_arms(FEW)] == ["rl2", "scratch", "multitask", "rl2:both"]


def test_tuning_env_steps_are_as_equal_as_whole_seeds_are() -> None:
    assert {method.name: seeds_of(FEW, method, 420_000) for method in tuned_arms(FEW)} == {
        "scratch": 8,  # 4 rates x 4 orders x 3,072 = 49,152 env steps a seed
        "multitask": 4,  # and 55,296: 104,448
        "rl2": 1,  # 2 x 221,184 = 442,368, and some lifetimes
        "rl2:both": 1,  # 221,184 + 49,152
    }
    plan = trials_of(FEW, tuned_arms(FEW)[1], 3)
    assert {job.seed for job in plan.jobs} == {FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2}


def test_a_grid_in_words_has_numbers_of_the_settings_in_rising_order() -> None:
    words = ["adapt.learning_rate=5e-3,1e-3", "pretrain.num_epochs=2,1,2", "config.trials=2,4"]
    assert read_grid(TINY, words) == {
        "adapt.learning_rate": (1e-3, 5e-3),
        "pretrain.num_epochs": (1, 2),
        "config.trials": (2, 4),
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["adapt.lerning_rate=1,2"], "unknown axis of a grid 'adapt.lerning_rate'; did you mean"),
        (["adapt.network=1,2"], "unknown axis"),
        (["adapt.learning_rate"], "give two different numbers or more, as in adapt.learning_rate=1,2"),
        (["adapt.learning_rate=1e-3,1e-3"], "give two different numbers"),
        (["adapt.learning_rate=1e-3,nan"], "give two different numbers"),
        (["adapt.discount=.9,2"], "discount=2.0: give a number from 0 to 1"),
        (["adapt.num_epochs=1,2.5"], "give two different whole numbers"),
        (["adapt.learning_rate=1e-3,2e-3"] * 2, "came twice"),
    ],
)
def test_a_grid_that_is_none_is_a_sentence(words: list[str], said: str) -> None:
    with pytest.raises(StudyError, match=re.escape(said)):
        read_grid(TINY, words)


def test_players_have_no_grid() -> None:
    with pytest.raises(StudyError, match="nothing learns in preset players of rlbench: leave --grid out"):
        read_grid(PLAYERS_PRESET, ["adapt.learning_rate=1,2"])


@pytest.mark.parametrize(
    ("values", "scores", "after"),
    [
        ((0.0, 0.1), (0.1, 0.5), (0.0, 0.1, 0.2)),  # no ratio to zero: twice
        ((0.0, 0.1), (0.5, 0.1), (0.0, 0.1)),  # nothing lies below zero
        ((1, 2), (0.5, 0.1), (1, 2)),  # nor between 0 and 1 of whole numbers
        ((1, 2), (0.1, 0.5), (1, 2, 4)),
    ],
)
def test_a_grid_widens_by_ratio_where_there_is_one(
    values: tuple[float, ...], scores: tuple[float, ...], after: tuple[float, ...]
) -> None:
    config = replace(FEW, grid={"adapt.entropy_coef": values})
    found = pl.DataFrame({"method": "scratch", "adapt.entropy_coef": list(values), "mean": list(scores)})
    assert widened(config, found) == {"adapt.entropy_coef": after}


def test_a_curve_has_a_mean_for_each_point_and_paired_errors_between_neighbours() -> None:
    found = curves(FEW, table(scratch=(0.1, 0.4, 0.6, 0.5)))
    assert found["mean"].to_list() == pytest.approx([0.1, 0.4, 0.6, 0.5])
    assert found["adapt.learning_rate"].to_list() == list(MAP.grid["adapt.learning_rate"])
    # Both seeds differ by the same from point to point: paired, the spread between seeds is gone.
    assert found["se_to_next"].to_list()[:3] == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)
    assert found["se_to_next"].to_list()[3] is None
    shifted = table(scratch=(0.1, 0.4, 0.6, 0.5)).with_columns(
        value=pl.when((pl.col("seed") == 1) & (pl.col("point") == "rate 0.001"))
        .then(pl.col("value") + 0.2)
        .otherwise("value")
    )
    # Differences .1 (seed 1: .35 - .45) and .3 (seed 2): sd .1 sqrt 2, over sqrt 2.
    assert curves(FEW, shifted)["se_to_next"][0] == pytest.approx(0.1)
    assert best_points(found) == {"scratch": "rate 0.005"}


@pytest.mark.parametrize(
    ("scores", "rates"),
    [
        ((0.1, 0.4, 0.6, 0.5), (1e-3, 2.5e-3, 5e-3, 1e-2)),
        ((0.1, 0.4, 0.6, 0.61), (1e-3, 2.5e-3, 5e-3, 1e-2)),  # a plateau
        ((0.1, 0.4, 0.6, 0.63), (1e-3, 2.5e-3, 5e-3, 1e-2, 2e-2)),
        ((0.9, 0.4, 0.6, 0.5), (4e-4, 1e-3, 2.5e-3, 5e-3, 1e-2)),
    ],
)
def test_an_optimum_at_the_edge_widens_the_grid(scores: tuple[float, ...], rates: tuple[float, ...]) -> None:
    grid = widened(FEW, curves(FEW, table(scratch=(0.1, 0.4, 0.6, 0.5), multitask=scores)))
    assert grid["adapt.learning_rate"] == rates
    assert grid["pretrain.learning_rate"] == MAP.grid["pretrain.learning_rate"]


def test_a_control_takes_over_what_its_method_chose() -> None:
    settings = settings_of(FEW, {"rl2": "meta-rate 0.00125", "scratch": "rate 0.01"})
    assert settings["rl2"].pretrain == settings["rl2-reset"].pretrain == {"learning_rate": 1.25e-3}
    assert settings["rl2"].config == {"trials": 4}
    assert settings["rl2-reset"].config == {}


def test_a_study_takes_over_its_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(toy.PRESETS, "tiny", TINY)
    words = "--benchmark toy --preset tiny --game hidden-catch --workers 0 --no-tracking"
    study = words.split()
    assert run(["tune", *study, "--output", str(tmp_path / "tuning"), "--env-steps", "500"]) == 0
    tuned = read_tuned(tmp_path / "tuning")
    assert tuned.grid.keys() == TINY.grid.keys()
    assert set(tuned.chosen) == {"scratch", "rl2", "rl2:both"}
    spent = pl.read_parquet(tmp_path / "tuning" / "spent.parquet")
    assert spent.filter(method="scratch", kind="adapt")["env_steps"].unique().to_list() == [64]
    responses = pl.read_parquet(tmp_path / "tuning" / "responses.parquet")
    assert responses["seed"].min() == FIRST_SEED
    config = with_tuned(TINY, tmp_path / "tuning")
    assert config.settings["rl2"].pretrain["learning_rate"] in tuned.grid["pretrain.learning_rate"]
    assert "pretrain.learning_rate" not in config.grid
    assert run([*study, "--tuned", str(tmp_path / "tuning"), "--output", str(tmp_path / "study")]) == 0
    results = pl.read_parquet(tmp_path / "study" / "results.parquet")
    rates = [f"scratch, rate {rate:g}" for rate in tuned.grid["adapt.learning_rate"]]
    assert set(rates) <= set(results["method"])
    assert results.filter(method="rl2")["seed"].unique().sort().to_list() == [100, 101]
    with pytest.raises(StudyError, match="run `study tune` first"):
        with_tuned(TINY, tmp_path)
