"""What a t interval of few checkpoints is worth where nothing better can be had.

No interval from few values of an unbounded skewed distribution covers what it says, and no look at the
sample warns: 44 % of studies of 5 seeds, 15 % of which fail, hold no failure. What can be said is how often
the interval covered in simulated studies, and what it assumes. The numbers are those of
`benchmarks/coverage_shapes.py`, 4,000 studies each (of 2 checkpoints 40,000).
"""

from __future__ import annotations

import numpy as np

SEEDS = (2, 3, 5, 8, 12, 20)
ENOUGH = 0.92  # below it the coverage is printed
# Coverage of the plain t interval at nominal .95 of one arm, by shape of the checkpoints' means.
ONE_ARM = {
    "Gaussian": (0.953, 0.943, 0.955, 0.947, 0.949, 0.952),
    "exponential": (0.914, 0.876, 0.874, 0.889, 0.911, 0.916),
    "log-normal": (0.896, 0.842, 0.834, 0.833, 0.852, 0.865),
}
# Of Welch's difference of two such arms, the other one with 20 checkpoints.
UNBALANCED = {
    "Gaussian": (0.884, 0.929, 0.944, 0.951, 0.954, 0.951),
    "exponential": (0.812, 0.860, 0.910, 0.940, 0.946, 0.952),
    "log-normal": (0.817, 0.868, 0.917, 0.944, 0.959, 0.969),
}
# Coverage of the limits that a known range allows, of one arm: of rates (25 episodes) Korn and Graubard's, of
# scores with 15 % failing seeds Gaffke's. What few checkpoints cannot show makes them wide.
RATES = (1.000, 1.000, 0.985, 0.968, 0.955, 0.952)
RANGE = (1.000, 1.000, 1.000, 0.999, 0.995, 0.924)
WIDE = 0.97  # coverage above which limits are said to be wider than 95 % would need
ASSUMED = "with fewer than 20 checkpoints rare failing seeds are assumed away"


def wider(how: str, checkpoints: int) -> str:
    """Returns that limits of few checkpoints are wider than need be, with their coverage; empty if not.

    Args:
        how: "Korn-Graubard" or "Gaffke"; others have no such number.
        checkpoints: Fewest of any arm.
    """
    table = {"Korn-Graubard": RATES, "Gaffke": RANGE}.get(how)
    if table is None or checkpoints >= SEEDS[-1]:
        return ""
    found = float(np.interp(checkpoints, SEEDS, table))
    names = {"Korn-Graubard": "Korn and Graubard’s", "Gaffke": "Gaffke’s"}
    return f"{names[how]} limits of {checkpoints} checkpoints cover {found:.2f} in simulations" * (
        found > WIDE
    )


def doubts(checkpoints: int, *, most: int, one_arm: bool) -> str:
    """Returns what a reader must know of a t interval of fewer than 20 checkpoints.

    Differences of arms of about equal size cover at least .94 whatever the shape (both are skewed alike).

    Args:
        checkpoints: Fewest of any arm; runs of one task each count one by one.
        most: Most of any arm.
        one_arm: Whether it is the mean of one arm with no known range.
    """
    table = ONE_ARM if one_arm else UNBALANCED
    if not one_arm and most < 2 * checkpoints:
        return ASSUMED
    found = {shape: float(np.interp(checkpoints, SEEDS, shares)) for shape, shares in table.items()}
    if min(found.values()) >= ENOUGH:
        return ASSUMED
    shares = ", ".join(f"{shape} {share:.2f}" for shape, share in found.items())
    against = "" if one_arm else f" against {most}"
    return f"{ASSUMED}; simulated coverage of a .95 interval of {checkpoints}{against}: {shares}"
