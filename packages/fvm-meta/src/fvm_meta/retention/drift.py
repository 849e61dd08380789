"""Drift: how far fine-tuning has gone from the pretrained policy on the new task, measured and nothing else.

    drift/kl = E_{s ~ pi} KL(pi(s) || pi*(s))

Forgetting in sequential fine-tuning tracks this KL, new policy first ("RL's Razor", arXiv 2509.04259), so
every arm logs it, plain fine-tuning too where a study asks about FAR. It adds nothing to the loss, and looks
once in `every` optimiser steps, so that who is measured does not learn at twice the price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from fvm_learners.config_checks import check_counts
from fvm_learners.hooks import TermOutput

from fvm_meta.retention.ks import KS, KSConfig
from fvm_meta.retention.retention import RATIO_EVERY


@dataclass(frozen=True, kw_only=True)
class DriftConfig:
    """Settings of the measurement.

    Attributes:
        every: Optimiser steps between two looks. More: cheaper, and a curve of fewer points.
    """

    every: int = RATIO_EVERY

    def __post_init__(self) -> None:
        check_counts(self, ("every",))

    def make(self) -> Drift:
        """Returns a fresh hook."""
        return Drift(self)


class Drift(KS):
    """KL from the policy in training to the pretrained one, as a metric."""

    keeps = False
    name = "drift"
    version = 2
    ratio_every: ClassVar[int] = 0  # it has no gradient

    def __init__(self, config: DriftConfig) -> None:
        super().__init__(KSConfig(coef=0.0, decay=1.0))
        self.every, self.steps = config.every, 0

    @torch.no_grad()
    def term(self, policy: Any, batch: Any) -> TermOutput:
        """Returns a loss of 0 and the KL, at every so many steps."""
        if self.steps % self.every:
            return None
        told = getattr(batch, "extra", {}).get(f"{self.name}/teacher")
        if told is None:
            told, _ = self.teacher.outputs(batch)
        kl = self.student(policy, batch).kl(self.learner.distribution_from(told))
        return kl.new_zeros(()), {"kl": kl.mean()}

    def after_step(self) -> None:
        """Counts."""
        super().after_step()
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """Returns the steps so far, and what KS keeps."""
        return {**super().state_dict(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
        super().load_state_dict(state)
        self.steps = state["steps"]
