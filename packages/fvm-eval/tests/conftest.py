import numpy as np
import polars as pl
import pytest
from fvm_eval import Budget, Comparison, Fold, Ledger
from fvm_eval.claims import pretraining_learned
from fvm_eval.report import StudyResults
from fvm_eval.rules import LeakAudit


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
            "config": {"preset": "quick", "benchmark": "procgen", "train_levels": 100, "seeds": seeds},
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
        return StudyResults(**{**content, **change})

    return synthetic
