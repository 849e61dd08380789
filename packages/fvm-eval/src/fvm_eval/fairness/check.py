"""The ten rules, and one line of the checklist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

RULES: Mapping[int, str] = {
    1: "The estimand is a sentence; intervals over these tasks and over new tasks are both printed",
    2: "Splits are fixed before training and hashed; every method is tuned with as many env steps and trials",
    3: "No held-out task leaks into training",
    4: "Env steps and demos on the test task are equal, and no run went over its budget",
    5: "Random, scripted, scratch and zero-shot baselines are shown; held-out tasks leave headroom",
    6: "Deployment curves of frozen snapshots, and online return as a second curve",
    7: "Which episodes count was fixed before the rollout",
    8: "Value at budget from the final snapshot of every run, never the best one",
    9: "Failed and diverged runs are kept and scored: every planned run is in the table",
    10: "Studies too small to decide say so, and every look at a growing study is logged",
}
RUN = ["method", "fold", "seed", "checkpoint", "task"]
NO_PLAN = "no plan was handed in"
Status = Literal["holds", "fails", "cannot be checked"]
_WORSE: Sequence[Status] = ("holds", "cannot be checked", "fails")


@dataclass(frozen=True)
class Check:
    """One line of the checklist.

    Attributes:
        rule: Number in `RULES`.
        status: What the machine found.
        reason: Why, with the number.
    """

    rule: int
    status: Status
    reason: str

    def or_worse(self, other: Check | None) -> Check:
        """Returns the other one where it is no better, but never one that holds by being handed in."""
        if other is None or other.status == "holds":
            return self
        return self if _WORSE.index(other.status) < _WORSE.index(self.status) else other
