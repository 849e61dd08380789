"""What every learner here gives and takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fvm_learners.episodes import Episode

State = dict[str, Any]

LossTerm = Callable[[Any, Any, torch.Generator], Tensor]
"""`(policy, batch, rng) -> [B] or scalar`, its mean is added to the learner's loss; policy and batch are the
learner's own kind."""


@dataclass(frozen=True)
class Iteration:
    """Some env steps and the updates that follow them.

    Attributes:
        env_steps: taken in this iteration, all slots together (NEXT_STEP's reset rows included).
        updates: optimiser steps in this iteration.
        metrics: means over the updates.
        episodes: that ended in this iteration.
    """

    env_steps: int
    updates: int
    metrics: dict[str, float]
    episodes: tuple[Episode, ...]
