"""Which network and which updates Procgen's `quick` preset should have, chosen on validation levels.

    OMP_NUM_THREADS=1 python benchmarks/quick_preset.py FOLDER [NUMBER ...]    # scores by the first rule
    OMP_NUM_THREADS=1 python benchmarks/quick_preset.py FOLDER second          # scores by the second rule
    OMP_NUM_THREADS=1 python benchmarks/quick_preset.py FOLDER seconds         # what it takes, in turns

Trains from scratch and by multi-task pretraining + fine-tuning with each candidate; the first four validation
levels stand where held-out ones would. The rules, each fixed before its runs, are in docs/benchmarks.md ("The
default study"). By the first one, three seeds, numbers 1, 2 and 3 will not do. The second one asks what the
study is for, of number 4, on six seeds that nothing else uses; number 5 differs from it in RL2 alone.
Number 0 is what `quick` was, number 4 what it is since.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
from fvm_learners.ppo.ppo import PPO
from scipy.stats import t as student
from study.config import Evaluation, Settings, StudyConfig
from study.jobs.environments import make_envs
from study.presets.procgen import EASY_VALIDATION, QUICK, SMALL
from study.run import Options, run

LEVELS = 4
# `quick` as it was: `small` learns so still.
BEFORE = replace(
    QUICK,
    pretrain=replace(SMALL.pretrain, env_steps=QUICK.pretrain.env_steps),
    adapt=SMALL.adapt,
    settings=SMALL.settings,
)
FRESH = 100  # the first of the second rule's seeds
SEEDS = 6
# Standard deviations between seeds before, pooled over two records: number 0's three seeds on these levels,
# and a default study's three on held-out ones.
SD_BEFORE = {"multi-task, final": 1.53, "multi-task - scratch": 1.49}
MOST = 0.58  # of the processor seconds before
# Worker seconds of that default study, by what a preset's network and updates change; the rest is played.
SHARES = {"pretrain": 764.4, "pretrain rl2": 609.8, "adapt": 799.4, "played": 228.9}
ROUNDS = 9


def variant(
    network: str,
    epochs: tuple[int, int],
    minibatches: tuple[int, int],
    recurrent: Mapping[str, Any] | None = None,
    **changed: Any,
) -> StudyConfig:
    """Returns `quick` on validation levels with a network, and epochs and minibatches of both phases.

    Args:
        network: Of all learners.
        epochs: Of pretraining and of adaptation.
        minibatches: Likewise.
        recurrent: What is different in RL2's learner.
        changed: Other fields of the config.
    """
    phases = {}
    for name, phase, passes, parts in zip(
        ("pretrain", "adapt"), (QUICK.pretrain, QUICK.adapt), epochs, minibatches, strict=True
    ):
        learner = replace(phase.learner, network=network, num_epochs=passes, num_minibatches=parts)
        phases[name] = replace(phase, learner=learner)
    rl2 = BEFORE.settings["rl2"]
    fields: dict[str, Any] = {
        "methods": ("scratch", "multitask"),
        "held_out": EASY_VALIDATION[:LEVELS],
        "validation": EASY_VALIDATION[LEVELS:],
        "settings": {"rl2": Settings(config=rl2.config, learner={**rl2.learner, **(recurrent or {})})},
        **phases,
    }
    return replace(QUICK, **{**fields, **changed})


def fresh(recurrent: Mapping[str, Any]) -> StudyConfig:
    """Returns number 2 on fresh seeds, played before and after adaptation, with another RL2."""
    ends: Evaluation = replace(QUICK.evaluation, snapshots=1, new_levels=0)
    return variant(
        "nature-halved", (1, 2), (32, 16), recurrent, seeds=SEEDS, first_seed=FRESH, evaluation=ends
    )


CANDIDATES = {
    "nature-small, 2 and 4 epochs of 256 samples": variant("nature-small", (2, 4), (16, 8), settings={}),
    "nature-halved, 2 and 4 epochs of 256 samples": variant("nature-halved", (2, 4), (16, 8), settings={}),
    # As many optimiser steps of half the samples.
    "nature-halved, 1 and 2 epochs of 128 samples": variant("nature-halved", (1, 2), (32, 16), settings={}),
    "nature-small, 1 and 2 epochs of 128 samples": variant("nature-small", (1, 2), (32, 16), settings={}),
    # An LSTM is slow on two slots: RL2 keeps minibatches of four.
    "number 2, RL2 with 1 epoch of 256 samples": fresh({"num_minibatches": 16}),
    "number 4, RL2's LSTM of 64": fresh({"num_minibatches": 16, "lstm_size": 64}),
}
NAMES = list(CANDIDATES)


def seed_means(folder: Path, last: int) -> dict[str, np.ndarray]:
    """Returns mean scores over the levels by seed, [S]: scratch and multi-task at the end, and zero-shot."""
    results = pl.read_parquet(folder / "results.parquet", glob=False)
    means = results.group_by("method", "seed", "env_step").agg(pl.mean("score")).sort("seed")

    def of(method: str, env_step: int) -> np.ndarray:
        rows = means.filter((pl.col("method") == method) & (pl.col("env_step") == env_step))
        return rows["score"].to_numpy()

    return {
        "scratch, final": of("scratch", last),
        "multi-task, final": of("multitask", last),
        "zero-shot": of("multitask", 0),
    }


def first_rule(folder: Path, numbers: set[int]) -> None:
    """Runs those of the first four candidates that are not finished and prints what each reached."""
    for number in sorted(numbers):
        config = CANDIDATES[NAMES[number]]
        run(config, Options(output=folder / str(number)))
        costs = pl.read_parquet(folder / str(number) / "costs.parquet")
        print(f"\n{NAMES[number]}: {costs['wall_s'].sum():.0f} s of jobs")
        for name, means in seed_means(folder / str(number), config.adapt.env_steps).items():
            print(f"{name:18} {means.mean():.2f}, sd {means.std(ddof=1):.2f}")


def second_rule(folder: Path) -> None:
    """Runs number 4 on fresh seeds as far as it is not finished, and prints its three parts."""
    config = CANDIDATES[NAMES[4]]
    run(config, Options(output=folder / "second", workers=1, tracking=False, plain=True))
    of = seed_means(folder / "second", config.adapt.env_steps)
    of["multi-task - zero-shot"] = of["multi-task, final"] - of["zero-shot"]
    of["multi-task - scratch"] = of["multi-task, final"] - of["scratch, final"]
    for name, means in of.items():
        sd = means.std(ddof=1)
        half = student.ppf(0.975, SEEDS - 1) * sd / SEEDS**0.5
        print(f"{name:22} {means.mean():5.2f} [{means.mean() - half:.2f}, {means.mean() + half:.2f}]", end="")
        print(f", sd {sd:.2f}" + (f", before {SD_BEFORE[name]:.2f}" if name in SD_BEFORE else ""))


def seconds() -> None:
    """Prints what iterations take before and with the candidates, in turns, and the whole study's ratio."""
    compared = {"before": BEFORE, "4": CANDIDATES[NAMES[4]], "5": CANDIDATES[NAMES[5]]}
    learners: dict[tuple[str, str], tuple[PPO, Any]] = {}
    tasks = [f"{QUICK.family}/{level}" for level in range(QUICK.train_sizes[0])]
    for name, config in compared.items():
        memory, pretrain, adapt = config.settings["rl2"], config.pretrain, config.adapt
        if name != "5":
            learners["pretrain", name] = learner_of(pretrain.learner, pretrain.num_envs, tasks, 0)
            learners["adapt", name] = learner_of(adapt.learner, adapt.num_envs, tasks, 0)
        recurrent = replace(pretrain.learner, **memory.learner)
        trials = int(memory.config["trials"])
        learners["pretrain rl2", name] = learner_of(recurrent, pretrain.num_envs, tasks, trials)
    took: dict[tuple[str, str], list[float]] = {key: [] for key in learners}
    for _ in range(ROUNDS + 1):
        for key, (learner, envs) in learners.items():
            before = time.process_time()
            learner.iteration(envs)
            took[key].append(time.process_time() - before)
    ratios: dict[str, float] = {}
    for name in ("4", "5"):
        for kind in (kind for kind, of in learners if of == name):
            pairs = zip(took[kind, name][1:], took[kind, "before"][1:], strict=True)  # the first warms up
            each = [new / old for new, old in pairs]
            ratios[kind] = median(each)
            spread = f"{min(each):.2f} to {max(each):.2f}"
            print(f"number {name}, {kind}: {ratios[kind]:.2f} of before ({spread})")
        whole = sum(share * ratios.get(part, 1.0) for part, share in SHARES.items()) / sum(SHARES.values())
        print(f"number {name}, the default study: {whole:.2f} of before, {MOST} asked for")


def learner_of(config: Any, num_envs: int, tasks: list[str], trials: int) -> tuple[PPO, Any]:
    """Returns a learner and its envs, with lifetimes of so many trials if any."""
    options = dict(QUICK.env_options)
    if trials:
        options["trials"] = trials
    envs = make_envs("procgen", tasks, num_envs, 0, **options)
    return PPO(envs.single_observation_space, envs.single_action_space, config, seed=0), envs


def main(folder: Path, asked: list[str]) -> None:
    """Does what was asked for."""
    match asked:
        case ["second"]:
            second_rule(folder)
        case ["seconds"]:
            seconds()
        case _:
            first_rule(folder, set(map(int, asked)) or set(range(4)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
