"""AppleRetrieval as a vector environment; `legs.py` has its rules.

Nothing in it is random but which task a slot draws. So an episode of an agent without memory is known once
its chances and draws are, and `walk` plays it a hundred times faster than `step` can, with the same outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fvm_envs.apple.legs import Leg, legs_of
from fvm_envs.slot_env import OnEpisodeEnd, SlotEnv, SlotOptions, State
from fvm_envs.slot_inputs import read_count
from fvm_envs.task import TaskSet

OUT_SEEN, BACK_SEEN, DONE_SEEN = 0, 1, 2
"""Kinds of what can be seen: rows of `AppleVec.kinds`."""
CELL = 16
"""Pixels of a cell's side in a frame for a video."""


@dataclass(frozen=True)
class Walk:
    """An episode of each of N slots.

    Attributes:
        kind: [T, N] of what was seen at each step, a row of `AppleVec.kinds`.
        action: [T, N].
        reward: [T, N].
        task_index: [N] of the task that was played.
        far: Steps in FAR, of all slots together.
    """

    kind: NDArray[np.int64]
    action: NDArray[np.int64]
    reward: NDArray[np.float64]
    task_index: NDArray[np.int64]
    far: int


@dataclass(frozen=True)
class Rules:
    """What holds on each leg of each task, [tasks, legs]; the leg after the last is that the walk is done.

    Attributes:
        kind: Of what is seen.
        right: The action that is rewarded.
        ends: Whether there is an end to it.
        far: Whether it is what a pretrained agent knows.
        distance: [tasks] cells of a leg.
    """

    kind: NDArray[np.int64]
    right: NDArray[np.int64]
    ends: NDArray[np.bool_]
    far: NDArray[np.bool_]
    distance: NDArray[np.int64]

    @classmethod
    def of(cls, tasks: Sequence[tuple[tuple[Leg, ...], int]]) -> Rules:
        """Returns the rules of tasks, given as their legs and M."""
        shape = len(tasks), 1 + max(len(legs) for legs, _ in tasks)
        kind, right = np.full(shape, DONE_SEEN, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        ends, far = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
        for task, (legs, _) in enumerate(tasks):
            for at, leg in enumerate(legs):
                kind[task, at] = OUT_SEEN if leg.sign < 0 else BACK_SEEN
                right[task, at], ends[task, at], far[task, at] = leg.right, leg.ends, leg.far
        return cls(kind, right, ends, far, np.array([distance for _, distance in tasks], dtype=np.int64))


class AppleVec(SlotEnv):
    """Slots that walk; an observation is (o, 1), and (0, 0) when the walk is done.

    `info["far"]` says of each slot whether its returned observation lies in FAR, the way back.

    Args:
        tasks: Of AppleRetrieval, such as `apple/out-and-back/30`.
        num_envs: Number of slots.
        seed: Seeds the draws of tasks.
        on_episode_end: "resample" draws the next task from `tasks`, "stay" repeats it.
        feature: c, what is seen. Below 1 the two ways interfere, at 1 they do not.
        max_steps: T, steps of every episode.
        reward: "direction", +1 or -1 for every step, as agents learn; or "success", 1 for the step that ends
            the walk, as they are scored.
        **slot_options: `episode_stats` and `autoreset`, as `SlotEnv` takes them.

    Raises:
        ValueError: A task does not exist, or an episode is too short to walk there and back.
    """

    def __init__(
        self,
        tasks: TaskSet,
        num_envs: int,
        seed: int,
        *,
        on_episode_end: OnEpisodeEnd = "resample",
        feature: float = 0.25,
        max_steps: int = 100,
        reward: Literal["direction", "success"] = "direction",
        **slot_options: Unpack[SlotOptions],
    ) -> None:
        self.max_steps = read_count("max_steps", max_steps, 1, 10**7)
        self._legs = [legs_of(task) for task in tasks]
        for task, (legs, distance) in zip(tasks, self._legs, strict=True):
            if len(legs) * distance > max_steps:
                raise ValueError(
                    f"{task.id} needs more steps than the {max_steps} of an episode: give more max_steps, or "
                    "a shorter way"
                )
        if not (np.isfinite(feature) and 0 < feature <= 100):
            raise ValueError(f"feature={feature}: give a number above 0, up to 100")
        if reward not in ("direction", "success"):
            raise ValueError(f"reward is {reward!r}: expected 'direction' or 'success'")
        self.feature, self.reward = float(feature), reward
        self.kinds = np.array([[-feature, 1.0], [feature, 1.0], [0.0, 0.0]], dtype=np.float32)
        self._rules = Rules.of(self._legs)
        self._leg = np.zeros(num_envs, dtype=np.int64)
        self._place = np.zeros(num_envs, dtype=np.int64)
        bound = max(1.0, self.feature)
        super().__init__(
            tasks,
            num_envs,
            seed,
            on_episode_end=on_episode_end,
            observation_space=gym.spaces.Box(-bound, bound, (2,), np.float32),
            action_space=gym.spaces.Discrete(2),
            **slot_options,
        )

    def begin(self, slots: NDArray[np.int64], *, autoreset: bool) -> None:
        """Put `slots` where their walks begin."""
        self._leg[slots], self._place[slots] = 0, 0

    def advance(
        self, actions: NDArray[np.int64], slots: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One step each."""
        rules, at, before = self._rules, (self.task_index, self._leg), self._leg.copy()
        walking = rules.kind[at] != DONE_SEEN
        hit = walking & (actions == rules.right[at])
        place = np.where(hit, self._place + 1, np.maximum(self._place - 1, 0))
        over = hit & rules.ends[at] & (place == rules.distance[self.task_index])
        self._leg[slots] = (before + over)[slots]
        place = np.where(over, 0, np.minimum(place, rules.distance[self.task_index]))
        self._place[slots] = np.where(walking, place, self._place)[slots]
        if self.reward == "success":
            reward = (over & (rules.kind[self.task_index, before + over] == DONE_SEEN)).astype(np.float64)
        else:
            reward = np.where(walking, np.where(hit, 1.0, -1.0), 0.0)
        never = np.zeros(self.num_envs, dtype=bool)
        return reward, never, self.lengths + 1 >= self.max_steps, {}

    def observe(self) -> NDArray[np.float32]:
        """What is seen, [num_envs, 2]."""
        seen: NDArray[np.float32] = self.kinds[self._rules.kind[self.task_index, self._leg]]
        return seen

    def final_obs(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """What is seen when the time is up."""
        return self.observe()[slots]

    def slot_info(self) -> dict[str, Any]:
        """Whether the returned observation lies in FAR."""
        return {"far": self._rules.far[self.task_index, self._leg]}

    def walk(self, right: NDArray[np.float64], uniform: NDArray[np.float64]) -> Walk:
        """Plays one whole episode in every slot, as `step` does, and begins the next.

        Args:
            right: [3] chance of a step to the right at each of `kinds`, or [3, num_envs] of each slot's own.
            uniform: [T, num_envs] in [0, 1): a step is to the right where it is below the chance.

        Raises:
            RuntimeError: The environment is closed, was never reset, is in the middle of an episode, or has
                another reward.
            ValueError: `uniform` has another shape.
        """
        self._check_open()
        if self.reward != "direction":
            raise RuntimeError("walk plays for directions: make the environment with that reward")
        if self.task_index[0] < 0 or self.lengths.any():
            raise RuntimeError("walk plays whole episodes: reset first, and do not step in between")
        if uniform.shape != (self.max_steps, self.num_envs):
            raise ValueError(
                f"uniform has the shape {uniform.shape}: give ({self.max_steps}, {self.num_envs})"
            )
        rules, task = self._rules, self.task_index
        kind = np.full(uniform.shape, DONE_SEEN, dtype=np.int64)
        reward = np.zeros(uniform.shape, dtype=np.float64)
        chance = np.broadcast_to(right if right.ndim == 2 else right[:, None], (len(right), self.num_envs))
        begin, far, slots = np.zeros(self.num_envs, dtype=np.int64), 0, np.arange(self.num_envs)
        for leg in range(rules.kind.shape[1] - 1):
            sees = rules.kind[task, leg]
            hits = (uniform < chance[sees, slots]) == rules.right[task, leg]
            distance = np.where(rules.ends[task, leg], rules.distance[task], len(uniform) + 1)
            end, on = _walked(hits, begin, distance)
            on &= sees != DONE_SEEN
            kind = np.where(on, sees, kind)
            reward[on] = np.where(hits[on], 1.0, -1.0)
            far += int((on & rules.far[task, leg]).sum())
            begin = end
        action = (uniform < chance[kind, slots]).astype(np.int64)
        walked = Walk(kind, action, reward, task.copy(), far)
        self._go_on(slots)
        return walked

    def draw_slot(self, slot: int) -> NDArray[np.uint8]:
        """The line with the walker on it, red on the way out, green with the apple."""
        distance = self._legs[self.task_index[slot]][1]
        frame = np.full((CELL, (distance + 1) * CELL, 3), 255, dtype=np.uint8)
        kind = int(self._rules.kind[self.task_index[slot], self._leg[slot]])
        place = int(self._place[slot])
        at = {OUT_SEEN: place, BACK_SEEN: distance - place, DONE_SEEN: 0}[kind]
        frame[:, at * CELL : (at + 1) * CELL] = ((200, 40, 40), (40, 160, 60), (160, 160, 160))[kind]
        return frame

    def own_state(self) -> State:
        """Where the slots are."""
        return {"leg": self._leg.copy(), "place": self._place.copy()}

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `own_state` gave.

        Raises:
            ValueError: Its arrays are of another shape.
        """
        if np.shape(state["leg"]) != self._leg.shape or np.shape(state["place"]) != self._leg.shape:
            raise ValueError("the saved state of AppleRetrieval is damaged: its arrays have another shape")
        self._leg[:], self._place[:] = state["leg"], state["place"]


def _walked(
    hits: NDArray[np.bool_], begin: NDArray[np.int64], distance: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Returns one past the last step [N] of a leg of each slot, and which steps [T, N] are on it.

    Args:
        hits: [T, N], whether a step would be a right one.
        begin: [N], the leg's first step; nobody gets back beyond where it begins.
        distance: [N] cells of the leg; a leg that is too long lasts to the end.
    """
    step = np.arange(len(hits))[:, None]
    going = step >= begin
    free = np.cumsum(np.where(going, 2 * hits - 1, 0), axis=0)
    place = free - np.minimum(np.minimum.accumulate(free, axis=0), 0)
    there = place >= distance
    end = np.where(there.any(axis=0), there.argmax(axis=0) + 1, len(hits))
    return end, going & (step < end)
