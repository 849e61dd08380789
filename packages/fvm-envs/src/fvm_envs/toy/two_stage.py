"""Catch in two stages, on pixels: what an agent knows lies behind what it must learn first.

A ball falls six rows a catch on a board of 14 x 14 cells, a paddle of three cells moves left, stays or moves
right. An episode is some balls of stage CLOSE and two of stage FAR; a ball that is missed ends it, so nobody
sees the second stage who fails in the first. Each catch is worth its share of the balls: who catches all has
1, which is always possible.

    two-stage/close-first/M   M balls of CLOSE, then FAR: the task
    two-stage/far-first/M     FAR, then M balls of CLOSE: the control in which what is known comes first
    two-stage/far/2           FAR alone: what an agent is pretrained on
    two-stage/imperfect/M     the task, but with CLOSE wrong in some columns: what an imperfect clone learns

In CLOSE the actions left and right are exchanged, and its colours differ from FAR's by `shared`: what is
right in one stage is wrong in the other, as in AppleRetrieval. With shared = 1 both stages look nearly alike
and learning one unlearns the other; with 0 they have no colour channel in common, the control in which they
interfere least.

Who is pretrained on FAR alone is good there and lost in CLOSE (a state-coverage gap). Who is pretrained on
the imperfect task is good in FAR and nearly good in CLOSE, like a clone of an expert from corrupted
demonstrations: balls of CLOSE in the columns `CORRUPTED` are caught there by the actions of FAR, so that in
the task it moves away from them (an imperfect cloning gap: Wolczyk et al. 2024, section 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fvm_envs.slot_env import OnEpisodeEnd, SlotEnv, SlotOptions, State
from fvm_envs.slot_inputs import MAX_SLOTS, read_count
from fvm_envs.task import Task, TaskSet
from fvm_envs.toy.catch import BOARD

ROWS = 6
"""Steps of a ball."""
REACH = 1
FAR_BALLS = 2
MOST_BALLS = 1_000
EFFECTS = np.array([-1, 0, 1], dtype=np.int64)
"""Columns that the paddle moves in FAR; in CLOSE the other way."""
NAMES = ("close-first", "far-first", "far", "imperfect")
CORRUPTED = np.array([2, 5, 11], dtype=np.int64)
"""Columns drawn once at random: about a fifth of CLOSE's balls fall there."""
_FAR_COLOURS = np.array([[40, 0, 0], [255, 0, 0], [160, 0, 0]], dtype=np.float64)  # background, ball, paddle
_CLOSE_COLOURS = _FAR_COLOURS[:, ::-1]  # blue where those are red
VIDEO_CELL_PIXELS = 36
LEAST_DIFFERENCE = 0.1
"""Of the way from FAR's colours to CLOSE's, what is left at shared = 1: a stage can always be told."""


def stages_of(task: Task) -> NDArray[np.bool_]:
    """Returns whether each ball of a task's episodes is of FAR.

    Raises:
        ValueError: There is no such task.
    """
    level = task.level
    if task.benchmark != "two-stage" or task.name not in NAMES or not level or level > MOST_BALLS:
        names = ", ".join(f"two-stage/{name}/M" for name in NAMES)
        raise ValueError(
            f"{task.id} is no task of two stages: the tasks are {names}, M from 1 to {MOST_BALLS}"
        )
    far = np.ones(level if task.name == "far" else FAR_BALLS, dtype=np.bool_)
    close = np.zeros(0 if task.name == "far" else level, dtype=np.bool_)
    return np.concatenate((far, close) if task.name == "far-first" else (close, far))


def colours(shared: float) -> NDArray[np.uint8]:
    """Returns the colours [2, 3, 3] of background, ball and paddle, in CLOSE and in FAR."""
    part = LEAST_DIFFERENCE + (1 - LEAST_DIFFERENCE) * (1 - shared)
    close = _FAR_COLOURS + part * (_CLOSE_COLOURS - _FAR_COLOURS)
    return np.stack((close.round(), _FAR_COLOURS)).astype(np.uint8)


class TwoStageVec(SlotEnv):
    """Slots that play Catch in two stages; `info["far"]` says whose returned observation lies in FAR.

    Args:
        tasks: Such as `two-stage/close-first/4`.
        num_envs: Number of slots.
        seed: Seeds the draws of tasks and the slots' balls.
        on_episode_end: "resample" draws the next task from `tasks`, "stay" repeats it.
        shared: What the stages' colours have in common, from 0 to 1.
        **slot_options: `episode_stats` and `autoreset`, as `SlotEnv` takes them.

    Raises:
        ValueError: A task does not exist, or `shared` is out of range.
    """

    def __init__(
        self,
        tasks: TaskSet,
        num_envs: int,
        seed: int,
        *,
        on_episode_end: OnEpisodeEnd = "resample",
        shared: float = 0.75,
        **slot_options: Unpack[SlotOptions],
    ) -> None:
        if not 0 <= shared <= 1:
            raise ValueError(f"shared={shared}: give a number from 0 to 1")
        num_envs = read_count("num_envs", num_envs, 1, MAX_SLOTS)
        self._far_balls = [stages_of(task) for task in tasks]
        self._corrupted = np.array([task.name == "imperfect" for task in tasks])
        self._colours = colours(shared)
        self._rngs = [np.random.default_rng(0) for _ in range(num_envs)]
        self._paddle = np.zeros(num_envs, dtype=np.int64)
        self._ball = np.zeros(num_envs, dtype=np.int64)
        self._nth = np.zeros(num_envs, dtype=np.int64)  # which ball of the episode
        self._left = np.full(num_envs, ROWS, dtype=np.int64)  # steps until it is down
        super().__init__(
            tasks,
            num_envs,
            seed,
            on_episode_end=on_episode_end,
            observation_space=gym.spaces.Box(0, 255, (BOARD, BOARD, 3), np.uint8),
            action_space=gym.spaces.Discrete(len(EFFECTS)),
            **slot_options,
        )

    def _far(self) -> NDArray[np.bool_]:
        """Whether each slot's ball is of FAR, [num_envs]."""
        where = zip(self.task_index.tolist(), self._nth.tolist(), strict=True)
        return np.array([self._far_balls[task][nth] for task, nth in where])

    def _ahead(self) -> NDArray[np.bool_]:
        """Whether right is right for each slot's ball, [num_envs]: in FAR, and where CLOSE is corrupted."""
        corrupted = self._corrupted[self.task_index] & np.isin(self._ball, CORRUPTED)
        return self._far() | corrupted

    def best_actions(self) -> NDArray[np.int64]:
        """An action for each slot of a player who catches every ball."""
        side = np.sign(self._ball - self._paddle)
        best: NDArray[np.int64] = 1 + np.where(self._ahead(), side, -side)
        return best

    def seed_dynamics(self, slot: int, seed: np.random.SeedSequence) -> None:
        """Seed a slot's balls."""
        self._rngs[slot] = np.random.default_rng(seed)

    def begin(self, slots: NDArray[np.int64], *, autoreset: bool) -> None:
        """Put the paddles of `slots` somewhere, and a first ball above them."""
        self._nth[slots] = 0
        for slot in slots.tolist():
            self._paddle[slot] = self._rngs[slot].integers(REACH, BOARD - REACH)
            self._throw(slot)

    def _throw(self, slot: int) -> None:
        """Draw a ball that the paddle can reach, and that is not caught by staying."""
        columns = np.arange(BOARD)
        aside = np.abs(columns - self._paddle[slot])
        self._ball[slot] = self._rngs[slot].choice(columns[(aside > REACH) & (aside <= REACH + ROWS)])
        self._left[slot] = ROWS

    def advance(
        self, actions: NDArray[np.int64], slots: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Paddles move, balls fall one row."""
        moved = np.where(self._ahead(), 1, -1) * EFFECTS[actions]
        self._paddle[slots] = np.clip(self._paddle + moved, REACH, BOARD - 1 - REACH)[slots]
        self._left[slots] -= 1
        reward = np.zeros(self.num_envs, dtype=np.float64)
        terminated = np.zeros(self.num_envs, dtype=bool)
        for slot in slots[self._left[slots] == 0].tolist():
            balls = len(self._far_balls[self.task_index[slot]])
            caught = abs(int(self._paddle[slot] - self._ball[slot])) <= REACH
            reward[slot] = caught / balls
            if caught and self._nth[slot] + 1 < balls:
                self._nth[slot] += 1
                self._throw(slot)
            else:
                terminated[slot] = True
        return reward, terminated, np.zeros(self.num_envs, dtype=bool), {}

    def slot_info(self) -> dict[str, Any]:
        """Whether the returned observation lies in FAR."""
        return {"far": self._far()}

    def observe(self) -> NDArray[np.uint8]:
        """The pictures, uint8 [num_envs, 14, 14, 3]."""
        slots = np.arange(self.num_envs)
        shown = self._colours[self._far().astype(np.int64)]  # [num_envs, 3, 3]
        pixels = np.repeat(shown[:, None, 0], BOARD * BOARD, axis=1).reshape(-1, BOARD, BOARD, 3)
        for offset in range(-REACH, REACH + 1):
            pixels[slots, BOARD - 1, self._paddle + offset] = shown[:, 2]
        pixels[slots, BOARD - 1 - self._left, self._ball] = shown[:, 1]
        return pixels

    def final_obs(self, slots: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures in which the last balls have come down."""
        return self.observe()[slots]

    def draw_slot(self, slot: int) -> NDArray[np.uint8]:
        """The slot's current frame, uint8 [504, 504, 3]."""
        frame: NDArray[np.uint8] = (
            self.observe()[slot].repeat(VIDEO_CELL_PIXELS, 0).repeat(VIDEO_CELL_PIXELS, 1)
        )
        return frame

    def own_state(self) -> State:
        """Positions, clocks and the slots' generators."""
        arrays = {"paddle": self._paddle, "ball": self._ball, "nth": self._nth, "left": self._left}
        copies = {name: array.copy() for name, array in arrays.items()}
        return {**copies, "rngs": [rng.bit_generator.state for rng in self._rngs]}

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `own_state` gave.

        Raises:
            ValueError: It is of another number of slots.
        """
        if len(state["rngs"]) != self.num_envs or np.shape(state["nth"]) != self._nth.shape:
            raise ValueError("the saved state of two stages is damaged: its arrays have another shape")
        for name in ("paddle", "ball", "nth", "left"):
            getattr(self, f"_{name}")[:] = state[name]
        for rng, saved in zip(self._rngs, state["rngs"], strict=True):
            rng.bit_generator.state = saved
