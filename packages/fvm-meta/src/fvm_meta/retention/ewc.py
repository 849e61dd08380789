"""EWC: a pull to the pretrained weights, the stronger the more the pretrained policy depends on one.

    diagonal  loss + coef / n sum_i F_i (theta_i - theta*_i)^2      (Kirkpatrick et al. 2017, without the 1/2)
    full      loss + coef / n (theta - theta*)^T F (theta - theta*)
    paper     loss + coef sum_i F_i (theta_i - theta*_i)^2, F as the authors of Wolczyk et al. 2024 compute it

F is the expected Fisher of each sample (`fisher.py`), scaled to a mean of 1 over the n parameters, so that
one grid of coefficients fits all learners and compares with `l2.py`, which is F = 1. What the policy does not
depend on, as a head of values, has F = 0 and is free. In a model of two parameters the diagonal does not help
and the full matrix does (docs/results/apple): what counts is in the correlations that the diagonal drops.

The paper's coefficient is 2e6, its branch's 2e7, with 30,000 batches; they disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from fvm_learners.config_checks import check_counts
from fvm_learners.hooks import TermOutput
from torch import Tensor

from fvm_meta.capabilities import HasDistribution
from fvm_meta.retention.fisher import as_published, expected
from fvm_meta.retention.l2 import anchors, known
from fvm_meta.retention.retention import Retention, Schedule, Teacher, calibrate
from fvm_meta.retention.states import Play
from fvm_meta.stream import Snapshot


@dataclass(frozen=True, kw_only=True)
class EWCConfig:
    """Settings of EWC.

    Attributes:
        coef: Of the penalty. More: what the old policy depends on moves less.
        decay: Of the coefficient, once an optimiser step.
        floor: Of the coefficient.
        mode: "diagonal", "full" (small networks only), or "paper".
        states: Of which the Fisher is the mean.
        batch_size: States of a batch in the paper's mode; of a policy with memory, sequences.
    """

    coef: float = 1.0
    decay: float = 1.0
    floor: float = 0.0
    mode: Literal["diagonal", "full", "paper"] = "diagonal"
    states: int = 256
    batch_size: int = 256

    def __post_init__(self) -> None:
        Schedule(coef=self.coef, decay=self.decay, floor=self.floor)
        if self.mode not in ("diagonal", "full", "paper"):
            raise ValueError(f"mode={self.mode!r}: give 'diagonal', 'full' or 'paper'")
        check_counts(self, ("states", "batch_size"))

    def make(self) -> EWC:
        """Returns a fresh hook."""
        return EWC(self)


class EWC(Retention):
    """A pull to the pretrained weights, weighted by the Fisher."""

    name = "ewc"
    needs: ClassVar[type[Any]] = HasDistribution
    fisher: Tensor
    anchor: Tensor

    def __init__(self, config: EWCConfig) -> None:
        super().__init__(Schedule(coef=config.coef, decay=config.decay, floor=config.floor))
        self.config = config

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Computes the Fisher of the pretrained policy on states of its own tasks."""
        super().prepare(learner, snapshot, play)
        teacher = Teacher(learner, snapshot)
        calibrate(learner, teacher, play)
        network = teacher.network.requires_grad_(True)
        states, config = play(self.config.states), self.config
        if config.mode == "paper":
            self.fisher = as_published(learner, network, states, batch_size=config.batch_size)
        else:
            self.fisher = expected(learner, network, states, full=config.mode == "full", rng=self.rng)
        kept = anchors(learner.policy, known(learner, snapshot))
        self.anchor = torch.cat([anchor.flatten() for anchor in kept.values()])

    def term(self, policy: Any, batch: Any) -> TermOutput:
        """Returns the weighted squared distance, a scalar."""
        change = torch.cat([parameter.flatten() for parameter in policy.parameters()]) - self.anchor
        if self.config.mode == "full":
            distance = change @ (self.fisher @ change) / len(change)
        elif self.config.mode == "diagonal":
            distance = self.fisher @ change**2 / len(change)
        else:
            distance = self.fisher @ change**2
        return self.coef * distance, {"distance": distance, "coef": torch.tensor(self.coef)}
