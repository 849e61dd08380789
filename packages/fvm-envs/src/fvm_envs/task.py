"""Tasks and sets of tasks: what a vector environment's slots move between.

A task is one MDP. Its id is `benchmark/name` or `benchmark/name/level`, for example
`procgen/coinrun-easy/17`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, total_ordering
from typing import Any, overload

import numpy as np

_PART = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_LEVEL = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"([0-9]{1,18}):([0-9]{1,18})")
MAX_TASKS = 10**6
"""Tasks that a text may name: more would take minutes to list and gigabytes to hold."""


@total_ordering
@dataclass(frozen=True)
class Task:
    """One MDP: a benchmark, a name inside it, and a level where the name has several.

    Raises:
        ValueError: If a part cannot be written into an id, or the level is out of range.
        TypeError: If a part is no text, or the level no whole number.
    """

    benchmark: str
    name: str
    level: int | None = None

    def __post_init__(self) -> None:
        for part in (self.benchmark, self.name):
            if not isinstance(part, str):
                raise TypeError(f"{part!r} cannot be part of a task id: give text")
            if not _PART.fullmatch(part):
                raise ValueError(
                    f"{part!r} cannot be part of a task id: use lower-case letters, digits, '-', '_', '.'"
                )
        if self.level is None:
            return
        if isinstance(self.level, (bool, np.bool_)) or not isinstance(self.level, (int, np.integer)):
            raise TypeError(
                f"level {self.level!r} of {self.benchmark}/{self.name} is no whole number: give one from 0 on"
            )
        object.__setattr__(self, "level", int(self.level))
        if not 0 <= self.level < 10**18:
            raise ValueError(
                f"level {self.level} of {self.benchmark}/{self.name} is out of range: "
                "levels start at 0 and have at most 18 digits"
            )

    @property
    def id(self) -> str:
        """The id, such as `procgen/coinrun-easy/17`."""
        stem = f"{self.benchmark}/{self.name}"
        return stem if self.level is None else f"{stem}/{self.level}"

    @classmethod
    def parse(cls, id: str) -> Task:
        """The task of an id; the inverse of `Task.id`.

        Raises:
            ValueError: If `id` is not `benchmark/name` or `benchmark/name/level`.
        """
        parts = id.strip().split("/")
        if len(parts) == 2:
            return cls(parts[0], parts[1])
        if len(parts) == 3 and _LEVEL.fullmatch(parts[2]):
            return cls(parts[0], parts[1], int(parts[2]))
        raise ValueError(f"{id!r} is no task id: expected 'benchmark/name' or 'benchmark/name/level'")

    def __str__(self) -> str:
        return self.id

    def __lt__(self, other: object) -> bool:
        # A name alone comes before its levels.
        if not isinstance(other, Task):
            return NotImplemented
        mine, theirs = (
            (task.benchmark, task.name, -1 if task.level is None else task.level) for task in (self, other)
        )
        return mine < theirs


class TaskSet(Sequence[Task]):
    """An ordered, immutable, hashable set of tasks.

    Raises:
        ValueError: If a task occurs twice.
    """

    def __init__(self, tasks: Iterable[Task | str] = ()) -> None:
        self._tasks = tuple(Task.parse(task) if isinstance(task, str) else task for task in tasks)
        self._position = {task: position for position, task in enumerate(self._tasks)}
        if len(self._position) < len(self._tasks):
            twice = next(task for i, task in enumerate(self._tasks) if self._position[task] != i)
            raise ValueError(f"task {twice.id} occurs twice: a task set holds a task once")

    @classmethod
    def parse(cls, text: str) -> TaskSet:
        """The tasks of a comma-separated list of ids and half-open level ranges.

        `"procgen/coinrun-easy/100:200"` is the 100 levels from 100 to 199.

        Raises:
            ValueError: If an entry is neither an id nor a range, a range is empty, there are more than a
                million tasks, or a task occurs twice.
        """
        tasks: list[Task] = []
        for entry in (part.strip() for part in text.split(",")):
            stem, _, last = entry.rpartition("/")
            bounds = _RANGE.fullmatch(last)
            if bounds is None:
                tasks.append(Task.parse(entry))
                continue
            low, high = int(bounds[1]), int(bounds[2])
            if low >= high:
                raise ValueError(
                    f"{entry!r} holds no level: a range is half-open, 'low:high' with low < high"
                )
            if len(tasks) + high - low > MAX_TASKS:
                raise ValueError(f"{text[:80]!r} names more than {MAX_TASKS:,} tasks: give a shorter range")
            first = Task.parse(f"{stem}/{low}")
            tasks.extend(Task(first.benchmark, first.name, level) for level in range(low, high))
        return cls(tasks)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The ids, in order."""
        return tuple(task.id for task in self._tasks)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the canonical JSON of the ids, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.ids, separators=(",", ":")).encode()).hexdigest()

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The position of a task or of an id.

        Raises:
            ValueError: If the task is not in the set, or not between `start` and `stop`.
        """
        task = Task.parse(value) if isinstance(value, str) else value
        position = self._position.get(task)
        if position is None or position not in range(*slice(start, stop).indices(len(self))):
            raise ValueError(f"task {task} is not in this set of {len(self)} tasks")
        return position

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> TaskSet: ...
    def __getitem__(self, index: int | slice) -> Task | TaskSet:
        return TaskSet(self._tasks[index]) if isinstance(index, slice) else self._tasks[index]

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, value: object) -> bool:
        return (Task.parse(value) if isinstance(value, str) else value) in self._position

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskSet) and self._tasks == other._tasks

    def __hash__(self) -> int:
        return hash(self._tasks)

    def __repr__(self) -> str:
        shown = ", ".join(self.ids[:3]) + (", ..." if len(self) > 3 else "")
        return f"TaskSet({len(self)}: {shown})"
