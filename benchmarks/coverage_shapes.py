"""Coverage of fvm-eval's intervals where checkpoints are not Gaussian: skewed, rare failures, success rates.

    OMP_NUM_THREADS=1 uv run python benchmarks/coverage_shapes.py [--studies 4000] [--bounded 1000]

Every number is the share of simulated studies whose .95 interval held the truth; columns are checkpoints a
method. Checkpoint means are drawn directly, since tasks that all checkpoints share change nothing. Rows of
differences compare two methods of the same shape and truth; "unbalanced" gives the second one 20 checkpoints.
docs/statistics.md says what follows from it.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from fvm_eval.statistics.estimates import Estimate, Term
from fvm_eval.statistics.feasible import SEEDS
from fvm_eval.statistics.variance import Arm

Draw = Callable[[int, np.random.Generator], np.ndarray]
EPISODES = 25
FAILING, GOOD = 0.15, 0.8


def bernoulli(rate: float, spread: float) -> Draw:
    """Shares of 25 episodes won by seeds whose own rates vary."""

    def draw(seeds: int, rng: np.random.Generator) -> np.ndarray:
        own = np.full(seeds, rate)
        if spread:
            concentration = rate * (1 - rate) / spread**2 - 1
            own = rng.beta(rate * concentration, (1 - rate) * concentration, seeds)
        return rng.binomial(EPISODES, own) / EPISODES

    return draw


def failing(seeds: int, rng: np.random.Generator) -> np.ndarray:
    """15 % of the seeds score nothing, the others lie close together."""
    good = np.clip(rng.normal(GOOD, 0.02, seeds), 0, 1)
    return np.where(rng.random(seeds) < FAILING, 0.0, good)


# Shape: draw, truth, range, whether values are success rates.
UNBOUNDED: dict[str, tuple[Draw, float]] = {
    "Gaussian": (lambda n, rng: rng.normal(0, 1, n), 0.0),
    "t with 3 degrees of freedom": (lambda n, rng: rng.standard_t(3, n), 0.0),
    "exponential": (lambda n, rng: rng.exponential(1, n), 1.0),
    "log-normal, sigma 1": (lambda n, rng: rng.lognormal(0, 1, n), float(np.exp(0.5))),
}
BOUNDED: dict[str, tuple[Draw, float, bool]] = {
    "Bernoulli .6, seeds' sd .1": (bernoulli(0.6, 0.1), 0.6, True),
    "Bernoulli .02, intra-cluster .1": (bernoulli(0.02, (0.1 * 0.02 * 0.98) ** 0.5), 0.02, True),
    "15 % failing seeds, the others .80 ± .02": (failing, (1 - FAILING) * GOOD, False),
    "uniform": (lambda n, rng: rng.random(n), 0.5, False),
}


def term(values: np.ndarray, bounded: bool, rates: bool, sign: float = 1.0) -> Term:
    """Returns the term that cells of these checkpoint means would give."""
    values = sign * values
    size = len(values)
    variance = float(values.var(ddof=1)) / size if np.ptp(values) > 0 else 0.0
    arm = Arm(
        float(values.mean()), {}, ((variance, size - 1),), (), size, "", (tuple(values.tolist()),), (1.0,)
    )
    bounds = ((0.0, 1.0) if sign > 0 else (-1.0, 0.0)) if bounded else None
    return Term(arm, 1, bounds, EPISODES * size if rates else None)


def covers(estimate: Estimate, truth: float) -> tuple[bool, bool]:
    """Returns whether the interval that decides, and the t interval, held the truth; none holds nothing."""
    interval = estimate.interval()
    decides = interval.low is not None and interval.high is not None
    held = decides and interval.low <= truth <= interval.high
    t = interval.beside[:2] if interval.beside else (interval.low, interval.high)
    by_t = estimate.how.endswith("cluster-t") or estimate.how == "Welch" or interval.beside is not None
    return bool(held), bool(by_t and t[0] is not None and t[0] <= truth <= t[1])


def share(
    draw: Draw, truth: float, seeds: int, studies: int, *, bounded: bool, rates: bool, other: int | None
) -> tuple[float, float]:
    """Returns the coverage of what decides and of t, of one arm or against `other` checkpoints."""
    rng = np.random.default_rng(seeds)
    found = []
    for _ in range(studies):
        terms = [term(draw(seeds, rng), bounded, rates)]
        if other is not None:
            terms.append(term(draw(other, rng), bounded, rates, -1.0))
        found.append(covers(Estimate(tuple(terms)), truth if other is None else 0.0))
    decides, t = np.mean(found, axis=0)
    return float(decides), float(t)


def rivals(pick: int | None, seeds: int) -> int | None:
    """Returns how many checkpoints the other method has: as many (0), so many, or none of it."""
    return seeds if pick == 0 else pick


def line(name: str, values: Sequence[float]) -> str:
    return f"| {name} | {' | '.join(f'{value:.3f}'.removeprefix('0') for value in values)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=4000, help="simulated studies a cell, unbounded")
    parser.add_argument("--bounded", type=int, default=1000, help="the same of scores with a known range")
    options = parser.parse_args()
    start = time.perf_counter()
    head = f"| {' | '.join(map(str, SEEDS))} |\n|---|{'---|' * len(SEEDS)}"
    for title, pick in (("one arm", None), ("difference", 0), ("difference, unbalanced", 20)):
        against = partial(rivals, pick)
        print(f"\n| No known range, {title} {head}")
        for name, (draw, truth) in UNBOUNDED.items():
            row = [
                share(
                    draw,
                    truth,
                    n,
                    options.studies,
                    bounded=False,
                    rates=False,
                    other=n if pick == 0 else pick,
                )
                for n in SEEDS
            ]
            print(line(f"{name}: t", [t for _, t in row]), flush=True)
        print(f"\n| Range 0 to 1, {title} {head}")
        for name, (draw, truth, rates) in BOUNDED.items():
            row = [
                share(draw, truth, n, options.bounded, bounded=True, rates=rates, other=against(n))
                for n in SEEDS
            ]
            print(line(f"{name}: what decides", [held for held, _ in row]))
            print(line(f"{name}: t", [t for _, t in row]), flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
