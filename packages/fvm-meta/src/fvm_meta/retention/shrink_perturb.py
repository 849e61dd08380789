"""Shrink and perturb: a network that learns again, at the price of what it knew (Ash, Adams 2020).

    once, before fine-tuning:  theta <- shrink theta* + perturb theta^0        (arXiv 1910.08475, section 4)

theta^0 are the random weights the learner was made with. The scale of noisy layers is mixed as well: where a
transfer has put it back to its first, it is `shrink + perturb` times that. It is an arm against lost
plasticity, and so the opposite of retention: where forgetting is the trouble, it should hurt.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from fvm_learners.config_checks import check_fractions

from fvm_meta.retention.retention import Retention
from fvm_meta.retention.states import Play
from fvm_meta.stream import Snapshot


@dataclass(frozen=True, kw_only=True)
class ShrinkPerturbConfig:
    """Settings of shrink and perturb.

    Attributes:
        shrink: Of the pretrained weights. Less: more is forgotten.
        perturb: Of fresh random weights, which are added.
    """

    shrink: float = 0.4
    perturb: float = 0.1

    def __post_init__(self) -> None:
        check_fractions(self, ("shrink", "perturb"))

    def make(self) -> ShrinkPerturb:
        """Returns a fresh hook."""
        return ShrinkPerturb(self)


class ShrinkPerturb(Retention):
    """Mixes the weights that fine-tuning starts from with random ones."""

    keeps = False
    name = "shrink-perturb"
    mixes: ClassVar[bool] = True

    def __init__(self, config: ShrinkPerturbConfig) -> None:
        super().__init__()
        self.config = config

    def before(self, learner: Any) -> None:
        """Copies the random weights."""
        self._random = {name: tensor.clone() for name, tensor in learner.policy.state_dict().items()}

    @torch.no_grad()
    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Shrinks and perturbs, once."""
        super().prepare(learner, snapshot, play)
        mixed = {
            name: self.config.shrink * tensor + self.config.perturb * self._random[name]
            if tensor.is_floating_point()
            else tensor
            for name, tensor in learner.policy.state_dict().items()
        }
        learner.load_weights({name: tensor.cpu() for name, tensor in mixed.items()})

    def beside(self, still: Collection[str]) -> None:
        """Raises ValueError where parts are held still: they would be held at what they have become."""
        if still:
            raise ValueError(
                f"{self.name} mixes all weights with random ones, and {', '.join(sorted(still))} is to stay "
                "as it was pretrained and never learns: leave one of the two out"
            )
