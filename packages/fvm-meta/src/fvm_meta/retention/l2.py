"""L2: a pull to weights that were, the pretrained ones or those before any training.

    l2       loss + coef mean_i (theta_i - theta*_i)^2       EWC with F = 1: "stay close", without a Fisher
    l2-init  loss + coef mean_i (theta_i - theta^0_i)^2      regenerative: keeps a network able to learn
                                                             (Kumar et al. 2023, arXiv 2308.11958)

Means over parameters, so that one coefficient means the same in networks of any size, as in `ewc.py`. The two
pull in opposite directions: one keeps a skill, the other plasticity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from fvm_learners.hooks import TermOutput
from torch import Tensor

from fvm_meta.retention.retention import Retention, Schedule
from fvm_meta.retention.states import Play
from fvm_meta.stream import Snapshot


@dataclass(frozen=True, kw_only=True)
class L2Config:
    """Settings of the pull to the pretrained weights.

    Attributes:
        coef: Of the mean squared distance.
        decay: Of the coefficient, once an optimiser step.
        floor: Of the coefficient.
    """

    coef: float = 1.0
    decay: float = 1.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        Schedule(coef=self.coef, decay=self.decay, floor=self.floor)

    def make(self) -> L2:
        """Returns a fresh hook."""
        return L2(self)


class L2InitConfig(L2Config):
    """Settings of the pull to the weights before any training."""

    def make(self) -> L2Init:
        """Returns a fresh hook."""
        return L2Init(self)


class L2(Retention):
    """A pull to the pretrained weights."""

    name = "l2"
    anchors: dict[str, Tensor]

    def __init__(self, config: L2Config) -> None:
        super().__init__(Schedule(coef=config.coef, decay=config.decay, floor=config.floor))

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Copies the pretrained weights."""
        super().prepare(learner, snapshot, play)
        self.anchors = anchors(learner.policy, known(learner, snapshot))

    def term(self, policy: Any, batch: Any) -> TermOutput:
        """Returns coef times the mean squared distance, a scalar."""
        squares = [
            ((parameter - self.anchors[name]) ** 2).sum() for name, parameter in policy.named_parameters()
        ]
        distance = torch.stack(squares).sum() / sum(anchor.numel() for anchor in self.anchors.values())
        return self.coef * distance, {"distance": distance, "coef": torch.tensor(self.coef)}


class L2Init(L2):
    """A pull to the weights that the learner was made with."""

    keeps = False
    name = "l2-init"

    def before(self, learner: Any) -> None:
        """Copies the random weights."""
        self._random = learner.policy.state_dict()
        self._random = {name: tensor.clone() for name, tensor in self._random.items()}

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Takes those as what it pulls to."""
        super().prepare(learner, snapshot, play)
        self.anchors = anchors(learner.policy, self._random)


def known(learner: Any, snapshot: Snapshot | None) -> Mapping[str, Tensor]:
    """Returns the pretrained agent's weights: the learner's own, as they are now, if there is no snapshot."""
    weights: Mapping[str, Tensor] = (
        learner.policy.state_dict() if snapshot is None else snapshot.policy.weights
    )
    return weights


def anchors(network: Any, weights: Any) -> dict[str, Tensor]:
    """Returns copies of the weights of a network's parameters, in their types and on their devices."""
    return {
        name: weights[name].detach().to(parameter.device, parameter.dtype, copy=True)
        for name, parameter in network.named_parameters()
    }
