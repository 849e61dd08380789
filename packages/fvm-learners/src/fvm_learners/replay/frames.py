"""Observations in a ring, the frames that they share stored once.

A row holds one frame and `previous`, the row of the frame before it in the same episode. An observation of
k frames is a row's frame and the k - 1 that `previous` leads to; before an episode's first frame they are
blank, or that first frame again, as the env has it. Where observations are no stacks, k is 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NO_ROW = -1


class Frames:
    """`capacity` rows.

    Args:
        capacity: Rows.
        obs_shape: Of one observation, its last axis the frames' channels, oldest frame first.
        obs_dtype: Of one observation.
        frame_stack: Frames in an observation, k.
        device: Of the frames; their links stay on the CPU.
    """

    def __init__(
        self,
        capacity: int,
        obs_shape: tuple[int, ...],
        obs_dtype: torch.dtype,
        frame_stack: int,
        device: torch.device,
    ) -> None:
        self.capacity, self.frame_stack = capacity, frame_stack
        self.frame_shape = (*obs_shape[:-1], obs_shape[-1] // frame_stack)
        # The last row of each array is what `NO_ROW` leads to: a blank frame, and none before it.
        shape = (capacity + 1, math.prod(self.frame_shape))
        if device.type == "cpu":  # numpy takes memory from the system only as it is written to
            host = np.zeros(shape, dtype=torch.empty(0, dtype=obs_dtype).numpy().dtype)
            self._frames = torch.from_numpy(host)
        else:
            self._frames = torch.zeros(shape, dtype=obs_dtype, device=device)
        self._previous = np.full(capacity + 1, NO_ROW, dtype=np.int32)
        self._following = np.full(capacity + 1, NO_ROW, dtype=np.int32)
        self.head = 0
        """The row to be written next."""
        self.size = 0
        """Rows that hold something."""

    def write(self, obs: NDArray[Any]) -> tuple[list[int], list[int]]:
        """Put the newest frames of observations [M, *obs_shape] at the head, as yet linked to none.

        Returns:
            The rows written [M], and those whose observations have lost a frame by that.
        """
        rows = [(self.head + i) % self.capacity for i in range(len(obs))]
        lost = []
        for row in rows:
            needs_it = row
            for _ in range(self.frame_stack):
                if needs_it == NO_ROW:
                    break
                lost.append(needs_it)
                needs_it = int(self._following[needs_it])
            self._following[row] = NO_ROW
        newest = obs[..., -self.frame_shape[-1] :]
        if self._frames.device.type == "cpu":
            # Made anew each time: kept, it would be other memory than the frames' in a copy of this replay.
            self._frames.numpy().reshape(-1, *self.frame_shape)[rows] = newest
        else:
            frames = torch.from_numpy(np.ascontiguousarray(newest)).reshape(len(obs), -1)
            before_end = self._frames[self.head : min(self.head + len(obs), self.capacity)]
            before_end.copy_(frames[: len(before_end)])
            self._frames[: len(obs) - len(before_end)].copy_(frames[len(before_end) :])
        self.head = (self.head + len(rows)) % self.capacity
        self.size = min(self.capacity, self.size + len(rows))
        return rows, lost

    def link(self, row: int, previous: int) -> None:
        """Say which frame comes before that of `row`."""
        self._previous[row] = previous
        if previous not in (NO_ROW, row):
            self._following[previous] = row

    def before_first(self, obs: NDArray[Any], row: int) -> int:
        """The row that comes before `row`, which holds the newest frame of an episode's first observation.

        Raises:
            ValueError: Its older frames are neither blank nor the newest again.
        """
        channels = self.frame_shape[-1]
        older = obs[..., :-channels]
        if not older.any():
            return NO_ROW
        if (older == np.concatenate([obs[..., -channels:]] * (self.frame_stack - 1), axis=-1)).all():
            return row
        raise ValueError(
            f"an episode's first observation has {self.frame_stack} frames, and the older ones are neither "
            "blank nor copies of the newest: use envs that stack so, or frame_stack=1 if these are no frames"
        )

    def observations(self, rows: NDArray[Any]) -> Tensor:
        """Returns observations [B, *obs_shape]; in memory a frame's values lie together, not a pixel's."""
        stack = np.empty((len(rows), self.frame_stack), dtype=np.int64)
        for i in reversed(range(self.frame_stack)):
            stack[:, i] = rows
            rows = self._previous[rows]
        index = torch.from_numpy(np.where(stack == NO_ROW, self.capacity, stack).reshape(-1))
        frames = self._frames.index_select(0, index.to(self._frames.device))
        return frames.view(-1, self.frame_stack, *self.frame_shape).movedim(1, -2).flatten(-2)

    def after(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The rows [B] that follow within their episodes; the same again where none does."""
        return np.where(self._following[rows] == NO_ROW, rows, self._following[rows])

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        return self._frames.nbytes + self._previous.nbytes + self._following.nbytes

    def state_dict(self) -> dict[str, Any]:
        """The rows that hold something, as copies."""
        return {
            "frames": self._frames[: self.size].cpu().clone(),
            "previous": torch.from_numpy(self._previous[: self.size].copy()),
            "following": torch.from_numpy(self._following[: self.size].copy()),
            "head": self.head,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave.

        Raises:
            ValueError: It had another capacity or other observations.
        """
        (size, pixels), head = state["frames"].shape, state["head"]
        fits = size == self.capacity or head == size < self.capacity
        if pixels != self._frames.shape[1] or not fits:
            raise ValueError(
                f"the saved replay holds {size} frames of {pixels} values, this one {self.capacity} of "
                f"{self._frames.shape[1]}: use the config and spaces it was saved with"
            )
        self._previous[:], self._following[:] = NO_ROW, NO_ROW  # of what a used replay held before
        self._frames[:size] = state["frames"].to(self._frames.device)
        self._previous[:size] = state["previous"].numpy()
        self._following[:size] = state["following"].numpy()
        self.head, self.size = head, size
