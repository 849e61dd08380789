"""The precondition that a pretraining learned, decided as a component of a claim is."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np
import polars as pl

from fvm_eval.claims.components import Component, assess
from fvm_eval.claims.preconditions import Precondition


def pretraining_learned(
    final: Sequence[float],
    random: Sequence[float],
    *,
    name: str = "the pretraining learned",
    score_bounds: tuple[float, float] | None = None,
) -> Precondition:
    """Returns whether training return lies above random play, by a 95 % interval.

    Args:
        final: Training return at the end of pretraining, one number a checkpoint.
        random: Returns of random play on the training tasks, one number an independent replicate (seed or
            episode); a single number is taken as exact.
        name: For the report.
        score_bounds: Lowest and highest possible return, for checkpoints that all agree, whose spread says
            nothing; None where there are none.
    """
    if not final or not random:
        return Precondition(name, None, "no training return or no random play was given")
    if lost := sum(not isfinite(value) for value in [*final, *random]):
        return Precondition(name, None, f"not estimable: {lost} of the returns are no numbers")
    gap = float(np.mean(final) - np.mean(random))
    cells = {"trained": _cells("trained", final), "random": _cells("random", random)}
    weights = {"trained": 1.0, "random": -1.0}
    if len(random) == 1:
        cells = {"trained": _cells("trained", [value - random[0] for value in final])}
        weights = {"trained": 1.0}
    part = Component(name=name, summary="training return", weights=weights, margin=0)
    verdict = assess(part, cells, min_checkpoints=2)
    if (verdict.interval is None or verdict.interval.low is None) and score_bounds is not None:
        verdict = assess(part, cells, min_checkpoints=2, score_bounds=score_bounds)
    interval = verdict.interval
    if interval is None or interval.low is None or interval.high is None:
        why = verdict.reason if interval is None else interval.note
        return Precondition(name, None, f"{gap:+.2g} over random play, no interval: {why}")
    limits = f"{gap:+.2g} over random play, 95 % [{interval.low:.2g}, {interval.high:.2g}]"
    return Precondition(name, verdict.passed, limits.replace("-", "−"))


def _cells(name: str, values: Sequence[float]) -> pl.DataFrame:
    checkpoints = [f"{name}/{i}" for i in range(len(values))]
    return pl.DataFrame(
        {
            "fold": [0] * len(values),
            "checkpoint": checkpoints,
            "task": ["training"] * len(values),
            "value": [float(value) for value in values],
        }
    )
