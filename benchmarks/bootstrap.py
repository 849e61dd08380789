"""Speed of the cluster bootstrap: 10,000 resamples of 4 methods x 20 tasks x 10 seeds, all aggregates.

    OMP_NUM_THREADS=1 uv run python benchmarks/bootstrap.py [--resamples 10000] [--rounds 5]

Prints seconds for all methods and aggregates together, best and median of the rounds, for seeds that share a
checkpoint over tasks and for runs that are checkpoints of their own.
"""

import argparse
import statistics
import time

import numpy as np
import polars as pl
from fvm_eval.statistics.aggregate import AGGREGATES
from fvm_eval.statistics.bootstrap import bootstrap

METHODS, TASKS, SEEDS = 4, 20, 10


def cells(rng: np.random.Generator, shared: bool) -> pl.DataFrame:
    rows = [
        (0, f"{seed}" if shared else f"{seed}/{task}", f"t{task}", rng.normal())
        for seed in range(SEEDS)
        for task in range(TASKS)
    ]
    return pl.DataFrame(rows, schema=["fold", "checkpoint", "task", "value"], orient="row")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for shared in (True, False):
        methods = [cells(np.random.default_rng(i), shared) for i in range(METHODS)]
        taken = []
        for round_ in range(options.rounds):
            rng = np.random.default_rng(round_)
            start = time.perf_counter()
            for method in methods:
                bootstrap(method, AGGREGATES, rng=rng, resamples=options.resamples)
            taken.append(time.perf_counter() - start)
        unit = "a checkpoint a seed" if shared else "a checkpoint a run"
        print(
            f"{options.resamples:,} resamples, {METHODS} methods x {TASKS} tasks x {SEEDS} seeds, {unit}, "
            f"{', '.join(AGGREGATES)}: best {min(taken):.2f} s, median {statistics.median(taken):.2f} s"
        )


if __name__ == "__main__":
    main()
