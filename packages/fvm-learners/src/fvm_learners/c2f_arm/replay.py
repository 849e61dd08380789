"""Prioritised replay of one task's keyframe transitions, each camera frame stored once.

Frames lie in a ring of rows; a demonstration's are pinned and never overwritten. A transition played online
has the number of the frame that it starts from, so that it is forgotten with it; those of demonstrations,
of which many share a frame, follow behind. Priorities are in a `SumTree`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.transitions import COLUMNS, Context, Transitions, empty_views
from fvm_learners.c2f_arm.views import FIELDS, Eye, Views
from fvm_learners.config_checks import check_num_tasks
from fvm_learners.replay.sum_tree import SumTree

CHUNK = 128
SMALLEST_LOSS = 1e-6
COUNTS = ("_head", "_written", "num_frames", "_num_demo", "env_steps", "num_rewarded")


class ArmReplay:
    """The transitions of one task.

    Args:
        capacity: Frames kept; demonstrations' count as well.
        eye: How observations look.
        priority_exponent: Alpha.
        stratified: Whether a draw takes one transition from each of as many equal parts of the priorities.
        context_demonstrations: Whether `recent` may choose demonstrated transitions as well.
        demonstrated_context_frac: How many of those, on average, where there are both.
    """

    def __init__(
        self,
        capacity: int,
        eye: Eye,
        priority_exponent: float,
        *,
        stratified: bool = True,
        context_demonstrations: bool = False,
        demonstrated_context_frac: float | None = None,
    ) -> None:
        self.capacity, self.eye, self.priority_exponent = capacity, eye, priority_exponent
        self.stratified, self.context_demonstrations = stratified, context_demonstrations
        self.demonstrated_context_frac = demonstrated_context_frac
        self._chunks: list[dict[str, NDArray[Any]]] = []
        self._pinned = np.zeros(capacity, dtype=np.bool_)
        self._order = np.full(capacity, -1, dtype=np.int64)
        self._serial = np.full(capacity, -1, dtype=np.int64)
        self._written = 0
        self._head, self.num_frames = 0, 0
        self._num_demo = 0
        self._columns = {
            name: np.zeros((capacity, *shape), dtype) for name, (dtype, shape) in COLUMNS.items()
        }
        self._tree = SumTree(capacity)
        self.max_priority = 1.0
        self.env_steps = 0
        self.num_rewarded = 0

    # Writing.

    def write(self, views: Views, *, pinned: bool = False) -> list[int]:
        """The rows that these frames are now in; what was there is forgotten.

        Raises:
            ValueError: All rows hold demonstrations.
        """
        rows = []
        for i in range(len(views)):
            if self._pinned.all():
                raise ValueError(
                    f"a replay of {self.capacity} frames a task is full of demonstrations: raise "
                    "replay_capacity"
                )
            while self._pinned[self._head]:
                self._head = (self._head + 1) % self.capacity
            row, self._head = self._head, (self._head + 1) % self.capacity
            self._forget(row)
            self._pinned[row] = pinned
            self._serial[row], self._written = self._written, self._written + 1
            self.num_frames = max(self.num_frames, row + 1)
            while len(self._chunks) * CHUNK <= row:
                self._chunks.append(self._chunk())
            for name, array in self._chunks[row // CHUNK].items():
                array[row % CHUNK] = getattr(views, name)[i]
            rows.append(row)
        return rows

    def _chunk(self) -> dict[str, NDArray[Any]]:
        cameras, pixels = len(self.eye.cameras), self.eye.height * self.eye.width
        shapes = {
            "rgb": (cameras, 3, pixels),
            "depth": (cameras, pixels),
            "extrinsics": (cameras, 4, 4),
            "intrinsics": (cameras, 3, 3),
            "low_dim": (self.eye.num_low_dim,),
        }
        num = min(CHUNK, self.capacity - len(self._chunks) * CHUNK)
        return {
            name: np.zeros((num, *shape), np.uint8 if name == "rgb" else np.float32)
            for name, shape in shapes.items()
        }

    def _forget(self, row: int) -> None:
        # What led to this frame lay in an older row, and went with it.
        self._order[row] = -1
        self._tree.set(np.array([row]), np.zeros(1))

    def append(
        self,
        frame: int,
        next_frame: int,
        action: NDArray[np.floating],
        reward: float,
        *,
        done: bool,
        time: float,
        next_time: float,
    ) -> None:
        """One step played online."""
        self._put(frame, frame, next_frame, action, reward, done, time, next_time, demo=False)
        self._order[frame] = self.env_steps
        self.env_steps += 1

    def append_demonstration(
        self,
        frame: int,
        next_frame: int,
        action: NDArray[np.floating],
        reward: float,
        *,
        done: bool,
        time: float,
        next_time: float,
    ) -> None:
        """One transition of a demonstration between pinned frames."""
        row = self.capacity + self._num_demo
        if row >= len(self._columns["frame"]):
            self._grow(2 * len(self._columns["frame"]))
        self._num_demo += 1
        self._put(row, frame, next_frame, action, reward, done, time, next_time, demo=True)

    def _grow(self, length: int) -> None:
        for name, (dtype, shape) in COLUMNS.items():
            longer = np.zeros((length, *shape), dtype)
            longer[: len(self._columns[name])] = self._columns[name]
            self._columns[name] = longer
        priorities = self._tree.priorities.copy()
        self._tree = SumTree(length)
        self._tree.load(priorities)

    def _put(
        self,
        row: int,
        frame: int,
        next_frame: int,
        action: NDArray[np.floating],
        reward: float,
        done: bool,
        time: float,
        next_time: float,
        *,
        demo: bool,
    ) -> None:
        values = (frame, next_frame, action, reward, done, time, next_time, demo, demo)
        for name, value in zip(COLUMNS, values, strict=True):
            self._columns[name][row] = value
        self.num_rewarded += int(reward > 0)
        self._tree.set(np.array([row]), np.array([self.max_priority]))

    def imitate(self, frames: Sequence[int]) -> None:
        """Count the online transitions that start from these frames as demonstrated."""
        self._columns["demonstrated"][list(frames)] = True

    def update_priorities(self, rows: NDArray[np.int64], loss: NDArray[np.floating]) -> None:
        """Priorities `loss` ** alpha [B] of rows [B]; where a loss is not finite the priority stays."""
        known = np.isfinite(loss) & (self._tree.priorities[rows] > 0)
        if not known.any():
            return
        priority = np.maximum(loss[known].astype(np.float64), SMALLEST_LOSS) ** self.priority_exponent
        self._tree.set(rows[known], priority)
        self.max_priority = max(self.max_priority, float(priority.max()))

    # Reading.

    def serial_of(self, frame: int) -> int:
        """How many frames were written before the one that is now in this row."""
        return int(self._serial[frame])

    @property
    def num_demonstrated(self) -> int:
        """Transitions of demonstrations."""
        return self._num_demo

    @property
    def room(self) -> int:
        """Rows that hold no demonstration's frame."""
        return self.capacity - int(self._pinned.sum())

    def check_pinned(self, needed: int) -> None:
        """Raises ValueError if there are not so many rows without a demonstration."""
        if self.room < needed:
            raise ValueError(
                f"a replay of {self.capacity} frames a task has {self.room} left beside demonstrations, too "
                f"few for another one of {needed}: raise replay_capacity"
            )

    def check_room(self, needed: int) -> None:
        """Raises ValueError if running episodes of `needed` frames could overwrite themselves."""
        room = self.room
        if room < 2 * needed:
            raise ValueError(
                f"a replay of {self.capacity} frames a task has {room} left beside demonstrations, too few "
                f"for running episodes of {needed}: raise replay_capacity so that each task has "
                f"{self.capacity - room + 2 * needed}"
            )

    @property
    def num_transitions(self) -> int:
        """How many can be sampled."""
        return self._tree.num_positive

    def draw(self, num: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows [num] in proportion to their priorities, and the probability of each.

        Raises:
            ValueError: There are no transitions.
        """
        if self.stratified:
            return self._tree.sample(num, rng)
        drawn = [self._tree.sample(1, rng) for _ in range(num)]
        return np.concatenate([rows for rows, _ in drawn]), np.concatenate([p for _, p in drawn])

    def transitions(self, rows: NDArray[np.int64]) -> Transitions:
        """Those of `rows` [B]."""
        return Transitions(**{name: column[rows] for name, column in self._columns.items()})

    def views(self, frames: NDArray[np.integer]) -> Views:
        """Copies of frames [B]."""
        picked = [self._chunks[frame // CHUNK] for frame in frames]
        return Views(
            *(
                np.stack([chunk[name][frame % CHUNK] for chunk, frame in zip(picked, frames, strict=True)])
                for name in FIELDS
            )
        )

    def recent(
        self,
        num: int,
        window: int,
        rng: np.random.Generator,
        *,
        replace: bool = False,
        next_obs: bool = False,
    ) -> Context:
        """`num` of the newest `window` online steps, or of demonstrations; fewer if there are fewer.

        Args:
            num: Steps wanted.
            window: Steps to choose from.
            rng: Draws them.
            replace: A step may be drawn again.
            next_obs: Must be False: the context encoder does not look at what a step led to.
        """
        if next_obs:
            raise ValueError("contexts of poses hold no next observation: ask for next_obs=False")
        played = np.flatnonzero(self._order >= 0)
        newest = played[np.argsort(-self._order[played], kind="stable")][:window]
        shown = self.capacity + np.arange(self._num_demo if self.context_demonstrations else 0)
        frac = self.demonstrated_context_frac
        if frac is None or not len(newest) or not len(shown):
            return self.context(_chosen(np.concatenate([newest, shown]), num, rng, replace=replace))
        of_demos = int(rng.binomial(num, frac))
        if not replace:
            of_demos = max(of_demos, num - len(newest))
        rows = [
            _chosen(part, count, rng, replace=replace)
            for part, count in ((shown, of_demos), (newest, num - of_demos))
        ]
        return self.context(np.concatenate(rows))

    def context(self, rows: NDArray[np.int64]) -> Context:
        """Those transitions as a context."""
        chosen = self.transitions(rows)
        views = self.views(chosen.frame) if len(rows) else empty_views(self.eye)
        return Context(views, chosen.action, chosen.reward)

    # Size and state.

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        arrays = [array for chunk in self._chunks for array in chunk.values()]
        return sum(array.nbytes for array in (*arrays, *self._columns.values())) + self._tree.nbytes

    def state_dict(self) -> dict[str, Any]:
        """Everything, as copies: tensors of what was written so far, and JSON values."""
        size = self.capacity + self._num_demo
        frames = {
            name: torch.from_numpy(
                np.concatenate([chunk[name] for chunk in self._chunks])[: self.num_frames].copy()
            )
            for name in (FIELDS if self._chunks else ())
        }
        used = np.flatnonzero(self._tree.priorities[:size] > 0)
        return {
            "capacity": self.capacity,
            "frames": frames,
            "used": torch.from_numpy(used),
            "priority": torch.from_numpy(self._tree.priorities[used]),
            "columns": {name: torch.from_numpy(column[used]) for name, column in self._columns.items()},
            "pinned": torch.from_numpy(self._pinned[: self.num_frames].copy()),
            "order": torch.from_numpy(self._order[: self.num_frames].copy()),
            "serial": torch.from_numpy(self._serial[: self.num_frames].copy()),
            "counts": [getattr(self, name) for name in COUNTS],
            "max_priority": self.max_priority,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on as the replay that gave `state`.

        Raises:
            ValueError: It had another capacity or other observations.
        """
        if state["capacity"] != self.capacity:
            raise ValueError(
                f"the state is of a replay of {state['capacity']} frames, this one has {self.capacity}"
            )
        fresh = ArmReplay(
            self.capacity,
            self.eye,
            self.priority_exponent,
            stratified=self.stratified,
            context_demonstrations=self.context_demonstrations,
            demonstrated_context_frac=self.demonstrated_context_frac,
        )
        self.__dict__.update(fresh.__dict__)
        for name, count in zip(COUNTS, state["counts"], strict=True):
            setattr(self, name, count)
        while len(self._chunks) * CHUNK < self.num_frames:
            start = len(self._chunks) * CHUNK
            chunk = self._chunk()
            for name, array in chunk.items():
                saved = state["frames"][name][start : start + len(array)].numpy()
                if saved.shape[1:] != array.shape[1:]:
                    raise ValueError(
                        f"the state's {name} have shape {saved.shape[1:]}, these observations "
                        f"{array.shape[1:]}: use the cameras and picture size it was saved with"
                    )
                array[: len(saved)] = saved
            self._chunks.append(chunk)
        if self._num_demo:
            self._grow(self.capacity + self._num_demo)
        used = state["used"].numpy()
        for name, column in self._columns.items():
            column[used] = state["columns"][name].numpy()
        priorities = np.zeros(len(self._tree.priorities))
        priorities[used] = state["priority"].numpy()
        self._tree.load(priorities)
        for name in ("pinned", "order", "serial"):
            getattr(self, f"_{name}")[: self.num_frames] = state[name].numpy()
        self.max_priority = state["max_priority"]


def _chosen(
    rows: NDArray[np.int64], num: int, rng: np.random.Generator, *, replace: bool
) -> NDArray[np.int64]:
    count = num if replace and len(rows) else min(num, len(rows))
    return rng.choice(rows, count, replace=replace) if count else rows[:0]


def make_replays(config: C2FARMConfig, eye: Eye, num_tasks: int) -> list[ArmReplay]:
    """An empty replay for each task, of equal capacities.

    Raises:
        ValueError: There is no such number of tasks.
    """
    check_num_tasks(num_tasks)
    return [
        ArmReplay(
            max(1, config.replay_capacity // num_tasks),
            eye,
            config.priority_exponent,
            stratified="unstratified" not in config.quirks,
            context_demonstrations=config.context_demonstrations,
            demonstrated_context_frac=config.demonstrated_context_frac,
        )
        for _ in range(num_tasks)
    ]
