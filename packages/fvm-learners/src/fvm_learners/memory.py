"""What a recurrent policy remembers of an episode, to begin another one with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fvm_learners.autoreset import Step
from fvm_learners.observations import Obs


@dataclass(frozen=True)
class Memory:
    """What a recurrent policy remembers of L episodes under way; all zero where there is nothing yet.

    Attributes:
        state: [L, 2, lstm_size] recurrent state.
        feedback: [L, num_feedback] that its next observation comes with.
    """

    state: Tensor
    feedback: Tensor

    def replaced(self, rows: Tensor, by: Memory) -> Memory:
        """This memory with the rows of the mask [L] taken from another."""
        return Memory(
            torch.where(rows[:, None, None], by.state, self.state),
            torch.where(rows[:, None], by.feedback, self.feedback),
        )

    @classmethod
    def blank(cls, state: Tensor | None, obs: Obs) -> Memory | None:
        """Of slots that have seen nothing; None without a recurrent state or without feedback."""
        if state is None or not isinstance(obs, dict):
            return None
        return cls(torch.zeros_like(state), torch.zeros_like(obs["feedback"]))

    def at_new_trials(self, outcome: Step, state: Tensor | None, obs: Obs) -> Memory:
        """This memory, anew in the slots that begin another trial of their episode (`info["trial_end"]`)."""
        new_trial = outcome.mask("trial_end") & ~outcome.ended
        if state is None or not isinstance(obs, dict) or not new_trial.any():
            return self
        return self.replaced(torch.from_numpy(new_trial).to(state.device), Memory(state, obs["feedback"]))

    def state_dict(self) -> dict[str, Tensor]:
        """Copies on the CPU."""
        return {"state": self.state.cpu().clone(), "feedback": self.feedback.cpu().clone()}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], device: torch.device) -> Memory:
        """What `state_dict` gave."""
        return cls(state["state"].to(device, copy=True), state["feedback"].to(device, copy=True))
