"""Budgets and the ledgers that enforce them.

Methods are compared at equal budgets of env steps and demos on the test task (the matched axes); updates may
be capped too, and tuning trials are counted. A ledger refuses to go over its budget, so no result can have
been bought with hidden steps.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MATCHED_AXES = ("env_steps", "demos")
AXES = ("env_steps", "updates", "demos", "trials")


class BudgetExceeded(RuntimeError):
    """A charge that would have gone over the budget; nothing was booked."""


@dataclass(frozen=True)
class Budget:
    """What one adaptation may spend on its task.

    Attributes:
        env_steps: Interactions with the task, exploration included.
        updates: Optimiser steps; None leaves them free, they are counted all the same.
        demos: Demonstrations of the task.
    """

    env_steps: int
    updates: int | None = None
    demos: int = 0

    def __post_init__(self) -> None:
        for axis in ("env_steps", "updates", "demos"):
            value = getattr(self, axis)
            if value is None and axis == "updates":
                continue
            object.__setattr__(self, axis, _count(f"a budget of {axis}", value))


def _count(what: str, value: object) -> int:
    """Returns a count as an int; NaN, infinity, fractions and truth values are none."""
    try:
        if isinstance(value, bool):
            raise TypeError
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"{what}={value!r} is no whole number; give 0 or more") from None
    if count < 0:
        raise ValueError(f"{what}={value!r} is negative; give 0 or more")
    return count


class Ledger:
    """Counts what was spent against a budget.

    Attributes:
        budget: The limits.
        env_steps, updates, demos: Spent so far.
        trials: Tuning trials on validation tasks, counted and never limited.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.env_steps = 0
        self.updates = 0
        self.demos = 0
        self.trials = 0

    def charge(self, *, env_steps: int = 0, updates: int = 0, demos: int = 0, trials: int = 0) -> None:
        """Books a spending, all of it or none.

        Raises:
            BudgetExceeded: The spending would pass a limit.
            ValueError: A charge is negative or no whole number.
        """
        charges = {"env_steps": env_steps, "updates": updates, "demos": demos, "trials": trials}
        for axis, amount in charges.items():
            charges[axis] = amount = _count(f"a charge of {axis}", amount)
            limit = getattr(self.budget, axis, None)
            if limit is not None and getattr(self, axis) + amount > limit:
                raise BudgetExceeded(
                    f"{axis}: {getattr(self, axis)} spent, {amount} more would pass the budget of {limit}"
                )
        for axis, amount in charges.items():
            setattr(self, axis, getattr(self, axis) + amount)

    @property
    def left_env_steps(self) -> int:
        """Env steps that may still be taken."""
        return self.budget.env_steps - self.env_steps

    @property
    def spent(self) -> dict[str, int]:
        """What was spent, by axis."""
        return {axis: getattr(self, axis) for axis in AXES}

    def state_dict(self) -> dict[str, Any]:
        """Returns the counts and the budget as JSON values."""
        return {
            "budget": {
                "env_steps": self.budget.env_steps,
                "updates": self.budget.updates,
                "demos": self.budget.demos,
            },
            "spent": self.spent,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        self.budget = Budget(**state["budget"])
        for axis in AXES:
            setattr(self, axis, _count(f"a ledger's {axis}", state["spent"][axis]))

    def __repr__(self) -> str:
        return f"Ledger({self.budget}, spent={self.spent})"


@dataclass(frozen=True)
class Mismatch:
    """A matched axis on which methods could spend unequally: their comparison would not be fair."""

    axis: str
    limits: Mapping[str, int]

    def __str__(self) -> str:
        return f"not comparable in {self.axis}: " + ", ".join(f"{m} {n:,}" for m, n in self.limits.items())


def comparability(ledgers: Mapping[str, Ledger]) -> list[Mismatch]:
    """Returns the matched axes on which the methods' budgets differ; empty when they may be compared.

    A method that has no use for all of its budget (zero-shot, a memory that is full) is no worse comparable.

    Args:
        ledgers: For each method that of one adaptation run on its test task.
    """
    mismatches = []
    for axis in MATCHED_AXES:
        limits = {method: int(getattr(ledger.budget, axis)) for method, ledger in ledgers.items()}
        if len(set(limits.values())) > 1:
            mismatches.append(Mismatch(axis, limits))
    return mismatches
