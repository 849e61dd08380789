"""Drift: how far fine-tuning has gone from the pretrained policy on the new task, measured and nothing else.

    drift/kl = E_{s ~ pi} KL(pi(s) || pi*(s))

Forgetting in sequential fine-tuning tracks this KL, new policy first ("RL's Razor", arXiv 2509.04259), so
every arm logs it, plain fine-tuning too. It adds nothing to the loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from fvm_learners.hooks import TermOutput

from fvm_meta.retention.ks import KS, KSConfig


@dataclass(frozen=True, kw_only=True)
class DriftConfig:
    """It has no settings."""

    def make(self) -> Drift:
        """Returns a fresh hook."""
        return Drift()


class Drift(KS):
    """KL from the policy in training to the pretrained one, as a metric."""

    name = "drift"
    ratio_every: ClassVar[int] = 0  # it has no gradient

    def __init__(self) -> None:
        super().__init__(KSConfig(coef=0.0, decay=1.0))

    @torch.no_grad()
    def term(self, policy: Any, batch: Any) -> TermOutput:
        """Returns a loss of 0, and the KL."""
        told = getattr(batch, "extra", {}).get(f"{self.name}/teacher")
        if told is None:
            told, _ = self.teacher.outputs(batch)
        kl = self.student(policy, batch).kl(self.learner.distribution_from(told))
        return kl.new_zeros(()), {"kl": kl.mean()}
