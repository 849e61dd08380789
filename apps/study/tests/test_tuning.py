from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from fvm_learners import PPOConfig
from study.command_line.cli import run
from study.config import Evaluation, Phase, StudyConfig
from study.learners import kind_of
from study.methods import Method
from study.plan import make_plan
from study.presets import rlbench, toy
from study.registry import registered
from study.tuning.trials import FIRST_SEED, Tuning, candidates

PPO = PPOConfig(num_steps=4, num_epochs=1, num_minibatches=2, network="minatar")
LITTLE = replace(
    toy.QUICK,
    seeds=1,
    train_sizes=(4,),
    held_out=(20,),
    pretrain=Phase(env_steps=384, num_envs=8, learner=PPO),
    adapt=Phase(env_steps=256, num_envs=8, learner=PPO),
    evaluation=Evaluation(snapshots=1, episodes=4, training_tasks=2, training_episodes=2, max_steps=20),
)


def test_the_first_trial_is_the_presets_own_and_more_trials_keep_the_others() -> None:
    four = candidates(LITTLE, "reptile", 4)
    assert four[0] == LITTLE.settings.get("reptile", type(four[0])())
    assert candidates(LITTLE, "reptile", 6)[:4] == four
    assert len({str(settings) for settings in four}) == 4
    other = candidates(replace(LITTLE, family="toy/hidden-catch"), "reptile", 4)
    assert other[1:] != four[1:]


def test_reptiles_own_schedule_is_tuned_and_a_named_one_stays() -> None:
    drawn = [settings.config["eps_schedule"] for settings in candidates(LITTLE, "reptile", 20)[1:]]
    assert all(0.1 <= start <= 1 and end in (0, start, 1) for start, end in drawn)
    assert len(set(drawn)) > 10
    assert all("eps_schedule" not in s.config for s in candidates(LITTLE, "reptile-authors", 5))


def test_every_method_has_the_same_trials_on_validation_tasks_with_seeds_of_their_own() -> None:
    config = replace(LITTLE, methods=("scratch", "multitask", "multitask:none", "reptile", "rl2"))
    tuning = Tuning(config, 3)
    counts = {name: 0 for name, _ in tuning.grid}
    for name, _ in tuning.grid:
        counts[name] += 1
    assert counts == {"scratch": 3, "multitask": 3, "reptile": 3, "rl2": 3}
    validation = {config.task_id(level) for level in config.validation}
    held_out = {config.task_id(level) for level in config.held_out}
    study_keys = {job.key for job in make_plan(config).jobs}
    for job in tuning.plan.jobs:
        assert job.seed >= FIRST_SEED
        assert job.key not in study_keys
        if job.kind == "adapt":
            assert job.spec["task"] in validation
        else:
            assert held_out.isdisjoint(job.spec["tasks"])


def test_every_method_can_be_tuned_with_every_learner_or_none_can() -> None:
    tuned = {learner for kind in registered().methods.values() for learner in kind.tuning}
    assert {"ppo", "rainbow"} <= tuned
    for benchmark in registered().benchmarks.values():
        for config in benchmark.presets.values():
            for name in {Method.parse(method).pretraining for method in config.methods}:
                if kind_of(config.adapt.learner).name not in tuned:
                    with pytest.raises(ValueError, match="does not say what to tune with"):
                        candidates(config, name, 5)
                    continue
                trials = candidates(config, name, 5)
                assert len({str(settings) for settings in trials}) == 5


def test_the_best_trial_wins_and_the_earlier_of_two_equal_ones() -> None:
    tuning = Tuning(LITTLE, 3)
    scores = {name: [0.1, 0.4, 0.4] for name in ("scratch", "multitask", "reptile", "rl2")}
    scores["rl2"] = [0.2, 0.1, 0.0]
    chosen = tuning.choose(scores)
    assert chosen.settings["multitask"] == tuning.grid["multitask", 1][0]
    assert chosen.settings["rl2"] == LITTLE.settings["rl2"]
    assert chosen.trials == 3


@pytest.mark.parametrize(
    ("config", "trials", "words"),
    [(LITTLE, 0, "--tune 0"), (replace(LITTLE, validation=()), 2, "no validation levels")],
)
def test_what_cannot_be_tuned_is_refused(config: StudyConfig, trials: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Tuning(config, trials)


def test_a_tuned_study_enters_its_trials_in_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(toy.PRESETS, "little", replace(LITTLE, preset="little"))
    output = tmp_path / "study"
    line = "--benchmark toy --game visible-catch --preset little --tune 2 --workers 0 --no-tracking"
    assert run([*line.split(), "--output", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "2 trials of each method on 2 validation levels" in " ".join(shown.split())
    trials = pl.read_csv(tmp_path / "study-tuning" / "trials.csv")
    assert trials["pretraining"].value_counts()["count"].to_list() == [2, 2, 2, 2]
    spent = pl.read_parquet(tmp_path / "study-tuning" / "spent.parquet")
    costs = (tmp_path / "study-tuning" / "jobs").glob("*/costs.json")
    counted = [
        json.loads(path.read_text())["env_steps"] for path in costs
    ]  # by the envs of the jobs that ran
    assert spent["env_steps"].sum() == sum(counted)
    assert (spent["env_steps"] > 0).all()
    page = (output / "report" / "report.html").read_text()
    assert "2 trials of" in page  # the checklist counts the jobs that ran; pretrained methods took more steps
    assert "RL²: 4 trials a lifetime" in shown
    before = (output / "results.parquet").read_bytes()
    assert run([*line.split(), "--output", str(output)]) == 0  # nothing is tuned or trained twice
    assert (output / "results.parquet").read_bytes() == before
    assert "are finished from before" in capsys.readouterr().out


def test_a_study_of_folds_is_tuned_on_the_first_ones_validation_tasks() -> None:
    config = rlbench.SMALL
    jobs = Tuning(config, 2).plan.jobs
    adapted = {job.spec["task"] for job in jobs if job.kind == "adapt"}
    assert adapted == {f"rlbench/{task}" for task in rlbench.VALIDATION_TASKS}
    trained = {task for job in jobs if job.kind == "pretrain" for task in job.spec["tasks"]}
    assert trained == set(config.folds[0].train)
    assert not {job.key for job in jobs} & {job.key for job in make_plan(config).jobs}
