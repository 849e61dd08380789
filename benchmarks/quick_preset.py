"""Which network and which updates Procgen's `quick` preset should have, chosen on validation levels.

    OMP_NUM_THREADS=1 python benchmarks/quick_preset.py FOLDER [NUMBER ...]

Trains from scratch and by multi-task pretraining + fine-tuning, three seeds, with each candidate; the first
four validation levels stand where held-out ones would. Prints each one's scores and the seconds of its jobs.

The rule, fixed before the run: a candidate will do if its multi-task + fine-tuning ends at most .5 (of 10)
below the first one's, at least 1 above its scratch, and at least 1 above its own zero-shot score. The last of
those is taken, since it costs least; if none but the first will do, the first stays.

Numbers 1 and 2 will not do (4.50 and 4.25 where the first one's 5.33 asks for 4.83). Number 3 was added then,
by the same rule and before its run: the network that stays, with half the samples. It will not do (4.00).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
from study.config import StudyConfig
from study.presets.procgen import EASY_VALIDATION, QUICK
from study.run import Options, run

LEVELS = 4


def variant(network: str, epochs: tuple[int, int], minibatches: tuple[int, int]) -> StudyConfig:
    """Returns `quick` on validation levels with a network, and epochs and minibatches of both phases."""
    phases = {}
    for name, phase, passes, parts in zip(
        ("pretrain", "adapt"), (QUICK.pretrain, QUICK.adapt), epochs, minibatches, strict=True
    ):
        learner = replace(phase.learner, network=network, num_epochs=passes, num_minibatches=parts)
        phases[name] = replace(phase, learner=learner)
    return replace(
        QUICK,
        methods=("scratch", "multitask"),
        held_out=EASY_VALIDATION[:LEVELS],
        validation=EASY_VALIDATION[LEVELS:],
        settings={},
        **phases,
    )


CANDIDATES = {
    "nature-small, 2 and 4 epochs of 256 samples": variant("nature-small", (2, 4), (16, 8)),
    "nature-halved, 2 and 4 epochs of 256 samples": variant("nature-halved", (2, 4), (16, 8)),
    # As many optimiser steps of half the samples.
    "nature-halved, 1 and 2 epochs of 128 samples": variant("nature-halved", (1, 2), (32, 16)),
    "nature-small, 1 and 2 epochs of 128 samples": variant("nature-small", (1, 2), (32, 16)),
}


def main(folder: Path, numbers: set[int]) -> None:
    """Runs those of these candidates that are not finished and prints what each reached."""
    for number, (name, config) in enumerate(CANDIDATES.items()):
        if number not in numbers:
            continue
        into = folder / str(number)
        run(config, Options(output=into))
        results, costs = (pl.read_parquet(into / f"{table}.parquet") for table in ("results", "costs"))
        print(f"\n{name}: {costs['wall_s'].sum():.0f} s of jobs")
        for when, at in (("zero-shot", 0), ("final", config.adapt.env_steps)):
            seeds = results.filter(pl.col("env_step") == at).group_by("method", "seed").agg(pl.mean("score"))
            print(when, seeds.group_by("method").agg(pl.mean("score"), sd=pl.std("score")).sort("method"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), set(map(int, sys.argv[2:])) or set(range(len(CANDIDATES))))
