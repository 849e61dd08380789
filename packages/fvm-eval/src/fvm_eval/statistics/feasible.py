"""What a t interval of few checkpoints is worth where nothing better can be had.

No interval from few values of an unbounded skewed distribution covers what it says, and no look at the
sample warns: 44 % of studies of 5 seeds, 15 % of which fail, hold no failure. What can be said is how often
the interval covered in simulated studies, and what it assumes. The numbers are those of
`benchmarks/coverage_shapes.py`, 4,000 studies each.
"""

from __future__ import annotations

import numpy as np

SEEDS = (3, 5, 8, 12, 20)
# Coverage of the plain t interval at nominal .95 of one arm, by shape of the checkpoints' means.
ONE_ARM = {
    "Gaussian": (0.943, 0.955, 0.947, 0.949, 0.952),
    "exponential": (0.876, 0.874, 0.889, 0.911, 0.916),
    "log-normal": (0.842, 0.834, 0.833, 0.852, 0.865),
}


def simulated_coverage(shape: str, checkpoints: int) -> float:
    """Returns how often the t interval of one arm covered, between the simulated numbers of checkpoints."""
    return float(np.interp(checkpoints, SEEDS, ONE_ARM[shape]))


def doubts(checkpoints: int, *, one_arm: bool) -> str:
    """Returns what a reader must know of a t interval of fewer than 20 checkpoints.

    Args:
        checkpoints: Fewest of any arm.
        one_arm: Whether it is the mean of one arm with no known range; differences are less skewed.
    """
    assumed = "with fewer than 20 checkpoints rare failing seeds are assumed away"
    if not one_arm:
        return assumed
    shares = ", ".join(f"{shape} {simulated_coverage(shape, checkpoints):.2f}" for shape in ONE_ARM)
    return f"{assumed}; simulated coverage of a .95 interval of {checkpoints}: {shares}"
