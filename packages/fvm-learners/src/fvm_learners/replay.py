"""Prioritised replay of n-step transitions, each frame stored once (Schaul et al. 2016, arXiv 1511.05952).

A ring of rows, written by several slots in turn. A row holds one step of a slot: the newest frame of its
observation, action, reward, and `previous`, the row of the frame before it in the same episode. A stacked
observation is a row's frame and those that `previous` leads to, blank before the episode's first. Once a
row's n rewards are known, so are

    return_ = sum_{k < m} discount^k reward_{t+k}          discount_ = discount^m, 0 if the episode was done
    next    = the row of s_{t+m}                           m = n, or less where the stream of frames was cut

and it gets a priority. A row has priority 0, so that sampling never has to reject, before that, and again as
soon as the ring's head overwrites it or a frame that its observation needs. A stream that ends without being
done (time-out, move to another task) keeps its last observation in a row that has a frame and no action.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.sum_tree import SumTree

NO_ROW = -1
NO_ACTION = -1
SMALLEST_LOSS = 1e-6
"""A transition with a smaller loss is sampled as one with this."""


@dataclass(frozen=True)
class Transitions:
    """n-step transitions [B].

    Attributes:
        obs: [B, *obs_shape].
        action: [B] int64.
        return_: [B] discounted sum of the rewards until `next_obs`.
        discount: [B] of the value of `next_obs`; 0 where the episode was done before.
        next_obs: [B, *obs_shape]; of no use where `discount` is 0.
    """

    obs: Tensor
    action: Tensor
    return_: Tensor
    discount: Tensor
    next_obs: Tensor


@dataclass(frozen=True)
class Context:
    """One-step transitions [B], as PEARL's context encoder takes them.

    Attributes:
        obs: [B, *obs_shape].
        action: [B] int64.
        reward: [B] of that one step.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor


@dataclass
class Stream:
    """Where a slot's episode stands in this ring.

    Attributes:
        last: row of its newest frame, `NO_ROW` if the next one starts an episode.
        open: (row, reward) of its steps whose n rewards are not all known, at most n.
    """

    last: int = NO_ROW
    open: deque[tuple[int, float]] = field(default_factory=deque)


class Replay:
    """The transitions of one task.

    Args:
        capacity: rows.
        obs_shape: of one observation, its last axis the frames' channels, oldest frame first.
        obs_dtype: of one observation.
        frame_stack: frames in an observation.
        n_step: n.
        discount: gamma.
        priority_exponent: alpha.
        device: of the frames.
    """

    def __init__(
        self,
        capacity: int,
        obs_shape: tuple[int, ...],
        obs_dtype: torch.dtype,
        *,
        frame_stack: int,
        n_step: int,
        discount: float,
        priority_exponent: float,
        device: torch.device | None = None,
    ) -> None:
        self.capacity, self.obs_shape = capacity, obs_shape
        self.frame_stack, self.n_step, self.discount = frame_stack, n_step, discount
        self.priority_exponent = priority_exponent
        self.device = device or torch.device("cpu")
        self.frame_shape = (*obs_shape[:-1], obs_shape[-1] // frame_stack)
        frames = np.zeros((capacity + 1, int(np.prod(self.frame_shape))), dtype=_numpy_dtype(obs_dtype))
        # The last row of each array is what `NO_ROW` leads to: a blank frame, and none before it.
        self._frames = torch.from_numpy(frames).to(self.device)
        self._previous = np.full(capacity + 1, NO_ROW, dtype=np.int32)
        self._following = np.full(capacity + 1, NO_ROW, dtype=np.int32)
        self._next = np.full(capacity + 1, NO_ROW, dtype=np.int32)
        self._action = np.full(capacity + 1, NO_ACTION, dtype=np.int32)
        self._reward = np.zeros(capacity + 1, dtype=np.float32)
        self._return = np.zeros(capacity + 1, dtype=np.float32)
        self._discount = np.zeros(capacity + 1, dtype=np.float32)
        self._tree = SumTree(capacity)
        self._streams: dict[int, Stream] = {}
        self._head = 0  # the row to be written next
        self._size = 0  # rows that hold something
        self.max_priority = 1.0
        self.env_steps = 0

    # Writing.

    def append(
        self,
        slots: Sequence[int] | NDArray[np.int64],
        obs: NDArray[Any],
        action: NDArray[np.int64],
        reward: NDArray[np.floating[Any]],
        done: NDArray[np.bool_],
        start: NDArray[np.bool_],
    ) -> None:
        """One step of each of M different slots.

        Args:
            slots: [M].
            obs: [M, *obs_shape] acted on.
            action: [M] taken.
            reward: [M] for it.
            done: [M] whether there is no value beyond this step.
            start: [M] whether `obs` is an episode's first.
        """
        priority: dict[int, float] = {}
        rows = self._write(self._newest(obs), priority)
        for i, (slot, row) in enumerate(zip(slots, rows, strict=True)):
            stream = self._streams.setdefault(int(slot), Stream())
            if start[i]:
                stream.last = self._before_first(obs[i], row)
            self._link(stream, row)
            self._action[row], self._reward[row] = action[i], reward[i]
            if len(stream.open) == self.n_step:
                self._close_oldest(stream, row, priority)
            stream.open.append((row, float(reward[i])))
            if done[i]:
                self._close_all(stream, row, 0.0, priority)
        self._set(priority)
        self.env_steps += len(rows)

    def cut(self, slot: int, obs: NDArray[Any] | None) -> None:
        """End a slot's stream without its being done, so that no transition leads across.

        Args:
            slot: whose next step is an episode's first.
            obs: that its last step led to; None if not known, then that step is left out.
        """
        stream = self._streams.pop(slot, None)
        if stream is None or not stream.open:
            return
        priority: dict[int, float] = {}
        if obs is None:
            row, _ = stream.open.pop()
        else:
            (row,) = self._write(self._newest(obs[None]), priority)
            self._link(stream, row)
            self._action[row] = NO_ACTION
        self._close_all(stream, row, 1.0, priority)
        self._set(priority)

    def _newest(self, obs: NDArray[Any]) -> NDArray[Any]:
        """The newest frames [M, pixels] of observations [M, *obs_shape]."""
        return obs[..., -self.frame_shape[-1] :].reshape(len(obs), -1)

    def _before_first(self, obs: NDArray[Any], row: int) -> int:
        """The row that stands before an episode's first: none, or itself where the env repeats its frame."""
        channels = self.frame_shape[-1]
        older = obs[..., :-channels]
        if not older.any():
            return NO_ROW
        if np.array_equal(older, np.concatenate([obs[..., -channels:]] * (self.frame_stack - 1), axis=-1)):
            return row
        raise ValueError(
            f"an episode's first observation has {self.frame_stack} frames, and the older ones are neither "
            "blank nor copies of the newest: use envs that stack so, or frame_stack=1 if these are no frames"
        )

    def _write(self, frames: NDArray[Any], priority: dict[int, float]) -> list[int]:
        """Put frames [M, pixels] at the head; their rows. What needs an overwritten frame is forgotten."""
        rows = [(self._head + i) % self.capacity for i in range(len(frames))]
        for row in rows:
            forgotten = row
            for _ in range(self.frame_stack):
                if forgotten == NO_ROW:
                    break
                priority[forgotten] = 0.0
                self._action[forgotten] = NO_ACTION
                forgotten = int(self._following[forgotten])
            self._following[row] = NO_ROW
        written = torch.from_numpy(np.ascontiguousarray(frames))
        self._frames[rows] = written.to(self.device, self._frames.dtype)
        self._head = (self._head + len(rows)) % self.capacity
        self._size = min(self.capacity, self._size + len(rows))
        return rows

    def _link(self, stream: Stream, row: int) -> None:
        """Make `row` the newest frame of its stream."""
        self._previous[row] = stream.last
        if stream.last not in (NO_ROW, row):
            self._following[stream.last] = row
        stream.last = row

    def _close_oldest(self, stream: Stream, next_row: int, priority: dict[int, float]) -> None:
        """The oldest open step has its n rewards."""
        return_ = 0.0
        for _, reward in reversed(stream.open):
            return_ = reward + self.discount * return_
        row, _ = stream.open.popleft()
        self._close(row, return_, self.discount**self.n_step, next_row, priority)

    def _close_all(self, stream: Stream, next_row: int, value: float, priority: dict[int, float]) -> None:
        """There are no more rewards for the open steps; `value` 0 if there is no value either."""
        return_, discount = 0.0, value
        while stream.open:
            row, reward = stream.open.pop()
            return_, discount = reward + self.discount * return_, discount * self.discount
            self._close(row, return_, discount, next_row, priority)

    def _close(
        self, row: int, return_: float, discount: float, next_row: int, priority: dict[int, float]
    ) -> None:
        self._return[row], self._discount[row], self._next[row] = return_, discount, next_row
        priority[row] = self.max_priority

    def _set(self, priority: dict[int, float]) -> None:
        self._tree.set(
            np.fromiter(priority.keys(), np.int64, len(priority)),
            np.fromiter(priority.values(), np.float64, len(priority)),
        )

    # Reading.

    @property
    def num_transitions(self) -> int:
        """How many can be sampled."""
        return self._tree.num_positive

    def draw(self, num: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows [num] in proportion to their priorities, and the probability of each.

        Raises:
            ValueError: There are no transitions.
        """
        return self._tree.sample(num, rng)

    def transitions(self, rows: NDArray[np.int64]) -> Transitions:
        """Those that start in `rows` [B]."""
        both = self._observations(np.concatenate((rows, self._next[rows])))

        def tensor(array: NDArray[Any], dtype: torch.dtype) -> Tensor:
            return torch.from_numpy(array[rows]).to(self.device, dtype)

        return Transitions(
            obs=both[: len(rows)],
            action=tensor(self._action, torch.int64),
            return_=tensor(self._return, torch.float32),
            discount=tensor(self._discount, torch.float32),
            next_obs=both[len(rows) :],
        )

    def recent(self, num: int, window: int, rng: np.random.Generator, *, replace: bool = False) -> Context:
        """`num` of the newest `window` steps, uniformly; fewer if there are fewer and none is repeated.

        Args:
            num: steps wanted.
            window: steps to choose from; the newest counts as soon as its reward is known.
            rng: draws them.
            replace: the same step may be drawn again; then there are `num` unless there are none at all.
        """
        newest = (self._head - 1 - np.arange(self._size)) % self.capacity
        newest = newest[self._action[newest] != NO_ACTION][:window]
        count = num if replace and len(newest) else min(num, len(newest))
        rows = rng.choice(newest, count, replace=replace)
        return Context(
            obs=self._observations(rows),
            action=torch.from_numpy(self._action[rows]).to(self.device, torch.int64),
            reward=torch.from_numpy(self._reward[rows]).to(self.device),
        )

    def _observations(self, rows: NDArray[Any]) -> Tensor:
        """[B, *obs_shape], a view in which an image's frames, not its channels, lie next to each other."""
        stack = np.empty((len(rows), self.frame_stack), dtype=np.int64)
        for i in reversed(range(self.frame_stack)):
            stack[:, i] = rows
            rows = self._previous[rows]
        index = torch.from_numpy(np.where(stack == NO_ROW, self.capacity, stack).reshape(-1)).to(self.device)
        frames = self._frames.index_select(0, index).view(-1, self.frame_stack, *self.frame_shape)
        return frames.movedim(1, -2).flatten(-2)

    def update_priorities(self, rows: NDArray[np.int64], loss: NDArray[np.floating[Any]]) -> None:
        """Priorities `loss` ** alpha [B] of sampled rows [B]; those forgotten meanwhile stay forgotten."""
        priority = np.maximum(loss.astype(np.float64), SMALLEST_LOSS) ** self.priority_exponent
        known = self._tree.priorities[rows] > 0
        self._tree.set(rows[known], priority[known])
        self.max_priority = max(self.max_priority, float(priority.max()))

    # Size and state.

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        return (
            self._frames.numel() * self._frames.element_size()
            + sum(array.nbytes for array in self._row_arrays().values())
            + self._tree.nbytes
        )

    def _row_arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "previous": self._previous,
            "following": self._following,
            "next": self._next,
            "action": self._action,
            "reward": self._reward,
            "return": self._return,
            "discount": self._discount,
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything, as copies: tensors of the rows written so far and JSON values."""
        size = self._size
        return {
            "frames": self._frames[:size].cpu().clone(),
            "priority": torch.from_numpy(self._tree.priorities[:size].copy()),
            **{name: torch.from_numpy(array[:size].copy()) for name, array in self._row_arrays().items()},
            "streams": {
                str(slot): {"last": stream.last, "open": [list(step) for step in stream.open]}
                for slot, stream in self._streams.items()
            },
            "head": self._head,
            "max_priority": self.max_priority,
            "env_steps": self.env_steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on as the replay that gave `state`.

        Raises:
            ValueError: It had another capacity or other observations.
        """
        size, pixels = state["frames"].shape
        if (
            pixels != self._frames.shape[1]
            or size > self.capacity
            or (state["head"] != size % self.capacity and size < self.capacity)
        ):
            raise ValueError(
                f"the saved replay holds {size} frames of {pixels} values, this one at most {self.capacity} "
                f"of {self._frames.shape[1]}: use the config and spaces it was saved with"
            )
        self._frames[:size] = state["frames"].to(self.device)
        for name, array in self._row_arrays().items():
            array[:size] = state[name].numpy()
        self._tree.load(state["priority"].numpy())
        self._streams = {
            int(slot): Stream(saved["last"], deque((int(row), float(r)) for row, r in saved["open"]))
            for slot, saved in state["streams"].items()
        }
        self._head, self._size = state["head"], size
        self.max_priority, self.env_steps = state["max_priority"], state["env_steps"]


def _numpy_dtype(dtype: torch.dtype) -> Any:
    return torch.empty(0, dtype=dtype).numpy().dtype


def physical_memory() -> int | None:
    """Bytes of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
