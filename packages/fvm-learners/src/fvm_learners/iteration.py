"""What every learner here gives and takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fvm_learners.episodes import Episode

State = dict[str, Any]


@dataclass(frozen=True)
class Iteration:
    """Some env steps and the updates that follow them.

    Attributes:
        env_steps: Taken in this iteration, all slots together (NEXT_STEP's reset rows included).
        updates: Optimiser steps in this iteration.
        metrics: Means over the updates; those of a hook's term as `<hook>/<metric>`.
        episodes: That ended in this iteration.
    """

    env_steps: int
    updates: int
    metrics: dict[str, float]
    episodes: tuple[Episode, ...]


def means(history: Sequence[dict[str, Tensor]]) -> dict[str, float]:
    """Each metric's mean over the optimiser steps that have it; a hook's term may be left out of some."""
    names = dict.fromkeys(name for metrics in history for name in metrics)
    return {
        name: float(torch.stack([metrics[name] for metrics in history if name in metrics]).mean())
        for name in names
    }
