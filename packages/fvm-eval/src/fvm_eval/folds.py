"""Folds: which tasks train, which tune, which test; decided and hashed before anything is trained."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

_SHOWN_IDS = 5


class OverlapError(ValueError):
    """Tasks that two parts of a fold share; the message names them."""


@dataclass(frozen=True)
class Fold:
    """Disjoint training, validation and held-out tasks, by id.

    Attributes:
        train: Tasks the pretraining may see.
        validation: Tasks everything is tuned on.
        held_out: Tasks only the final comparison sees.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    held_out: tuple[str, ...]

    def __post_init__(self) -> None:
        parts = {"train": self.train, "validation": self.validation, "held_out": self.held_out}
        for name, ids in parts.items():
            given: object = ids  # whatever the types promise
            if isinstance(given, str) or not all(isinstance(task, str) and task for task in ids):
                raise ValueError(f"{name}={ids!r}: give a tuple of task ids, each a text that is not empty")
            object.__setattr__(self, name, tuple(ids))
            if len(set(ids)) < len(ids):
                twice = sorted(task for task, count in Counter(ids).items() if count > 1)
                raise OverlapError(f"{name} lists {_named(twice)} more than once")
        for (left, left_ids), (right, right_ids) in combinations(parts.items(), 2):
            shared = sorted(set(left_ids) & set(right_ids))
            if shared:
                raise OverlapError(f"{left} and {right} share {_named(shared)}; their tasks must be disjoint")
        if not self.held_out:
            raise ValueError("a fold without held-out tasks measures nothing; give at least one")

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON of the three lists, order included."""
        content = {"train": self.train, "validation": self.validation, "held_out": self.held_out}
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def fixed(train: Sequence[str], held_out: Sequence[str], validation: Sequence[str] = ()) -> list[Fold]:
    """Returns the one fold of a split that was chosen by hand."""
    return [Fold(tuple(train), tuple(validation), tuple(held_out))]


def k_fold(
    tasks: Sequence[str], k: int, *, validation: int = 0, rng: np.random.Generator | None = None
) -> list[Fold]:
    """Returns k folds; each task is held out exactly once.

    Args:
        tasks: All tasks.
        k: Number of folds, their held-out parts differ in size by one at most.
        validation: How many tasks that follow the held-out ones (cyclically) tune instead of train.
        rng: Shuffles the tasks first; without it they are cut in their order.

    Raises:
        ValueError: k does not fit the number of tasks, or nothing would be left to train on.
    """
    tasks = _distinct("tasks", tasks)
    if not 2 <= k <= len(tasks):
        raise ValueError(f"{k} folds of {len(tasks)} tasks: give between 2 and {len(tasks)}")
    order = list(tasks) if rng is None else [tasks[i] for i in rng.permutation(len(tasks))]
    bounds = [round(i * len(order) / k) for i in range(k + 1)]
    return [_cut(order, start, stop, validation) for start, stop in pairwise(bounds)]


def leave_one_out(
    tasks: Sequence[str], *, held_out: Sequence[str] | None = None, validation: int = 0
) -> list[Fold]:
    """Returns one fold per held-out task, which trains on all others.

    Args:
        tasks: All tasks.
        held_out: Those to leave out in turn; all of them where not given.
        validation: How many tasks that follow the held-out one (cyclically) tune instead of train.
    """
    tasks = _distinct("tasks", tasks)
    if held_out is not None:
        held_out = _distinct("held_out", held_out)
    unknown = sorted(set(held_out or ()) - set(tasks))
    if unknown:
        raise ValueError(f"held_out names {_named(unknown)}, not among the {len(tasks)} tasks")
    order = list(tasks)
    chosen = order if held_out is None else list(held_out)
    return [_cut(order, order.index(task), order.index(task) + 1, validation) for task in chosen]


def nested_train_sets(
    pool: Sequence[str], sizes: Sequence[int], rng: np.random.Generator
) -> list[tuple[str, ...]]:
    """Returns training sets of the given sizes, each inside the next larger, redrawn by each seed's own rng.

    Args:
        pool: Tasks to draw from, none of them validation or held-out.
        sizes: Any order; the result has the same.
        rng: The seed's generator; the result does not depend on which sizes are asked for.

    Raises:
        ValueError: A size does not fit the pool, or the pool names a task twice.
    """
    pool = _distinct("pool", pool)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
            raise ValueError(f"a training set of {size!r}: give a whole number of tasks")
        if not 1 <= size <= len(pool):
            raise ValueError(f"a training set of {size} from a pool of {len(pool)}: give 1 to {len(pool)}")
    drawn = rng.permutation(len(pool))
    return [tuple(pool[i] for i in sorted(drawn[:size])) for size in sizes]


def _distinct(name: str, ids: Sequence[str]) -> Sequence[str]:
    """Returns the ids, each of which must be there once: a task drawn twice weighs double."""
    if isinstance(ids, str):
        raise ValueError(f"{name}={ids!r} is one text; give a sequence of task ids")
    if twice := sorted(task for task, count in Counter(ids).items() if count > 1):
        raise OverlapError(f"{name} lists {_named(twice)} more than once")
    return ids


def _cut(order: list[str], start: int, stop: int, validation: int) -> Fold:
    rest = order[stop:] + order[:start]
    if not 0 <= validation < len(rest):
        raise ValueError(
            f"validation={validation} leaves nothing to train on; {len(rest)} tasks are not held out"
        )
    return Fold(tuple(rest[validation:]), tuple(rest[:validation]), tuple(order[start:stop]))


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
    return ", ".join(ids[:_SHOWN_IDS]) + more
