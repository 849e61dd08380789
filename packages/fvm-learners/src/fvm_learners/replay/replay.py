"""Prioritised replay of n-step transitions (Schaul et al. 2016, arXiv 1511.05952), each frame stored once.

Several slots write their steps into one ring of rows (`frames.py`). As soon as a step's n-step return is
known (`n_step.py`) it gets a priority (`sum_tree.py`), and then may be sampled with

    P(i) = p_i / sum_j p_j,    p = loss^alpha, for a new transition the largest ever seen.

A row has priority 0 before that, and again when the ring's head overwrites it or a frame of its observation:
sampling never has to reject. A stream that ends without being done (time-out, move to another task) leaves
its last observation in a row that has no action.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.config_checks import check_counts, check_fractions, check_not_negative
from fvm_learners.observations import check_finite
from fvm_learners.replay.frames import NO_ROW, Frames
from fvm_learners.replay.n_step import Closed, OpenSteps
from fvm_learners.replay.sum_tree import SumTree

CPU = torch.device("cpu")
NO_ACTION = -1
NUM_CHECKED = 100
"""Steps whose observations are compared with what is read back."""
SMALLEST_LOSS = 1e-6
"""A transition with a smaller loss is sampled as one with this."""


@dataclass(frozen=True)
class Transitions:
    """Transitions [B] over n steps.

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
        next_obs: [B, *obs_shape] that it led to, `obs` again where the episode was done; None if not asked
            for.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor | None = None

    def __len__(self) -> int:
        """Transitions."""
        return len(self.action)


@dataclass
class Stream:
    """Where a slot's episode stands in this replay.

    Attributes:
        newest: Row of its newest frame.
        open: Its steps whose returns are not known.
    """

    newest: int
    open: OpenSteps


class Replay:
    """The transitions of one task.

    Args:
        capacity: Rows.
        obs_shape: Of one observation, its last axis the frames' channels, oldest frame first.
        obs_dtype: Of one observation.
        frame_stack: Frames in an observation.
        n_step: n.
        discount: Gamma.
        priority_exponent: Alpha.
        device: Of what is sampled.
        frames_device: Of the frames; None for `device`.

    Raises:
        ValueError: One is out of its range.
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
        device: torch.device = CPU,
        frames_device: torch.device | None = None,
    ) -> None:
        self.capacity, self.frame_stack = capacity, frame_stack
        self.n_step, self.discount = n_step, discount
        self.priority_exponent, self.device = priority_exponent, device
        check_counts(self, ("capacity", "frame_stack", "n_step"))
        check_fractions(self, ("discount",))
        check_not_negative(self, ("priority_exponent",))
        self._frames = Frames(capacity, obs_shape, obs_dtype, frame_stack, frames_device or device)
        self._action = np.full(capacity, NO_ACTION, dtype=np.int32)
        self._reward = np.zeros(capacity, dtype=np.float32)
        self._return = np.zeros(capacity, dtype=np.float32)
        self._discount = np.zeros(capacity, dtype=np.float32)
        self._next = np.full(capacity, NO_ROW, dtype=np.int32)
        self._tree = SumTree(capacity)
        self._streams: dict[int, Stream] = {}
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
            start: [M] whether `obs` is an episode's first, which follows no other.

        Raises:
            ValueError: An observation is no stack, or a step is overwritten before its return is known.
        """
        rows, lost = self._frames.write(obs)
        self._check_open(lost)
        self._action[lost], self._discount[rows] = NO_ACTION, 1.0  # not done, as far as is known
        closed: list[Closed] = []
        for i, (slot, row) in enumerate(zip(slots, rows, strict=True)):
            stream = self._streams.get(int(slot))
            if stream is None:
                stream = Stream(NO_ROW, OpenSteps(self.n_step, self.discount))
                self._streams[int(slot)] = stream
            if start[i]:
                stream.newest = self._frames.before_first(obs[i], row)
            self._frames.link(row, stream.newest)
            stream.newest = row
            self._action[row], self._reward[row] = action[i], reward[i]
            oldest = stream.open.append(row, float(reward[i]))
            if oldest is not None:
                closed.append(oldest)
            if done[i]:
                closed += stream.open.close(row, done=True)
        if self.env_steps < NUM_CHECKED:
            self._check_stacks(obs, rows)
        self.env_steps += len(rows)
        self._prioritise(lost, closed)

    def cut(self, slot: int, obs: NDArray[Any] | None) -> None:
        """End a slot's stream, which is not done, so that no transition leads across.

        Args:
            slot: Whose next step is an episode's first.
            obs: That its last step led to; None if not known, then that step is left out.
        """
        stream = self._streams.pop(slot, None)
        if stream is None or not stream.open.steps:
            return
        lost: list[int] = []
        if obs is None:
            last, _ = stream.open.steps.pop()
        else:
            (last,), lost = self._frames.write(obs[None])
            self._check_open(lost)
            self._frames.link(last, stream.newest)
            self._action[lost] = NO_ACTION
        self._prioritise(lost, stream.open.close(last, done=False))

    def _check_open(self, lost: Sequence[int]) -> None:
        forgotten = set(lost) if self._frames.size == self.capacity else ()
        for slot, stream in self._streams.items():
            if stream.open.steps and stream.open.steps[0][0] in forgotten:
                raise ValueError(
                    f"a step of slot {slot} is overwritten before its {self.n_step} rewards are known: make "
                    f"the replay of {self.capacity} rows larger, or cut() a slot that is played no more"
                )

    def _check_stacks(self, obs: NDArray[Any], rows: list[int]) -> None:
        check_finite(obs)
        kept = self._frames.observations(np.array(rows)).cpu().numpy()
        if not np.array_equal(kept, obs.astype(kept.dtype)):
            raise ValueError(
                f"an observation is not the {self.frame_stack} newest frames of its episode, oldest first: "
                "use envs that stack frames so in the last axis, or frame_stack=1 if these are no frames"
            )

    def _prioritise(self, lost: Iterable[int], closed: Iterable[Closed]) -> None:
        """No priority for rows that have lost a frame, the largest for those whose return is now known."""
        priority = dict.fromkeys(lost, 0.0)
        for row, return_, discount, next_row in closed:
            self._return[row], self._discount[row], self._next[row] = return_, discount, next_row
            priority[row] = self.max_priority
        self._tree.set(
            np.fromiter(priority.keys(), np.int64, len(priority)),
            np.fromiter(priority.values(), np.float64, len(priority)),
        )

    def update_priorities(self, rows: NDArray[np.int64], loss: NDArray[np.floating[Any]]) -> None:
        """Priorities `loss` ** alpha [B] of sampled rows [B]; those lost meanwhile stay so.

        A loss that is not finite says nothing of its row, which keeps its priority: the run has diverged.
        """
        loss = loss.astype(np.float64)
        said = np.isfinite(loss)
        rows, loss = rows[said], loss[said]
        if not len(rows):
            return
        priority = np.maximum(loss, SMALLEST_LOSS) ** self.priority_exponent
        known = self._tree.priorities[rows] > 0
        self._tree.set(rows[known], priority[known])
        self.max_priority = max(self.max_priority, float(np.max(priority)))

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
        both = self._frames.observations(np.concatenate((rows, self._next[rows]))).to(self.device)
        return Transitions(
            obs=both[: len(rows)],
            action=self._tensor(self._action[rows]).long(),
            return_=self._tensor(self._return[rows]),
            discount=self._tensor(self._discount[rows]),
            next_obs=both[len(rows) :],
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
        """`num` of the newest `window` steps, uniformly; fewer if there are fewer and none is repeated.

        Args:
            num: Steps wanted.
            window: Steps to choose from; a step counts as soon as its reward is known.
            rng: Draws them.
            replace: a step may be drawn again; then there are `num`, unless there are none at all.
            next_obs: a step comes with what it led to, and counts only once that is known.
        """
        newest = self._newest(window, next_obs)
        count = num if replace and len(newest) else min(num, len(newest))
        rows = rng.choice(newest, count, replace=replace)
        return Context(
            obs=self._frames.observations(rows).to(self.device),
            action=self._tensor(self._action[rows]).long(),
            reward=self._tensor(self._reward[rows]),
            next_obs=self._frames.observations(self._frames.after(rows)).to(self.device)
            if next_obs
            else None,
        )

    def _newest(self, num: int, next_obs: bool) -> NDArray[np.int64]:
        """Rows of the newest `num` steps, newest first; looks no further back than it has to."""
        looked_at = 0
        while True:
            looked_at = min(2 * looked_at or 4 * num, self._frames.size)
            rows: NDArray[np.int64] = (self._frames.head - 1 - np.arange(looked_at)) % self.capacity
            rows = rows[self._action[rows] != NO_ACTION]
            if next_obs:
                rows = rows[(self._frames.after(rows) != rows) | (self._discount[rows] == 0)]
            if len(rows) >= num or looked_at == self._frames.size:
                return rows[:num]

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    # Size and state.

    def check_slots(self, num_slots: int) -> None:
        """Raises ValueError if a step could be overwritten before its return is known."""
        needed = 2 * num_slots * (self.n_step + self.frame_stack)
        if self.capacity < needed:
            raise ValueError(
                f"a replay of {self.capacity} rows a task is too small for {num_slots} envs with "
                f"n_step={self.n_step}: raise replay_capacity so that each task has at least {needed}"
            )

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        return (
            self._frames.nbytes + self._tree.nbytes + sum(array.nbytes for array in self._columns().values())
        )

    def _columns(self) -> dict[str, NDArray[Any]]:
        return {
            "action": self._action,
            "reward": self._reward,
            "return": self._return,
            "discount": self._discount,
            "next": self._next,
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything, as copies: tensors of the rows written so far, and JSON values."""
        size = self._frames.size
        return {
            "frames": self._frames.state_dict(),
            "priority": torch.from_numpy(self._tree.priorities[:size].copy()),
            "columns": {
                name: torch.from_numpy(column[:size].copy()) for name, column in self._columns().items()
            },
            "streams": {
                str(slot): {"newest": stream.newest, "open": [list(step) for step in stream.open.steps]}
                for slot, stream in self._streams.items()
            },
            "max_priority": self.max_priority,
            "env_steps": self.env_steps,
            "n_step": self.n_step,
            "discount": self.discount,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on as the replay that gave `state`.

        Raises:
            ValueError: It had another capacity, other observations or returns.
        """
        for name in ("n_step", "discount"):
            own, theirs = getattr(self, name), state.get(name, getattr(self, name))
            if own != theirs:
                raise ValueError(
                    f"the saved replay has returns of {name}={theirs}, this one of {own}: use the config it "
                    "was saved with"
                )
        self._frames.load_state_dict(state["frames"])
        size = self._frames.size
        self._action[size:], self._next[size:] = NO_ACTION, NO_ROW
        for name, column in self._columns().items():
            column[:size] = state["columns"][name].numpy()
        self._tree.load(state["priority"].numpy())
        self._streams = {
            int(slot): Stream(
                saved["newest"],
                OpenSteps(self.n_step, self.discount, ((int(row), float(r)) for row, r in saved["open"])),
            )
            for slot, saved in state["streams"].items()
        }
        self.max_priority, self.env_steps = state["max_priority"], state["env_steps"]
