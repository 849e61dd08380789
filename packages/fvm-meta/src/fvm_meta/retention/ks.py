"""KS, kickstarting: fine-tuning that stays near its pretrained self where it goes (Schmitt et al. 2018).

    loss = the learner's own + coef E_{s ~ pi} KL(pi*(s) || pi(s))        (Wolczyk et al. 2024, section 2)

The states are the learner's own: the rollout it has just collected, or, with a replay, the batch it learns
from. It fails where the teacher knows nothing of the states that come first. A teacher with a memory has one
of its own, which goes through the same observations and starts with zeros at each episode.

Schedules of the paper: .5 with a decay of .99998 and no floor (appendix B.1); its released code has .75 with
a floor of .33. They disagree, so both are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from fvm_learners.hooks import TermOutput
from fvm_learners.observations import map_parts
from torch import Tensor

from fvm_meta.retention.retention import Schedule, Taught
from fvm_meta.retention.states import States

AS_PRINTED = Schedule(coef=0.5, decay=0.99998)  # Wolczyk et al. 2024, appendix B.1
AS_RELEASED = Schedule(coef=0.75, decay=0.99998, floor=0.33)  # their released configuration
ROWS = 16  # steps of all slots that a teacher looks at together


@dataclass(frozen=True, kw_only=True)
class KSConfig:
    """Settings of KS.

    Attributes:
        coef: Of the KL in nats. More: nearer to the teacher wherever the learner goes.
        decay: Of the coefficient, once an optimiser step.
        floor: Of the coefficient.
    """

    coef: float = AS_PRINTED.coef
    decay: float = AS_PRINTED.decay
    floor: float = AS_PRINTED.floor

    def __post_init__(self) -> None:
        Schedule(coef=self.coef, decay=self.decay, floor=self.floor)

    def make(self) -> KS:
        """Returns a fresh hook."""
        return KS(self)


class KS(Taught):
    """KL to the pretrained policy on the learner's own states."""

    name = "ks"

    def __init__(self, config: KSConfig) -> None:
        super().__init__(Schedule(coef=config.coef, decay=config.decay, floor=config.floor))
        self._memory: Tensor | None = None

    def on_rollout(self, rollout: Any) -> Mapping[str, Tensor]:
        """Returns what the teacher says of each step [T, N, P], by this hook's own name."""
        told, self._memory = teacher_on(self.teacher, rollout, self._memory)
        return {f"{self.name}/teacher": told}

    def term(self, policy: Any, batch: Any) -> TermOutput:
        """Returns coef KL, one a sample."""
        told = getattr(batch, "extra", {}).get(f"{self.name}/teacher")
        if told is None:
            told, _ = self.teacher.outputs(batch)
        kl = self.teacher.kl(told, self.student(policy, batch))
        return self.coef * kl, {"kl": kl.mean(), "coef": torch.tensor(self.coef)}

    def state_dict(self) -> dict[str, Any]:
        """Returns the coefficient and the teacher's memory."""
        memory = None if self._memory is None else self._memory.cpu().clone()
        return {**super().state_dict(), "memory": memory}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
        super().load_state_dict(state)
        memory = state["memory"]
        self._memory = None if memory is None else memory.to(self.rng.device, copy=True)


def teacher_on(teacher: Any, rollout: Any, memory: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Returns what a teacher says of each step [T, N, P] of a rollout, and its memory after it.

    Args:
        teacher: Asked in order, a few rows at a time.
        rollout: [T, N] steps as a learner collects them.
        memory: The teacher's own, [N, 2, size] before the first step; None before any rollout.
    """
    recurrent = rollout.initial_state is not None
    if recurrent and (memory is None or len(memory) != len(rollout.initial_state)):
        memory = torch.zeros_like(rollout.initial_state)
    told = []
    for first in range(0, len(rollout.episode_start), ROWS):
        rows = slice(first, first + ROWS)
        states = States(
            obs=map_parts(lambda part, rows=rows: part[rows], rollout.obs),
            initial_state=memory,
            episode_start=rollout.episode_start[rows] if recurrent else None,
        )
        outputs, memory = teacher.outputs(states)
        told.append(outputs)
    return torch.cat(told), memory if recurrent else None
