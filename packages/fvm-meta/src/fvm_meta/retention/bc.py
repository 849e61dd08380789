"""BC: fine-tuning that goes on cloning its pretrained self on states of the pretraining.

    loss = the learner's own + coef E_{s ~ buffer} KL(pi*(s) || pi(s))    (Wolczyk et al. 2024, section 2)

The buffer is collected once, by the pretrained policy on its own tasks, and labelled with its distributions:
a distillation, not cross-entropy to actions. Appendix C.2 of the paper prints the KL the other way round;
section 2 and the authors' code have the teacher first. Their coefficient is 2, without decay (appendix B.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from fvm_learners.config_checks import check_counts
from fvm_learners.hooks import TermOutput
from torch import Tensor

from fvm_meta.retention.retention import Schedule, Taught
from fvm_meta.retention.states import Play, States, pieces
from fvm_meta.stream import Snapshot

CHUNK = 256  # states that a teacher labels at once


@dataclass(frozen=True, kw_only=True)
class BCConfig:
    """Settings of BC.

    Attributes:
        coef: Of the KL in nats. More: what was known is kept, at the price of what is new.
        decay: Of the coefficient, once an optimiser step.
        floor: Of the coefficient.
        states: In the buffer.
        batch_size: Of them in each optimiser step; a policy with memory takes whole sequences of as many
        steps.
    """

    coef: float = 2.0
    decay: float = 1.0
    floor: float = 0.0
    states: int = 4096
    batch_size: int = 256

    def __post_init__(self) -> None:
        Schedule(coef=self.coef, decay=self.decay, floor=self.floor)
        check_counts(self, ("states", "batch_size"))

    def make(self) -> BC:
        """Returns a fresh hook."""
        return BC(self)


class BC(Taught):
    """KL to the pretrained policy on a stored buffer of its own states."""

    name = "bc"
    states: States
    labels: Tensor

    def __init__(self, config: BCConfig) -> None:
        super().__init__(Schedule(coef=config.coef, decay=config.decay, floor=config.floor))
        self.config = config
        self._index: Tensor | None = None

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Collects the buffer, and labels it."""
        super().prepare(learner, snapshot, play)
        self.states = play(self.config.states)
        sequence = 1 if self.states.episode_start is None else len(self.states.episode_start)
        self._size = max(1, min(len(self.states), self.config.batch_size // sequence))
        labels = [self.teacher.outputs(self.states[part])[0] for part in pieces(len(self.states), CHUNK)]
        self.labels = torch.cat(labels, dim=0 if sequence == 1 else 1)
        self._draw()

    def term(self, policy: Any, batch: Any) -> TermOutput:
        """Returns coef KL on the step's own draw of the buffer, a scalar."""
        assert self._index is not None
        index = self._index.to(self.labels.device)
        labels = self.labels[index] if self.states.episode_start is None else self.labels[:, index]
        kl = self.teacher.kl(labels, self.student(policy, self.states[index])).mean()
        return self.coef * kl, {"kl": kl, "coef": torch.tensor(self.coef)}

    def after_step(self) -> None:
        """Draws what the next step is asked about."""
        super().after_step()
        self._draw()

    def _draw(self) -> None:
        self._index = torch.randint(
            len(self.states), (self._size,), generator=self.rng, device=self.rng.device
        )

    def state_dict(self) -> dict[str, Any]:
        """Returns the coefficient, the generator, and what was drawn for the next step."""
        index = [] if self._index is None else self._index.tolist()
        return {**super().state_dict(), "index": index}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
        super().load_state_dict(state)
        self._index = torch.tensor(state["index"], dtype=torch.int64) if state["index"] else None
