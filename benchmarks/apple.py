"""Writes what fine-tuning forgets on AppleRetrieval, and what retention does about it: docs/results/apple.

    uv run python benchmarks/apple.py --seeds 40 --seed 2026 --output docs/results/apple

All seeds of an arm run at once, so the whole grid takes about a minute on one core. `arms.csv` has a row for
each seed, `episodes.parquet` a table for fvm-eval: success by blocks of 100 episodes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from fvm_meta.worlds.apple import Apple, Arm, Curves, fine_tune, pretrain
from scipy.stats import t

WINDOW = 500  # episodes over which forgetting is taken; fixed in predictions.md
BLOCK = 100  # episodes of a point of a curve
ARMS = (
    Arm(name="scratch", pretrained=False),
    Arm(name="plain"),
    *(Arm(name=f"bc {coef}", retention="bc", coef=coef) for coef in (10, 100, 1000)),
    *(Arm(name=f"ewc-full {coef}", retention="ewc-full", coef=coef) for coef in (10, 100, 1000)),
    *(Arm(name=f"ewc {coef}", retention="ewc", coef=coef) for coef in (10, 100)),
    *(Arm(name=f"ks {coef}", retention="ks", coef=coef) for coef in (10, 100)),
    *(Arm(name=f"ks {coef} x.995", retention="ks", coef=coef, decay=0.995) for coef in (10, 100)),
    *(Arm(name=f"l2 {coef}", retention="l2", coef=coef) for coef in (10, 100)),
    Arm(name="bc 1000, bad teacher", retention="bc", coef=1000, teacher="bad"),
    Arm(name="plain, known first", known_first=True),
    Arm(name="bc 1000, known first", retention="bc", coef=1000, known_first=True),
)
PLAIN_AND_BC = tuple(arm for arm in ARMS if arm.name in ("plain", "bc 1000"))
# (c, M) and its arms: the whole grid where the theory speaks, plain and BC over M and c.
CELLS = {
    (0.25, 30): ARMS,
    (1.0, 30): ARMS,
    **{(0.25, distance): PLAIN_AND_BC for distance in (5, 10, 20)},
    **{(feature, 30): PLAIN_AND_BC for feature in (0.1, 0.5)},
}


def arguments() -> argparse.Namespace:
    """Returns what the command line asks for."""
    parser = argparse.ArgumentParser(description="AppleRetrieval, all arms")
    parser.add_argument("--seeds", type=int, default=40, help="runs of each arm")
    parser.add_argument("--seed", type=int, default=2026, help="of all random draws")
    parser.add_argument("--output", type=Path, default=Path("docs/results/apple"), help="folder")
    return parser.parse_args()


def run(seeds: int, seed: int) -> Iterator[tuple[Apple, Arm, Curves]]:
    """Yields the curves of each arm; the arms of a cell share their pretrained agents."""
    for cell, ((feature, distance), arms) in enumerate(CELLS.items()):
        world = Apple(feature=feature, distance=distance)
        pretrained = pretrain(world, seeds, np.random.default_rng([seed, cell]))
        for number, arm in enumerate(arms, start=1):
            yield world, arm, fine_tune(world, arm, pretrained, np.random.default_rng([seed, cell, number]))


def numbers(world: Apple, arm: Arm, curves: Curves) -> pl.DataFrame:
    """Returns a row a seed."""
    start = curves.back[:, 0]
    return pl.DataFrame(
        {
            "c": world.feature,
            "M": world.distance,
            "arm": arm.name,
            "seed": np.arange(len(start)),
            "auc": curves.auc,
            "last_success": curves.success[:, -BLOCK:].mean(axis=1),
            "back_at_start": start,
            "forgetting": start - curves.back[:, :WINDOW].mean(axis=1),
            "least_back": curves.least_back,
        }
    )


def points(world: Apple, arm: Arm, curves: Curves) -> pl.DataFrame:
    """Returns method, fold, seed, checkpoint, task, env_step, episode, score: a block of episodes a point."""
    blocks = curves.success.reshape(len(curves.success), -1, BLOCK)
    seed, block, episode = (axis.ravel() for axis in np.indices(blocks.shape))
    return pl.DataFrame(
        {
            "method": arm.name,
            "fold": 0,
            "seed": seed,
            "checkpoint": seed,
            "task": f"apple/c{world.feature}-M{world.distance}",
            "env_step": (block + 1) * BLOCK * world.max_steps,
            "episode": episode,
            "score": blocks.ravel().astype(float),
        }
    )


def summary(table: pl.DataFrame) -> str:
    """Returns a Markdown table: means over seeds with 95 % t intervals."""
    lines = ["| c | M | arm | AUC | success at the end | forgetting |", "|---|---|---|---|---|---|"]
    for (feature, distance, arm), rows in table.group_by(["c", "M", "arm"], maintain_order=True):
        cells = [_interval(rows[name].to_numpy()) for name in ("auc", "last_success", "forgetting")]
        lines.append(f"| {feature} | {distance} | {arm} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _interval(values: np.ndarray) -> str:
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():.3f} [{values.mean() - half:.3f}, {values.mean() + half:.3f}]"


def main() -> None:
    """Runs the grid and writes its tables."""
    options, started = arguments(), time.perf_counter()
    options.output.mkdir(parents=True, exist_ok=True)
    tables, curves = [], []
    for world, arm, result in run(options.seeds, options.seed):
        tables.append(numbers(world, arm, result))
        if (world.feature, world.distance) == (0.25, 30):
            curves.append(points(world, arm, result))
    table = pl.concat(tables)
    table.write_csv(options.output / "arms.csv", float_precision=5)
    pl.concat(curves).write_parquet(options.output / "episodes.parquet")
    (options.output / "table.md").write_text(summary(table), encoding="utf-8")
    print(summary(table))
    print(f"{len(tables)} arms of {options.seeds} seeds in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
