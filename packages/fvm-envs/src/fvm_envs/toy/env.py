"""Catch as a vector environment: a picture of 14 x 14 cells, drawn for all slots at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fvm_envs.slot_env import OnEpisodeEnd, SlotEnv, SlotOptions, State
from fvm_envs.slot_inputs import MAX_SLOTS, read_count
from fvm_envs.task import Task, TaskSet
from fvm_envs.toy.catch import BOARD, family_of, order_of

LEGEND_ROWS = (1, 3, 5, 7)
"""Where a legend marks the effect of each action; the ball starts below."""
VIDEO_CELL_PIXELS = 36
"""Pixels a cell's side has at least in a frame for a video."""

# Background and ball of each palette.
_PALETTES = (
    ((0, 0, 0), (255, 255, 255)),
    ((24, 24, 96), (255, 224, 64)),
    ((0, 64, 48), (255, 255, 255)),
    ((72, 0, 56), (128, 255, 255)),
    ((232, 232, 232), (0, 0, 0)),
    ((176, 208, 255), (96, 0, 0)),
    ((208, 255, 200), (48, 0, 112)),
    ((255, 220, 176), (0, 64, 64)),
)
# Paddle of each order of left, stay, right.
_PADDLES = ((230, 25, 75), (60, 180, 75), (0, 110, 255), (245, 130, 48), (170, 40, 220), (120, 120, 120))
_ONE_PADDLE = (0, 200, 255)


def look_of(task: Task) -> tuple[bool, NDArray[np.uint8]]:
    """Whether a task's picture is upside down, and its colours, [3, 3]: background, ball, paddle."""
    family = family_of(task)
    look, order = divmod(task.level or 0, len(family.orders))
    background, ball = _PALETTES[look // 2]
    paddle = _PADDLES[order] if task.name == "catch" else _ONE_PADDLE
    return look % 2 == 1, np.array((background, ball, paddle), dtype=np.uint8)


class CatchVec(SlotEnv):
    """Slots that play Catch; the rules and families are in `fvm_envs.toy.catch`.

    The start of an episode is drawn by the slot's own generator, which goes on over episodes and tasks.

    Args:
        tasks: Tasks of one family, such as `toy/catch/<k>` or `toy/hidden-catch/<k>`.
        num_envs: Number of slots.
        seed: Seeds the draws of tasks and the slots' starts.
        on_episode_end: "resample" draws the next task from `tasks`, "stay" repeats it.
        cell_pixels: Pixels a cell's side; 6 gives images of 84 x 84 x 3, 1 gives 14 x 14 x 3, which show the
            same and are cheaper to learn from.
        **slot_options: `episode_stats` and `autoreset`, as `SlotEnv` takes them.

    Raises:
        ValueError: If a task does not exist, its tasks are of several families, or a cell has no pixel.
    """

    def __init__(
        self,
        tasks: TaskSet,
        num_envs: int,
        seed: int,
        *,
        on_episode_end: OnEpisodeEnd = "resample",
        cell_pixels: int = 6,
        **slot_options: Unpack[SlotOptions],
    ) -> None:
        names = sorted({task.name for task in tasks})
        if len(names) != 1:
            raise ValueError(f"a toy environment plays one family, not {names}: make one for each")
        num_envs = read_count("num_envs", num_envs, 1, MAX_SLOTS)
        cell_pixels = read_count("cell_pixels", cell_pixels, 1, 64)
        self.family = family = family_of(tasks[0])
        self.cell_pixels = cell_pixels
        effects = np.array(family.effects, dtype=np.int64)
        self._moves = np.array([effects[list(order_of(task))] for task in tasks])
        looks = [look_of(task) for task in tasks]
        self._upside_down = np.array([upside_down for upside_down, _ in looks])
        self._colours = np.array([colours for _, colours in looks], dtype=np.uint8)
        self._starts = np.array(family.starts, dtype=np.int64)
        self._rngs = [np.random.default_rng(0) for _ in range(num_envs)]
        self._paddle = np.zeros(num_envs, dtype=np.int64)
        self._ball = np.zeros(num_envs, dtype=np.int64)
        self._steps_left = np.full(num_envs, family.num_steps, dtype=np.int64)
        side = BOARD * cell_pixels
        self._pixels = np.zeros((num_envs, side, side, 3), dtype=np.uint8)
        super().__init__(
            tasks,
            num_envs,
            seed,
            on_episode_end=on_episode_end,
            observation_space=gym.spaces.Box(0, 255, (side, side, 3), np.uint8),
            action_space=gym.spaces.Discrete(len(effects)),
            **slot_options,
        )

    @property
    def _cells(self) -> NDArray[np.uint8]:
        """The pictures cell by cell, in their own memory: a view that is kept loses it in a copy."""
        cell = self.cell_pixels
        return self._pixels.reshape(self.num_envs, BOARD, cell, BOARD, cell, 3)

    def best_actions(self) -> NDArray[np.int64]:
        """An optimal action for each slot, by a player who knows the tasks: it reaches `best_return`."""
        columns = self._paddle[:, None] + self._moves[self.task_index]
        actions: NDArray[np.int64] = np.abs(columns - self._ball[:, None]).argmin(axis=1)
        return actions

    def seed_dynamics(self, slot: int, seed: np.random.SeedSequence) -> None:
        """Seed the starts of a slot's episodes."""
        self._rngs[slot] = np.random.default_rng(seed)

    def begin(self, slots: NDArray[np.int64], *, autoreset: bool) -> None:
        """Draw a start for each of `slots`, and its picture."""
        for slot in slots.tolist():
            self._paddle[slot], self._ball[slot] = self._starts[self._rngs[slot].integers(len(self._starts))]
        self._steps_left[slots] = self.family.num_steps
        tasks = self.task_index[slots]
        self._pixels[slots] = self._colours[tasks, 0][:, None, None]
        for action, row in enumerate(LEGEND_ROWS[: self.family.marks]):
            column = BOARD // 2 + self._moves[tasks, action]
            self._cells[slots, row, :, column] = self._colours[tasks, 1][:, None, None]
        self._draw(slots)

    def advance(
        self, actions: NDArray[np.int64], slots: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Paddles move, balls fall one cell."""
        reach = self.family.reach
        self._erase(slots)
        moved = self._paddle[slots] + self._moves[self.task_index[slots], actions[slots]]
        self._paddle[slots] = np.clip(moved, reach, BOARD - 1 - reach)
        self._steps_left[slots] -= 1
        self._draw(slots)
        terminated = self._steps_left == 0
        caught = terminated & (np.abs(self._paddle - self._ball) <= reach)
        return caught.astype(np.float64), terminated, np.zeros(self.num_envs, dtype=bool), {}

    def _rows(self, slots: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows of ball and paddle on the picture."""
        upside_down = self._upside_down[self.task_index[slots]]
        ball = BOARD - 1 - self._steps_left[slots]
        return np.where(upside_down, BOARD - 1 - ball, ball), np.where(upside_down, 0, BOARD - 1)

    def _erase(self, slots: NDArray[np.int64]) -> None:
        background = self._colours[self.task_index[slots], 0][:, None, None]
        ball_row, paddle_row = self._rows(slots)
        self._cells[slots, ball_row, :, self._ball[slots]] = background
        for offset in range(-self.family.reach, self.family.reach + 1):
            self._cells[slots, paddle_row, :, self._paddle[slots] + offset] = background

    def _draw(self, slots: NDArray[np.int64]) -> None:
        colours = self._colours[self.task_index[slots]]
        ball_row, paddle_row = self._rows(slots)
        for offset in range(-self.family.reach, self.family.reach + 1):
            self._cells[slots, paddle_row, :, self._paddle[slots] + offset] = colours[:, 2, None, None]
        self._cells[slots, ball_row, :, self._ball[slots]] = colours[:, 1, None, None]

    def observe(self) -> NDArray[np.uint8]:
        """The pictures, uint8 [num_envs, side, side, 3]."""
        return self._pixels.copy()

    def final_obs(self, slots: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures in which the balls have come down."""
        return self._pixels[slots]

    def draw_slot(self, slot: int) -> NDArray[np.uint8]:
        """The slot's current frame, uint8 [H, H, 3], H at least 504."""
        scale = -(-VIDEO_CELL_PIXELS // self.cell_pixels)
        frame: NDArray[np.uint8] = self._pixels[slot].repeat(scale, axis=0).repeat(scale, axis=1)
        return frame

    def own_state(self) -> State:
        """Positions, clocks, pictures and the slots' generators."""
        return {
            "paddle": self._paddle.copy(),
            "ball": self._ball.copy(),
            "steps_left": self._steps_left.copy(),
            "pixels": self._pixels.copy(),
            "rngs": [rng.bit_generator.state for rng in self._rngs],
        }

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `own_state` gave.

        Raises:
            ValueError: If its arrays are of another shape.
        """
        if np.shape(state["pixels"]) != self._pixels.shape or len(state["rngs"]) != self.num_envs:
            raise ValueError(
                "the saved toy state is damaged, or of another cell_pixels: its arrays have another shape"
            )
        self._paddle[:] = state["paddle"]
        self._ball[:] = state["ball"]
        self._steps_left[:] = state["steps_left"]
        self._pixels[:] = state["pixels"]
        for rng, saved in zip(self._rngs, state["rngs"], strict=True):
            rng.bit_generator.state = saved
