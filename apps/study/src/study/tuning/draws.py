"""What `--tune` draws settings from, at random."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from study.registry import Draw


def log_uniform(low: float, high: float) -> Draw:
    """Returns a draw whose logarithm is uniform, rounded to two digits."""
    return lambda rng: float(f"{math.exp(rng.uniform(math.log(low), math.log(high))):.1e}")


def eps_schedule(rng: np.random.Generator) -> tuple[float, float]:
    """Returns a start from .1 to 1, and an end from 0 to that start or to 1."""
    start = round(float(rng.uniform(0.1, 1.0)), 2)
    return start, round(float(rng.choice([0.0, start, 1.0])), 2)


def one_of(*values: float) -> Draw:
    """Returns a draw of one of these numbers."""
    return lambda rng: float(rng.choice(values))


# Learning rates are factors of the phase's.
RATES: Mapping[str, Draw] = {
    "pretrain.learning_rate": log_uniform(0.5, 3.0),
    "adapt.learning_rate": log_uniform(0.3, 4.0),
}
ENTROPY: Mapping[str, Draw] = {"learner.entropy_coef": log_uniform(1e-3, 0.05)}
FROM_SCRATCH: Mapping[str, Draw] = {
    "adapt.learning_rate": log_uniform(0.3, 4.0),
    "adapt.entropy_coef": log_uniform(1e-3, 0.05),
}
FROM_SCRATCH_OFF_POLICY: Mapping[str, Draw] = {"adapt.learning_rate": log_uniform(0.3, 4.0)}
RECURRENT: Mapping[str, Draw] = {
    "learner.learning_rate": log_uniform(0.5, 3.0),
    "learner.gae_lambda": one_of(0.8, 0.9, 0.95),
    **ENTROPY,
}
INFERENCE: Mapping[str, Draw] = {
    "config.kl_weight": one_of(0.01, 0.1, 1.0),
    "pretrain.learning_rate": log_uniform(0.5, 3.0),
}
