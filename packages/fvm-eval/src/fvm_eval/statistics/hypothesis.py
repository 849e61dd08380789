"""Tests of hypotheses: of a direction, of equality, by permutation; and the correction for several.

Which test for which data:

* methods with checkpoints of their own: Welch's t (`Estimate.p_above`), or `permutation` of checkpoints;
* the same checkpoints on both sides, as with two ways to fine-tune them: the paired t, or `sign_flip`;
* "as good as", "no worse than": `equivalence`, `non_inferiority`, with a margin fixed beforehand. A p value
  above alpha of a test of difference shows nothing of the kind.

A t-test over tasks on seed means is none of them: it calls equal methods different most of the time.
"""

from __future__ import annotations

from collections.abc import Sequence

from fvm_eval.statistics.estimates import Estimate
from fvm_eval.statistics.permutation import permutation, sign_flip

__all__ = ["equivalence", "holm", "non_inferiority", "permutation", "sign_flip"]


def non_inferiority(estimate: Estimate, margin: float) -> float | None:
    """Returns the one-sided p value of contrast > -margin; None where the data give none."""
    return estimate.p_above(-margin)


def equivalence(estimate: Estimate, margin: float) -> float | None:
    """Returns the p value of |contrast| < margin, the larger of two one-sided tests' (Schuirmann 1987)."""
    above, below = estimate.p_above(-margin), estimate.p_below(margin)
    return None if above is None or below is None else max(above, below)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p values adjusted for their number (Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1, and never falls below the one before. Rejecting those
    <= alpha keeps the chance of any false rejection below alpha, however they depend.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
