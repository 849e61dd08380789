"""Times `fvm-eval` on a table of a million rows: a CSV is written, then read, judged and reported.

    OMP_NUM_THREADS=1 uv run python benchmarks/million_rows.py

5 methods x 10 seeds x 20 tasks x 10 env steps x 100 episodes. Prints wall seconds, processor seconds (user
and system) and the largest memory of the command as a process of its own, once for each round.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

METHODS, SEEDS, TASKS, STEPS = 5, 10, 20, 10


def table(episodes: int) -> pl.DataFrame:
    """Returns the table: a task's level, a seed's luck, a run's own, noise an episode."""
    rng = np.random.default_rng(0)
    places = np.meshgrid(*map(range, (METHODS, SEEDS, TASKS, STEPS, episodes)), indexing="ij")
    method, seed, task, step, episode = (place.ravel() for place in places)
    luck, own = rng.normal(0, 0.12, (METHODS, SEEDS)), rng.normal(0, 0.16, (METHODS, SEEDS, TASKS))
    score = rng.uniform(0.3, 0.7, TASKS)[task] + 0.05 * method + luck[method, seed]
    score += own[method, seed, task] + 0.02 * step + rng.normal(0, 0.3, len(method))
    return pl.DataFrame(
        {
            "method": [f"method_{i}" for i in method],
            "seed": seed,
            "task": [f"task_{i:02d}" for i in task],
            "env_step": step * 10_000,
            "episode": episode,
            "score": score,
        }
    )


def main() -> None:
    """Prints a line a round."""
    parser = argparse.ArgumentParser(description="Times fvm-eval on a table of a million rows.")
    parser.add_argument("--episodes", type=int, default=100, help="a point; 100 make a million rows")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.csv"
        rows = table(asked.episodes)
        rows.write_csv(path)
        print(f"{len(rows):,} rows, {path.stat().st_size / 1e6:.0f} MB")
        del rows
        for _ in range(asked.rounds):
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            command = [sys.executable, "-m", "fvm_eval", path, "--out", Path(folder) / "report"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"{wall:.1f} s wall, {cpu:.1f} s of processor time, {after.ru_maxrss / 1000:.0f} MB")


if __name__ == "__main__":
    main()
