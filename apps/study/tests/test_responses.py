"""Tuning by a grid: what is chosen, when the grid widens, what is counted."""

from __future__ import annotations

import re
from dataclasses import replace
from math import log2
from pathlib import Path

import polars as pl
import pytest
from fvm_learners import PPOConfig
from study.command_line.cli import run
from study.command_line.commands import run_command
from study.config import Phase, Settings, StudyConfig
from study.errors import StudyError
from study.folder.store import Store
from study.measures.responses import note
from study.methods import Method
from study.plan import Plan
from study.presets import toy
from study.presets.rlbench import PLAYERS_PRESET
from study.presets.toy_map import MAP
from study.tuning.grid import Point, points_of, read_grid
from study.tuning.responses import (
    FIRST_SEED,
    best_points,
    curves,
    next_points,
    seeds_of,
    settings_of,
    trials_of,
    tuned_arms,
    unsure,
    widened,
)
from study.tuning.tuned import read_tuned, with_tuned

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


def test_a_curve_is_the_same_to_the_last_bit_each_time() -> None:
    seeds = scored(40, 0.1, 0.23, 0.31)  # a sum that depends on its order
    config = replace(FEW, methods=("scratch",), grid={"adapt.learning_rate": (1e-3, 2e-3)})
    assert len({tuple(curves(config, seeds)["mean"]) for _ in range(30)}) == 1


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


def scored(seeds: int, *gaps: float) -> pl.DataFrame:
    """Returns scratch's runs at two rates; the second is ahead by one of `gaps` in turn."""
    rows = [
        ("scratch", f"rate {rate:g}", seed, "a", gaps[seed % len(gaps)] * (rate > 1e-3), 4)
        for seed in range(seeds)
        for rate in (1e-3, 2e-3)
    ]
    names = ["method", "point", "seed", "task", "value", "episodes"]
    return pl.DataFrame(rows, schema=names, orient="row")


@pytest.mark.parametrize(
    ("seeds", "gaps", "left"),
    [
        (3, (0.1,), []),
        (2, (0.1,), ["scratch"]),  # no spread of two is luck
        (4, (0.0, 0.1), []),  # sd .0577 over sqrt 4 = .0289
        (3, (0.0, 0.1), ["scratch"]),  # .0577 over sqrt 3 = .0333
    ],
)
def test_neighbours_that_cannot_be_told_apart_are_named(
    seeds: int, gaps: tuple[float, ...], left: list[str]
) -> None:
    config = replace(FEW, methods=("scratch",), grid={"adapt.learning_rate": (1e-3, 2e-3)})
    assert unsure(config, curves(config, scored(seeds, *gaps)), 0.03) == left
    one = replace(config, grid={"adapt.learning_rate": (1e-3,)})
    assert unsure(one, curves(one, scored(seeds, *gaps).with_columns(point=pl.lit(""))), 0.03) == []


def test_neighbours_differ_in_one_setting_by_one_value() -> None:
    grid = {"adapt.learning_rate": (1e-3, 2e-3), "adapt.entropy_coef": (0.01, 0.02, 0.05)}
    after = next_points(points_of(replace(FEW, grid=grid), Method.parse("scratch")))
    assert after["entropy 0.01 rate 0.001"] == ["entropy 0.02 rate 0.001", "entropy 0.01 rate 0.002"]
    assert after["entropy 0.01 rate 0.002"] == ["entropy 0.02 rate 0.002"]
    assert after["entropy 0.05 rate 0.002"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--env-steps 0", "--env-steps is 0; it must be at least 1"),
        ("--env-steps 500 --most-env-steps 400", "--most-env-steps is 400; it must be at least 500"),
        ("--error nan", "--error nan: give a number above 0"),
        ("--error 0", "--error 0.0: give a number above 0"),
        ("--widenings -1", "--widenings is -1; it must be at least 0"),
        ("--widenings 101", "--widenings is 101; it can be at most 100"),
    ],
)
def test_an_effort_that_is_none_is_a_sentence(words: str, said: str) -> None:
    with pytest.raises(StudyError, match=re.escape(said)):
        run_command("tune", ["--benchmark", "toy", "--preset", "map", *words.split()])


def test_a_dry_run_of_a_tuning_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(toy.PRESETS, "tiny", replace(TINY, methods=("scratch",)))
    line = "tune --benchmark toy --preset tiny --game hidden-catch --workers 1 --dry-run --env-steps 500"
    assert run([*line.split(), "--output", str(tmp_path / "tuning")]) == 0
    assert not list(tmp_path.iterdir())
    said = capsys.readouterr().out
    assert "6 jobs" in said
    assert "384" in said  # 2 seeds of 3 rates x 64 env steps
    assert "up to 4 times as much until neighbouring points' standard error is 0.03" in said


def test_seeds_are_added_until_neighbours_can_be_told_apart_or_the_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = replace(TINY, methods=("scratch",), grid={"adapt.learning_rate": (1e-3, 5e-3)})
    monkeypatch.setitem(toy.PRESETS, "tiny", one)
    line = "tune --benchmark toy --preset tiny --game hidden-catch --workers 0 --env-steps 128"
    tune = [*line.split(), "--output", str(tmp_path)]
    assert run([*tune, "--most-env-steps", "128"]) == 0
    first = read_tuned(tmp_path)
    assert (first.env_steps, first.unsure) == (128, ("scratch",))  # one seed of 2 rates x 64 env steps
    before = {path.name for path in (tmp_path / "jobs").iterdir()}
    assert run([*tune, "--error", "1"]) == 0  # by default up to four times as much
    tuned = read_tuned(tmp_path)
    assert (tuned.env_steps, tuned.unsure) == (512, ())  # two seeds were too few, four are not
    assert "256 env steps for every method" in capsys.readouterr().out
    assert pl.read_parquet(tmp_path / "curves.parquet")["seeds"].to_list() == [4, 4]
    spent = pl.read_parquet(tmp_path / "spent.parquet")
    assert spent["env_steps"].sum() == 512
    assert before < {path.name for path in (tmp_path / "jobs").iterdir()}
    assert len(list((tmp_path / "jobs").iterdir())) == len(spent) == 2 * 4
    other = [*line.split(), "--output", str(tmp_path / "other"), "--cache", str(tmp_path)]
    capsys.readouterr()
    assert run([*other, "--most-env-steps", "128"]) == 0
    shown = capsys.readouterr().out
    assert "2 finished jobs taken from other studies" in shown
    assert "2 of 2 jobs are finished from before" in shown


def test_trials_of_a_grid_that_was_given_up_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replace(TINY, methods=("scratch",), grid={"adapt.learning_rate": (1e-3, 5e-3)})
    monkeypatch.setitem(toy.PRESETS, "tiny", one)
    monkeypatch.setattr("study.tuning.tune.widened", wider_once)
    line = "tune --benchmark toy --preset tiny --game hidden-catch --workers 0 --env-steps 128"
    tune = [*line.split(), "--most-env-steps", "128", "--output", str(tmp_path)]
    assert run(tune) == 0
    whole = (tmp_path / "spent.parquet").read_bytes()
    assert len(pl.read_parquet(tmp_path / "spent.parquet")) == 3
    assert run([*tune, "--widenings", "0"]) == 0
    assert len(read_tuned(tmp_path).grid["adapt.learning_rate"]) == 2
    assert (tmp_path / "spent.parquet").read_bytes() == whole
    (tmp_path / "trials.json").write_text("{}")
    with pytest.raises(StudyError, match=r"trials\.json is damaged .*nothing that has run is lost"):
        run_command("tune", tune[1:])
    (tmp_path / "trials.json").unlink()
    assert run([*tune, "--widenings", "0"]) == 0
    assert len(pl.read_parquet(tmp_path / "spent.parquet")) == 2  # what is not in the ledger is not known


def wider_once(config: StudyConfig, found: pl.DataFrame) -> dict[str, tuple[float, ...]]:
    """Returns the grid with one rate more than it began with."""
    return {axis: (*values[:2], 2.5e-2) for axis, values in config.grid.items()}


def test_a_study_takes_over_its_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(toy.PRESETS, "tiny", TINY)
    words = "--benchmark toy --preset tiny --game hidden-catch --workers 0 --no-tracking"
    study = words.split()
    tune = ["tune", *study, "--output", str(tmp_path / "tuning"), "--env-steps", "500"]
    assert run([*tune, "--most-env-steps", "500"]) == 0
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


def tuned_to(
    best: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str = ""
) -> dict[str, tuple[float, ...]]:
    """Returns the grid that a tuning leaves where scores fall by .05 for each doubling away from the best."""

    def made_up(config: StudyConfig, plans: dict[str, Plan], store: Store) -> pl.DataFrame:
        def score(point: Point) -> float:
            return -0.05 * sum(abs(log2(value / best[axis])) for axis, value in point.values.items())

        rows = [
            (name, point.name, seed, "a", score(point), 4)
            for name in plans
            for point in points_of(config, Method.parse(name))
            for seed in range(3)
        ]
        names = ["method", "point", "seed", "task", "value", "episodes"]
        return pl.DataFrame(rows, schema=names, orient="row")

    monkeypatch.setattr("study.tuning.tune.responses", made_up)
    monkeypatch.setattr("study.tuning.tune.run_jobs", lambda *given: None)
    monkeypatch.setattr("study.tuning.tune.spent", lambda plans, store: pl.DataFrame())
    monkeypatch.setitem(toy.PRESETS, "tiny", replace(TINY, methods=("scratch", "rl2")))
    line = "tune --benchmark toy --preset tiny --game hidden-catch --workers 0 --env-steps 500 --output"
    assert run([*line.split(), str(tmp_path), *more.split()]) == 0
    return dict(read_tuned(tmp_path).grid)


def test_each_axis_widens_until_its_optimum_lies_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = {"adapt.learning_rate": 4e-2, "pretrain.learning_rate": 1.6e-4}
    assert tuned_to(rates, tmp_path, monkeypatch) == {
        "adapt.learning_rate": (1e-3, 5e-3, 1e-2, 2e-2, 4e-2, 8e-2),
        "pretrain.learning_rate": (6.4e-5, 1.6e-4, 4e-4, 1e-3, 2.5e-3, 5e-3),
    }
    assert read_tuned(tmp_path).edges == ()
    assert "still lies at the edge" not in capsys.readouterr().out


@pytest.mark.parametrize(("often", "last"), [(0, 1e-2), (1, 2e-2), (2, 4e-2)])
def test_an_axis_widens_as_often_as_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, often: int, last: float
) -> None:
    far = {"adapt.learning_rate": 1e3, "pretrain.learning_rate": 2.5e-3}
    grid = tuned_to(far, tmp_path, monkeypatch, f"--widenings {often}")
    assert grid["adapt.learning_rate"][-1] == last
    assert read_tuned(tmp_path).edges == ("adapt.learning_rate",)


def test_an_optimum_that_stays_at_the_edge_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    far = {"adapt.learning_rate": 1e3, "pretrain.learning_rate": 2.5e-3}
    assert tuned_to(far, tmp_path, monkeypatch)["adapt.learning_rate"][-1] == pytest.approx(0.64)
    tuned = read_tuned(tmp_path)
    assert tuned.edges == ("adapt.learning_rate",)
    said = "a best point still lies at the edge of adapt.learning_rate: tune again with a wider --grid"
    assert said in capsys.readouterr().out
    found = pl.read_parquet(tmp_path / "curves.parquet")
    assert note(found, tuned).endswith("; some optimum lay at the edge of adapt.learning_rate.")
    assert "edge" not in note(found, replace(tuned, edges=()))
