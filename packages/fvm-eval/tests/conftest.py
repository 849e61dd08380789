import numpy as np
import polars as pl
import pytest
from fvm_eval import Budget, Comparison, Fold, Ledger
from fvm_eval.analysis import StudyResults
from fvm_eval.claims import Claim, Component, Look, pretraining_learned
from fvm_eval.claims.looks import clusters_hash
from fvm_eval.fairness import LeakAudit
from fvm_eval.statistics.contrasts import slope_weights


@pytest.fixture
def cells():
    def cells(values, name="m", folds=None, tasks=None):
        """One method's cells from values [checkpoints, tasks]."""
        values = np.asarray(values, float)
        rows = [
            (
                0 if folds is None else folds[c],
                f"{name}/{c}",
                f"t{t}" if tasks is None else tasks[c][t],
                values[c, t],
            )
            for c in range(values.shape[0])
            for t in range(values.shape[1])
        ]
        return pl.DataFrame(rows, schema=["fold", "checkpoint", "task", "value"], orient="row")

    return cells


def handed_in(episodes):
    """What a study's plan and store would say of these episodes: plan, spending, tuning, looks."""
    run = ["method", "fold", "seed", "checkpoint", "task"]
    last = int(episodes["env_step"].max())
    runs = episodes.select(run).unique(maintain_order=True)
    methods = runs["method"].unique(maintain_order=True).to_list()
    counts = [runs.filter(pl.col("method") == m)["checkpoint"].n_unique() for m in methods]
    return {
        "plan": episodes.group_by([*run, "env_step"], maintain_order=True)
        .agg(episodes=pl.len().cast(pl.Int64))
        .with_columns(spends=pl.lit(last)),
        "spending": runs.with_columns(env_steps=pl.lit(last), updates=pl.lit(720), demos=pl.lit(0)),
        "tuning": pl.DataFrame(
            [(method, trial, 5000, ["tuned on"]) for method in methods for trial in range(8)],
            schema=["method", "trial", "env_steps", "tasks"],
            orient="row",
        ),
        "looks": [Look(clusters_hash(runs["checkpoint"]), min(counts), planned=True)],
    }


@pytest.fixture(scope="session")
def synthetic():
    """A study made of random numbers, for looking at reports; its title says so."""

    def synthetic(seeds=3, tasks=8, gap=3.0, **change):
        rng = np.random.default_rng(1)
        names = [f"procgen/coinrun-easy/{1000 + 37 * i}" for i in range(tasks)]
        steps = [0, 10_000, 20_000, 30_000, 40_000]
        difficulty = {name: rng.uniform(-1.5, 1.5) for name in names}
        episodes, online, pretraining = [], [], []
        for method, start, end in (("scratch", 2.5, 5.0), ("multitask", 5.5, 5.0 + gap)):
            for seed in range(seeds):
                luck = rng.normal(0, 0.5)
                for name in names:
                    for step in steps:
                        level = (
                            start
                            + (end - start) * step / 40_000
                            + luck
                            + difficulty[name]
                            + rng.normal(0, 0.4)
                        )
                        wins = rng.random(20) < np.clip(level / 10, 0, 1)
                        checkpoint = f"{method}/{seed}"
                        episodes += [
                            (method, 0, seed, checkpoint, name, step, i, 10.0 * win)
                            for i, win in enumerate(wins)
                        ]
                    for step in range(500, 40_001, 500):
                        level = start + (end - start) * step / 40_000 + luck
                        online.append((method, seed, name, step, 10.0 * (rng.random() < level / 10)))
                if method == "multitask":
                    for step in range(1000, 500_001, 1000):
                        level = 2.5 + 4 * step / 500_000 + luck
                        pretraining.append((method, seed, step, 10.0 * (rng.random() < level / 10)))
        baselines = [
            (name, task, 10.0 * win)
            for name, share in (("random", 0.22), ("script", 0.55))
            for task in names
            for win in rng.random(40) < share
        ]
        fold = Fold(
            tuple(f"procgen/coinrun-easy/{i}" for i in range(100)),
            tuple(f"procgen/coinrun-easy/{i}" for i in range(500, 504)),
            tuple(names),
        )
        budget = Budget(env_steps=40_000)
        ledgers = {"scratch": Ledger(budget), "multitask": Ledger(budget)}
        for ledger in ledgers.values():
            ledger.charge(env_steps=40_000, updates=1_920, trials=4)
        columns = ["method", "fold", "seed", "checkpoint", "task", "env_step", "episode", "score"]
        content = {
            "title": "Synthetic numbers: scratch and multi-task pretraining on Coinrun (quick)",
            "estimand": "Expected return of the adapted agent after 40,000 env steps on these held-out "
            "levels of Coinrun, actions sampled, averaged over levels with equal weight.",
            "episodes": pl.DataFrame(episodes, schema=columns, orient="row"),
            "score_ranges": dict.fromkeys(names, (0.0, 10.0)),
            "references": ("scratch", "multitask"),
            "budget": budget,
            "comparisons": [
                Comparison(
                    left="multitask",
                    right="scratch",
                    estimand="Difference in value at budget: what pretraining is worth.",
                )
            ],
            "preconditions": [pretraining_learned([6.1, 6.6, 6.3][:seeds], [2.2, 2.4, 2.1])],
            "ledgers": ledgers,
            "costs": pl.DataFrame(
                {
                    "method": ["scratch", "multitask"],
                    "pretraining_env_steps": [0, 1_500_000],
                    "adaptation_env_steps": [960_000, 960_000],
                    "device_s": [312.4, 501.9],
                }
            ),
            "baselines": pl.DataFrame(baselines, schema=["baseline", "task", "score"], orient="row"),
            "online": pl.DataFrame(
                online, schema=["method", "seed", "task", "env_step", "return"], orient="row"
            ),
            "pretraining": pl.DataFrame(
                pretraining, schema=["method", "seed", "env_step", "return"], orient="row"
            ),
            "folds": {"fixed": fold},
            "recorded_splits": [fold.sha256],
            "leak_audit": LeakAudit(tasks + 1, 100, ("procgen/coinrun-easy/999",), "serialised entities"),
            "config": {"preset": "quick", "benchmark": "procgen", "train_sizes": 100, "seeds": seeds},
            "environment": {"python": "3.11.9", "torch": "2.9.0", "cpu": "2 cores", "commit": "0000000"},
            "rerun": "uv run study --benchmark procgen --preset quick --seeds 3",
            "notes": ["Tiny preset: small network, small budget; not the paper's setting."],
            "labels": {
                "scratch": "Scratch",
                "multitask": "Multi-task",
                "random": "random",
                "script": "always right",
            },
        }
        return StudyResults(**{**content, **handed_in(content["episodes"]), **change})

    return synthetic


_EPISODES = ["method", "fold", "seed", "checkpoint", "task", "env_step", "episode", "score"]
_CELLS = ["method", "fold", "seed", "checkpoint", "task", "value"]
# Family: label, start of the curve, end, speed, worth of ten times the training tasks, eps schedule.
_DESIGN = {
    "scratch": ("Scratch", 0.2, 0.5, 2.0, 0.0, None),
    "multitask": ("Multi-task + fine-tuning", 0.42, 0.72, 4.0, 0.09, None),
    "reptile-tuned": ("Reptile, tuned", 0.38, 0.68, 4.0, 0.07, (0.5, 0.1)),
    "rl2": ("RL2", 0.4, 0.44, 30.0, 0.06, None),
    "reptile-authors": ("Reptile, the authors' eps", 0.3, 0.64, 3.0, 0.05, (0.0, 1.0)),
    "reptile-printed": ("Reptile, as printed", 0.22, 0.53, 2.0, 0.02, (0.1, 0.0)),
    "rl2-reset": ("RL2, memory reset", 0.39, 0.4, 30.0, 0.05, None),
    "rl2-tuned": ("RL2 + fine-tuning", 0.4, 0.66, 4.0, 0.06, None),
}
_LEARNS_WITHIN = {"rl2": 0.1, "rl2-reset": 0.0}


def design_claims(families, sizes):
    """Claims about the families of a `design_study`; those about a family that it lacks are left out."""

    def arm(family, size):
        return f"{family}@{size}" if len(sizes) > 1 and family != "scratch" else family

    def part(left, right, summary, size, kind="superiority"):
        title = f"{_DESIGN[left][0]} − {_DESIGN[right][0]}" + f", {size:,} levels" * (len(sizes) > 1)
        weights = {arm(left, size): 1.0, arm(right, size): -1.0}
        return Component(name=title, summary=summary, weights=weights, kind=kind, margin=0.10)

    def slope(title, signs):
        weights = {}
        for family, sign in signs.items():
            slopes = slope_weights({arm(family, size): np.log10(size) for size in sizes})
            weights |= {name: sign * slope for name, slope in slopes.items()}
        return Component(name=title, summary="Zero-shot on new levels", weights=weights, margin=0.0)

    found = []
    if {"reptile-tuned", "rl2"} <= families:
        found.append(
            Claim(
                id="C1",
                statement="Multi-task pretraining with fine-tuning does no worse than Reptile and RL2, "
                "at the budget and on the way there.",
                paper_says="it performs equally as well, or better.",
                components=[
                    part("multitask", rival, summary, size, "non-inferiority")
                    for summary in ("Value at budget", "Area under the curve")
                    for size in sizes
                    for rival in ("reptile-tuned", "rl2")
                ],
                preconditions=["the pretraining learned"],
                assay=part("multitask", "scratch", "Value at budget", sizes[-1]),
            )
        )
    if len(sizes) > 1 and "reptile-tuned" in families:
        signs = {"multitask": 1.0, "reptile-tuned": -1.0}
        found.append(
            Claim(
                id="C2",
                statement="Zero-shot score rises with the number of training levels, Reptile's less.",
                paper_says="multi-task generalises better with more levels, Reptile hardly.",
                components=[
                    slope("multi-task, per 10 times the levels", {"multitask": 1.0}),
                    slope("multi-task − Reptile, per 10 times the levels", signs),
                ],
            )
        )
    if "rl2" in families:
        change = Component(
            name="last trial − first trial",
            summary="Return by trial",
            weights={"rl2 trial 4": 1.0, "rl2 trial 1": -1.0},
            kind="equivalence",
            margin=0.05,
        )
        still = "RL2 does not improve while adapting."
        says = "the return stays where it starts."
        cheaper = "Multi-task pretraining is cheaper than RL2's."
        costs = part("rl2", "multitask", "Log device seconds", sizes[-1])
        found.append(Claim(id="C4", statement=still, paper_says=says, components=[change]))
        found.append(Claim(id="C10", statement=cheaper, components=[costs]))
    wrong = part("scratch", "multitask", "Value at budget", sizes[-1])
    found.append(Claim(id="C11", statement="Scratch beats multi-task pretraining.", components=[wrong]))
    return found


def design_study(families=8, sizes=(100, 1000, 10_000), tasks=6, seeds=8, **change):
    """A study of many families and training-set sizes made of random numbers, for looking at reports."""
    rng = np.random.default_rng(5)
    design = dict(list(_DESIGN.items())[:families])
    steps = np.linspace(0, 2_000_000, 6).astype(int)
    names = [f"procgen/coinrun-easy/{20_000 + 37 * i}" for i in range(tasks)]
    difficulty = rng.normal(0, 0.1, tasks)
    arms = {"scratch": ("scratch", None)}
    for family in list(design)[1:]:
        arms |= {(f"{family}@{size}" if len(sizes) > 1 else family): (family, size) for size in sizes}
    episodes, online, pretraining, zero_shot, seconds, trials = [], [], [], [], [], []
    for arm, (family, size) in arms.items():
        _, start, end, speed, worth, _ = design[family]
        more = worth * np.log10((size or 1000) / 1000)
        for seed in range(seeds):
            luck = rng.normal(0, 0.035)
            where = (arm, 0, seed, f"{arm}/{seed}")
            for task, hard in zip(names, difficulty, strict=True):
                grown = 1 - np.exp(-speed * steps / steps[-1])
                share = start + more + (end - start) * grown + luck + hard
                wins = rng.random((len(steps), 10)) < np.clip(share, 0, 1)[:, None]
                episodes += [
                    (*where, task, int(step), i, 10.0 * win)
                    for step, row in zip(steps, wins, strict=True)
                    for i, win in enumerate(row)
                ]
                for step in np.linspace(50_000, 2_000_000, 20).astype(int):
                    now = start + more + (end - start) * (1 - np.exp(-speed * step / steps[-1])) - 0.04
                    online.append((arm, seed, task, int(step), 10 * (now + luck + rng.normal(0, 0.05))))
                if family in _LEARNS_WITHIN:
                    for lifetime in range(8):
                        for trial in range(1, 9):
                            gain = _LEARNS_WITHIN[family] * (1 - 0.5 ** (trial - 1))
                            win = rng.random() < np.clip(start + more + gain + luck + hard, 0, 1)
                            trials.append((*where, task, lifetime, trial, 10.0 * win))
            if size is not None:
                new = start + more + luck + rng.normal(0, 0.01)
                zero_shot.append((*where, "new levels", new))
                cost = {"multitask": 900, "rl2": 1500, "rl2-reset": 1450}.get(family, 1100)
                seconds.append((*where, "pretraining", np.log(cost * rng.lognormal(0, 0.04))))
                for step in np.linspace(1, 25, 25) * 1e6:
                    level = 2 + 5 * (1 - np.exp(-step / 8e6)) + 10 * luck + rng.normal(0, 0.2)
                    pretraining.append((arm, seed, int(step), level))

    by_trial = [
        (f"rl2 trial {row[6]}", *row[1:5], row[7] / 10)
        for row in trials
        if row[0] in ("rl2", f"rl2@{sizes[-1]}") and row[6] in (1, 4)
    ]
    budget = Budget(env_steps=2_000_000)
    fold = Fold(tuple(f"procgen/coinrun-easy/{i}" for i in range(max(sizes))), (), tuple(names))
    label = {arm: design[f][0] + (f" ({s:,} levels)" if s else "") for arm, (f, s) in arms.items()}
    ledgers = {arm: Ledger(budget) for arm in arms}
    for ledger in ledgers.values():
        ledger.charge(env_steps=2_000_000, updates=720, trials=8)
    chance = [("random", 0.15), ("script", 0.3)]
    content = {
        "title": "Synthetic numbers: scratch, multi-task pretraining, Reptile and RL2 on Coinrun",
        "estimand": "Expected return of the adapted agent after 2M env steps on these held-out levels.",
        "episodes": pl.DataFrame(episodes, schema=_EPISODES, orient="row"),
        "score_ranges": dict.fromkeys(names, (0.0, 10.0)),
        "best_scores": dict.fromkeys(names, 10.0),
        "budget": budget,
        "claims": design_claims(set(design), sizes),
        "cells": {
            "Zero-shot on new levels": pl.DataFrame(zero_shot, schema=_CELLS, orient="row"),
            "Log device seconds": pl.DataFrame(seconds, schema=_CELLS, orient="row"),
            "Return by trial": pl.DataFrame(by_trial, schema=_CELLS, orient="row"),
        },
        "trials": pl.DataFrame(trials, schema=[*_EPISODES[:5], "lifetime", "trial", "score"], orient="row"),
        "trained_trials": {arm: 4 for arm, (family, _) in arms.items() if family in _LEARNS_WITHIN},
        "train_sizes": {arm: size for arm, (_, size) in arms.items() if size},
        "families": {arm: family for arm, (family, _) in arms.items()},
        "references": ("scratch", "multitask"),
        "eps_schedules": {arm: design[f][5] for arm, (f, _) in arms.items() if design[f][5]},
        "preconditions": [pretraining_learned([6.1, 6.6, 6.3], [2.2, 2.4, 2.1])],
        "ledgers": ledgers,
        "baselines": pl.DataFrame(
            [(b, t, 10.0 * win) for b, p in chance for t in names for win in rng.random(40) < p],
            schema=["baseline", "task", "score"],
            orient="row",
        ),
        "online": pl.DataFrame(online, schema=["method", "seed", "task", "env_step", "return"], orient="row"),
        "pretraining": pl.DataFrame(
            pretraining, schema=["method", "seed", "env_step", "return"], orient="row"
        ),
        "folds": {"fixed": fold},
        "recorded_splits": [fold.sha256],
        "leak_audit": LeakAudit(tasks, max(sizes), (), "serialised entities"),
        "config": {"preset": "small", "benchmark": "procgen"},
        "rerun": "uv run study --benchmark procgen --preset small",
        "notes": ["Synthetic numbers."],
        "labels": {**label, "random": "Random", "script": "Always right"},
    }
    return StudyResults(**{**content, **handed_in(content["episodes"]), **change})


@pytest.fixture(scope="session")
def design():
    """See `design_study`."""
    return design_study
