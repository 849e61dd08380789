"""What a caller gives a paradigm, checked where it comes in: a sentence says what came and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def spawned(rng: np.random.Generator, num: int) -> list[np.random.Generator]:
    """Returns so many children of a generator.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng={rng!r}: give a generator, such as numpy.random.default_rng(0)")
    return rng.spawn(num)


def check_tasks(tasks: Sequence[Any]) -> None:
    """Raises TypeError unless it is a sequence, and ValueError unless there is a task in it.

    Sets have no order that a second run would have, and a text is a sequence of letters.
    """
    if isinstance(tasks, str) or not (hasattr(tasks, "__len__") and hasattr(tasks, "__getitem__")):
        raise TypeError(f"tasks={tasks!r}: give a list of tasks, of one if there is one only")
    if not len(tasks):
        raise ValueError(f"tasks={tasks!r} holds no task: give one at least")


def check_snapshot(snapshot: Any) -> None:
    """Raises TypeError unless it is a snapshot, or what has a frozen policy as one has, or None."""
    if snapshot is not None and not hasattr(getattr(snapshot, "policy", None), "weights"):
        raise TypeError(
            f"a pretrained agent came as a {type(snapshot).__name__} without a frozen policy: give a "
            "Snapshot of pretrain or adapt, or None to start from random weights"
        )


def check_state(state: Any, parts: Iterable[str]) -> None:
    """Raises ValueError unless a state to resume from has these parts."""
    lacking = [part for part in parts if not isinstance(state, dict) or part not in state]
    if lacking:
        raise ValueError(
            f"resume is a {type(state).__name__} without {', '.join(lacking)}: give what `state()` of a "
            "snapshot of the same stream returned"
        )


def retentions(retain: Any) -> tuple[Any, ...]:
    """Returns the settings, of which each makes a retention.

    Raises:
        TypeError: They are none.
    """
    if isinstance(retain, str) or not isinstance(retain, Iterable):
        raise TypeError(f"retain={retain!r}: give a tuple of settings, such as (BCConfig(),)")
    configs = tuple(retain)
    for config in configs:
        if isinstance(config, type) or not callable(getattr(config, "make", None)):
            raise TypeError(
                f"retain holds {config!r}, which are no settings of a retention: give some of "
                "fvm_meta.retention, such as BCConfig(coef=1.0)"
            )
    return configs
