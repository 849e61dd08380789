"""Procgen as a vector environment whose slots are pinned to levels.

A slot moves to level L by loading a state: a generator game with one slot is given the level range [L, L+1)
and forced to reset, and its state is loaded into the slot. From there on the library resets the slot to level
L itself.

The library shows no terminal observation, and merges death, success and time-out into one flag: an episode
counts as truncated if it lasted as long as the game's time-out and the level was not completed.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any, Unpack

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from fvm_envs.procgen.games import ACTION_SETS, level_seed, parse_name
from fvm_envs.procgen.levels import LevelGenerator, native_options
from fvm_envs.procgen.native import MAX_GAMES, MAX_THREADS, NativeEnv
from fvm_envs.procgen.starts import DeepStarts, StartStates, read_start_states
from fvm_envs.slot_env import OnEpisodeEnd, SlotEnv, SlotOptions, State
from fvm_envs.slot_inputs import read_count
from fvm_envs.task import TaskSet

KEPT_LEVELS = 512
"""Start states an environment keeps, at most 26 MB; with more levels than that the others are made again."""


class ProcgenVec(SlotEnv):
    """Slots that play levels of one Procgen game.

    Args:
        tasks: Levels of one game and mode, `procgen/<game>-<mode>/<level>`.
        num_envs: Number of slots.
        seed: Seeds the draws of levels; a level itself is deterministic.
        on_episode_end: "resample" draws the next level from `tasks`, "stay" repeats the level.
        actions: A name in `ACTION_SETS`.
        use_backgrounds: Draw the textured background.
        restrict_themes: Draw one theme only.
        num_threads: Threads that step the games; 0 steps them in the caller's thread.
        start_states: Where episodes begin, `StartStates` or its fields as a mapping; None at a level's start.
        **slot_options: `episode_stats` and `autoreset`, as `SlotEnv` takes them.

    Raises:
        ImportError: If Procgen's wheel is not installed.
        ValueError: If the tasks are of several games, or an option does not exist or is out of range.
        TypeError: If an option that is on or off is neither, or a count no whole number.
    """

    def __init__(
        self,
        tasks: TaskSet,
        num_envs: int,
        seed: int,
        *,
        on_episode_end: OnEpisodeEnd = "resample",
        actions: str = "full",
        use_backgrounds: bool = True,
        restrict_themes: bool = False,
        num_threads: int = 0,
        start_states: StartStates | Mapping[str, Any] | None = None,
        **slot_options: Unpack[SlotOptions],
    ) -> None:
        self.closed = False
        self._open: list[NativeEnv | LevelGenerator] = []
        names = sorted({task.name for task in tasks})
        if len(names) != 1:
            raise ValueError(
                f"a Procgen environment plays one game in one mode, not {names}: make one for each"
            )
        if actions not in ACTION_SETS:
            raise ValueError(f"there is no action set {actions!r}: the sets are {', '.join(ACTION_SETS)}")
        num_envs = read_count("num_envs", num_envs, 1, MAX_GAMES)
        num_threads = read_count("num_threads", num_threads, 0, MAX_THREADS)
        rule = read_start_states(start_states)
        self.game, self.mode = parse_name(names[0])
        self.native_actions = ACTION_SETS[actions]
        self._levels = np.array([level_seed(task.name, task.level) for task in tasks], dtype=np.int64)
        self._options = native_options(
            self.mode, use_backgrounds=use_backgrounds, restrict_themes=restrict_themes
        )
        self._generator = LevelGenerator(names[0], self._options, kept_levels=KEPT_LEVELS)
        self._starts = None if rule is None else DeepStarts(self._generator, rule)
        self._native = NativeEnv(self.game, num_envs, self._options, num_threads=num_threads)
        self._open.extend((self._generator, self._native))
        self._video: NativeEnv | None = None
        self._to_native = np.array(self.native_actions, dtype=np.int32)
        # With "next_step", what a slot shows whose episode has ended: the frame before the end, since the
        # library shows the next episode already.
        self._last_frames: dict[int, NDArray[np.uint8]] = {}
        self._slot_level = np.full(num_envs, -1, dtype=np.int64)
        self._skipped = np.zeros(num_envs, dtype=np.int64)  # steps of a level before its episodes begin
        super().__init__(
            tasks,
            num_envs,
            seed,
            on_episode_end=on_episode_end,
            observation_space=gym.spaces.Box(0, 255, (64, 64, 3), np.uint8),
            action_space=gym.spaces.Discrete(len(self.native_actions)),
            **slot_options,
        )

    def begin(self, slots: NDArray[np.int64], *, autoreset: bool) -> None:
        """Load the start of its level into each of `slots`, unless the library already shows it."""
        levels = self._levels[self.task_index[slots]]
        for slot, level in zip(slots.tolist(), levels.tolist(), strict=True):
            # After an episode the library has already put the slot back to the start of its level.
            self._last_frames.pop(slot, None)
            if not autoreset or self._slot_level[slot] != level or self._starts is not None:
                state, self._skipped[slot] = self._start_of(level)
                self._native.set_state(slot, state)
                self._slot_level[slot] = level

    def _start_of(self, level: int) -> tuple[bytes, int]:
        """The state in which a level's episodes begin, and how many of its steps lie before that."""
        if self._starts is None:
            return self._generator.initial_state(level), 0
        return self._starts.of(level)

    def start_states_sha256(self) -> str:
        """A hash of the states in which the tasks' episodes begin, in the tasks' order."""
        digest = hashlib.sha256()
        for level in self._levels.tolist():
            digest.update(self._start_of(level)[0])
        return digest.hexdigest()

    def advance(
        self, actions: NDArray[np.int64], slots: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One step of all games; an episode as long as the game's time-out was truncated unless completed."""
        native = self._native
        np.take(self._to_native, actions, out=native.action)
        before = native.obs.copy() if self.autoreset_mode is AutoresetMode.NEXT_STEP else None
        native.step()
        reward, ended = native.reward.astype(np.float64), native.first.copy()
        timed_out = self.lengths + self._skipped + 1 >= native.layout.timeout
        truncated = ended & timed_out & (native.info["prev_level_complete"] == 0)
        if before is not None:
            for slot in np.setdiff1d(np.arange(self.num_envs), slots).tolist():
                # The library has moved all its games: this one goes back to the start that it shows.
                native.set_state(slot, self._start_of(int(self._slot_level[slot]))[0])
                ended[slot] = False
            for slot in np.flatnonzero(ended).tolist():
                self._last_frames[slot] = before[slot]
        return reward, ended & ~truncated, truncated, {}

    def observe(self) -> NDArray[np.uint8]:
        """The frames, uint8 [num_envs, 64, 64, 3]."""
        obs = self._native.obs.copy()
        for slot, frame in self._last_frames.items():
            obs[slot] = frame
        return obs

    def slot_info(self) -> dict[str, Any]:
        """The level that each slot plays."""
        return {"level": self._slot_level.copy()}

    def draw_slot(self, slot: int) -> NDArray[np.uint8]:
        """The slot's current frame, uint8 [512, 512, 3]."""
        if self._video is None:
            self._video = NativeEnv(self.game, 1, self._options, render=True)
            self._open.append(self._video)
        self._video.set_state(0, self._native.get_state(slot))
        self._video.observe()
        frame: NDArray[np.uint8] = self._video.info["rgb"][0].copy()
        return frame

    def close_extras(self, **kwargs: Any) -> None:
        """Free the library's games."""
        while self._open:
            self._open.pop().close()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("a Procgen environment cannot be copied: load its state_dict() into a fresh one")

    def own_state(self) -> State:
        """The serialised games, one after the other, with their lengths and a checksum."""
        states = [self._native.get_state(slot) for slot in range(self.num_envs)]
        joined = b"".join(states)
        state = {
            "native": np.frombuffer(joined, dtype=np.uint8).copy(),
            "native_bytes": np.array([len(state) for state in states], dtype=np.int64),
            "native_crc32": zlib.crc32(joined),
        }
        if self._last_frames:
            state["last_frames"] = {str(slot): frame.copy() for slot, frame in self._last_frames.items()}
        return state

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `own_state` gave.

        Raises:
            ValueError: If it is damaged, or of another game, mode or option.
        """
        joined = np.asarray(state["native"], dtype=np.uint8).tobytes()
        if zlib.crc32(joined) != state["native_crc32"]:
            raise ValueError("the saved Procgen state is damaged: its checksum differs")
        ends = np.cumsum(state["native_bytes"]).tolist()
        states = [joined[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        for native in states:
            self._native.layout.check(native)
        shown = state.get("last_frames", {})
        self._last_frames = {int(slot): np.array(frame, dtype=np.uint8) for slot, frame in shown.items()}
        for slot, native in enumerate(states):
            self._native.set_state(slot, native)
            self._slot_level[slot] = self._native.layout.level_of(native)
            self._skipped[slot] = self._start_of(int(self._slot_level[slot]))[1]
