"""AppleRetrieval as a vector environment; `legs.py` has its rules.

Nothing in it is random but which task a slot draws. So an episode of an agent without memory is known once
its chances and draws are, and `walk` plays it a hundred times faster than `step` can, with the same outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        reward = np.zeros(self.num_envs, dtype=np.float64)
        for slot in slots.tolist():
            (legs, distance), before = self._legs[self.task_index[slot]], int(self._leg[slot])
            self._leg[slot], self._place[slot], reward[slot] = _step(
                legs, distance, before, int(self._place[slot]), int(actions[slot])
            )
            if self.reward == "success":
                reward[slot] = before < self._leg[slot] == len(legs)
        never = np.zeros(self.num_envs, dtype=bool)
        return reward, never, self.lengths + 1 >= self.max_steps, {}

    def _kind(self, slot: int) -> int:
        """Returns the kind of what a slot sees."""
        (legs, _), leg = self._legs[self.task_index[slot]], self._leg[slot]
        return DONE_SEEN if leg == len(legs) else OUT_SEEN if legs[leg].sign < 0 else BACK_SEEN

    def observe(self) -> NDArray[np.float32]:
        """What is seen, [num_envs, 2]."""
        seen: NDArray[np.float32] = self.kinds[[self._kind(slot) for slot in range(self.num_envs)]]
        return seen

    def final_obs(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """What is seen when the time is up."""
        return self.observe()[slots]

    def slot_info(self) -> dict[str, Any]:
        """Whether the returned observation lies in FAR."""
        where = zip(self.task_index.tolist(), self._leg.tolist(), strict=True)
        return {"far": np.array([any(leg.far for leg in self._legs[t][0][at : at + 1]) for t, at in where])}

    def walk(self, right: NDArray[np.float64], uniform: NDArray[np.float64]) -> Walk:
        """Plays one whole episode in every slot, as `step` does, and begins the next.

        Args:
            right: [3] chance of a step to the right at each of `kinds`.
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
        kind = np.full(uniform.shape, DONE_SEEN, dtype=np.int64)
        reward = np.zeros(uniform.shape, dtype=np.float64)
        far = 0
        for slot in range(self.num_envs):
            begin, draws = 0, uniform[:, slot]
            legs, distance = self._legs[self.task_index[slot]]
            for leg in legs:
                sees = OUT_SEEN if leg.sign < 0 else BACK_SEEN
                hits = (draws[begin:] < right[sees]) == bool(leg.right)
                steps = _steps_of(hits.tolist(), distance if leg.ends else len(draws) + 1)
                end = begin + steps
                kind[begin:end, slot] = sees
                reward[begin:end, slot] = np.where(hits[:steps], 1.0, -1.0)
                far += steps * leg.far
                begin = end
        walked = Walk(kind, (uniform < right[kind]).astype(np.int64), reward, self.task_index.copy(), far)
        self._go_on(np.arange(self.num_envs))
        return walked

    def draw_slot(self, slot: int) -> NDArray[np.uint8]:
        """The line with the walker on it, red on the way out, green with the apple."""
        distance = self._legs[self.task_index[slot]][1]
        frame = np.full((CELL, (distance + 1) * CELL, 3), 255, dtype=np.uint8)
        kind, place = self._kind(slot), int(self._place[slot])
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


def _step(legs: tuple[Leg, ...], distance: int, leg: int, place: int, action: int) -> tuple[int, int, float]:
    """Returns the leg, how far along it, and the reward, after an action."""
    if leg == len(legs):
        return leg, place, 0.0
    if action != legs[leg].right:
        return leg, max(place - 1, 0), -1.0
    if legs[leg].ends and place + 1 == distance:
        return leg + 1, 0, 1.0
    return leg, min(place + 1, distance), 1.0


def _steps_of(hits: list[bool], distance: int) -> int:
    """Returns how many of these steps, right ones or not, a leg of so many cells takes; all if too few."""
    place = 0
    for step, hit in enumerate(hits, start=1):
        if not hit:
            place = place - 1 if place else 0
            continue
        place += 1
        if place == distance:
            return step
    return len(hits)
