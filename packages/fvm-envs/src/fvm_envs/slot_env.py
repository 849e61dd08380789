"""A vector environment whose slots move between tasks: what every benchmark here shares.

`reset(options={"tasks": [...], "reset_mask": mask})` moves the masked slots and leaves the others as they
are. When an episode ends the slot draws its next task itself ("resample") or plays the same one again
("stay"). With autoreset "same_step" the observation of a step that ends an episode is the first one of the
next episode; with "next_step" it is the last one, and the next step begins the next episode whatever its
action. `info["task_index"]` belongs to the returned observation.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypedDict

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from fvm_envs.episode_info import final_entries
from fvm_envs.slot_inputs import (
    MAX_SLOTS,
    read_autoreset,
    read_count,
    read_episode_seeds,
    read_flag,
    read_mask,
    read_seed,
    read_tasks,
)
from fvm_envs.task import TaskSet

OnEpisodeEnd = Literal["resample", "stay"]
State = dict[str, Any]
Seed = int | Sequence[int | None] | None

_RESET_OPTIONS = "'tasks', 'reset_mask' and 'episode_seeds'"


class SlotOptions(TypedDict, total=False):
    """What every benchmark's class takes besides its own options.

    Attributes:
        episode_stats: Whether `info["episode"]` has the return and length of episodes that end; False leaves
            that to Gymnasium's `RecordEpisodeStatistics`.
        autoreset: "same_step", as by default, or "next_step".
    """

    episode_stats: bool
    autoreset: Literal["same_step", "next_step"] | AutoresetMode


class SlotEnv(VectorEnv[Any, NDArray[Any], NDArray[Any]], abc.ABC):
    """Slots that play tasks of one benchmark, with episode statistics and a state that can be saved.

    A subclass gives `begin`, `advance`, `observe`, `draw_slot`, `own_state` and `load_own_state`; the other
    methods between `__init__` and `reset` have a default that it may override.

    Attributes:
        task_index: The position in `tasks` of what each slot plays, int64 [num_envs], -1 before its first.
        lengths: Env steps of each slot's episode so far, int64 [num_envs].
        returns: Sum of the rewards of each slot's episode so far, float64 [num_envs].
        saves_state: Whether `state_dict` can save what goes on; where not, a run can be resumed from seeded
            resets of all slots.

    Args:
        tasks: What the slots may play.
        num_envs: Number of slots.
        seed: Seeds the draws of tasks and the slots' own dynamics.
        on_episode_end: Who decides what a slot plays next: "resample" draws from `tasks`, uniformly unless a
            benchmark says otherwise; "stay" repeats.
        observation_space: Of one slot.
        action_space: Of one slot; where it is not discrete, the subclass reads actions itself.
        episode_stats: Count returns and lengths for `info["episode"]`.
        autoreset: "same_step" or "next_step".

    Raises:
        TypeError: If the seed is no whole number.
        ValueError: If there is no task, or an argument has no such value.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": ["rgb_array"],
        "render_fps": 15,
    }
    saves_state: bool = True
    closed = True  # until there is something to close: Gymnasium closes what is deleted half-made

    def __init__(
        self,
        tasks: TaskSet,
        num_envs: int,
        seed: int,
        *,
        on_episode_end: OnEpisodeEnd,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        episode_stats: bool = True,
        autoreset: Literal["same_step", "next_step"] | AutoresetMode = "same_step",
    ) -> None:
        if not tasks:
            raise ValueError("the task set is empty: give at least one task")
        if on_episode_end not in ("resample", "stay"):
            raise ValueError(f"on_episode_end is {on_episode_end!r}: expected 'resample' or 'stay'")
        num_envs = read_count("num_envs", num_envs, 1, MAX_SLOTS)
        self.closed = False
        self.tasks = tasks
        self.num_envs = num_envs
        self.on_episode_end = on_episode_end
        self.episode_stats = read_flag("episode_stats", episode_stats)
        self.autoreset_mode = read_autoreset(autoreset)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}  # type: ignore[misc]
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)
        self.render_mode = "rgb_array"
        self._num_actions = int(action_space.n) if isinstance(action_space, gym.spaces.Discrete) else 0
        self.task_index = np.full(num_envs, -1, dtype=np.int64)
        self.returns = np.zeros(num_envs, dtype=np.float64)
        self.lengths = np.zeros(num_envs, dtype=np.int64)
        # Slots whose episode has ended and whose next one begins with the next step.
        self._waiting = np.zeros(num_envs, dtype=bool)
        self._episode_seeds: dict[int, list[int]] = {}
        self.seed_slots(read_seed(seed), np.ones(num_envs, dtype=bool))

    # What a benchmark gives.

    @abc.abstractmethod
    def begin(self, slots: NDArray[np.int64], *, autoreset: bool) -> None:
        """Start an episode of their task in `slots`; `autoreset` if their episode has just ended."""

    @abc.abstractmethod
    def advance(
        self, actions: NDArray[Any], slots: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One step of `slots`, in order; the others stay as they are.

        These are all slots, except with "next_step" those whose episode begins in this step.

        Returns:
            Reward, terminated, truncated, and more entries for `info`: new arrays [num_envs]. Those of slots
            that stay are not read.
        """

    @abc.abstractmethod
    def observe(self) -> Any:
        """The current observation of all slots, a new array or a dict of new arrays."""

    @abc.abstractmethod
    def draw_slot(self, slot: int) -> NDArray[np.uint8]:
        """The frame of a slot for a video, uint8 [H, W, 3]."""

    @abc.abstractmethod
    def own_state(self) -> State:
        """What the benchmark must save."""

    @abc.abstractmethod
    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `own_state` gave; raise ValueError before anything is changed."""

    def final_obs(self, slots: NDArray[np.int64]) -> Iterable[Any] | None:
        """The last observations of episodes that have just ended, one a slot, where they can be shown."""
        return None

    def slot_info(self) -> dict[str, Any]:
        """More entries for `info` that belong to the returned observation."""
        return {}

    def seed_dynamics(self, slot: int, seed: np.random.SeedSequence) -> None:
        """Seed the own dynamics of a slot, where the benchmark has any."""

    def seed_episode(self, slot: int, seed: int) -> None:
        """Make the next episode of a slot that of a seed, whatever was played before."""
        self.seed_dynamics(slot, np.random.SeedSequence(seed))

    def draw_tasks(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions of the tasks that `slots` play next under "resample"."""
        return self.np_random.integers(len(self.tasks), size=len(slots))

    def seed_slots(self, seed: Seed, mask: NDArray[np.bool_]) -> None:
        """Seed the draws of tasks and the dynamics of the masked slots, as `reset` says.

        Raises:
            TypeError: If it is neither a whole number nor one (or None) for each slot.
            ValueError: If there are not as many seeds as slots, or one is below 0.
        """
        if seed is None:
            return
        if not isinstance(seed, (list, tuple, np.ndarray)):
            read = read_seed(seed)
            VectorEnv.reset(self, seed=read)
            children = np.random.SeedSequence(read).spawn(self.num_envs)
            for slot in np.flatnonzero(mask):
                self.seed_dynamics(int(slot), children[slot])
            return
        if len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds for {self.num_envs} slots: give one (or None) for each")
        for slot in np.flatnonzero(mask):
            own = seed[int(slot)]
            if own is not None:
                self.seed_dynamics(int(slot), np.random.SeedSequence(read_seed(own)))

    def read_actions(self, actions: Any) -> NDArray[Any]:
        """The actions as an array, here ints [num_envs]; override it where they are not discrete.

        Raises:
            ValueError: If there is not one action of the action space for each slot.
        """
        read = np.asarray(actions)
        if read.shape != (self.num_envs,) or read.dtype.kind not in "iu":
            raise ValueError(
                f"actions have dtype {read.dtype} and shape {read.shape}: expected ints, ({self.num_envs},)"
            )
        if read.min() < 0 or read.max() >= self._num_actions:
            raise ValueError(
                f"actions lie in {read.min()}..{read.max()}: expected 0..{self._num_actions - 1}"
            )
        return read

    # The vector environment.

    def reset(
        self, *, seed: Seed = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """The observation after the masked slots have started an episode.

        Slots that have never started do so too, masked or not.

        Args:
            seed: An int seeds the draws of tasks and each masked slot's dynamics; a list seeds the dynamics
                only, `None` entries keep theirs.
            options: `tasks`, a task (or id, or None) for each slot; `reset_mask`, bool [num_envs];
                `episode_seeds`, for each slot the seed of its next episode, or a list of those of its next
                ones, or None: two agents that are given the same seeds play the same episodes.

        Raises:
            ValueError: If an option is unknown or misshapen, or a task is not in the set.
            RuntimeError: If the environment is closed.
        """
        self._check_open()
        options = dict(options or {})
        mask = read_mask(options.pop("reset_mask", None), self.num_envs) | (self.task_index < 0)
        requested = read_tasks(options.pop("tasks", None), self.tasks, mask)
        episode_seeds = read_episode_seeds(options.pop("episode_seeds", None), mask)
        if options:
            raise ValueError(f"unknown reset options {sorted(options)}: expected {_RESET_OPTIONS}")
        self.seed_slots(seed, mask)
        free = np.flatnonzero(mask & (requested < 0))
        if self.on_episode_end == "resample":
            requested[free] = self.draw_tasks(free)
        else:
            first = np.arange(self.num_envs) % len(self.tasks)
            requested[free] = np.where(self.task_index < 0, first, self.task_index)[free]
        slots = np.flatnonzero(mask)
        if len(slots):
            self.task_index[slots] = requested[slots]
            for slot in slots.tolist():
                self._episode_seeds.pop(slot, None)
            self._episode_seeds |= episode_seeds
            self._begin(slots, autoreset=False)
        return self.observe(), {"task_index": self.task_index.copy(), **self.slot_info()}

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """One step of all slots: observation, reward, terminated, truncated, info.

        Raises:
            ValueError: If there is not one action of the action space for each slot.
            RuntimeError: If the environment was never reset, or is closed.
        """
        self._check_open()
        if self.task_index[0] < 0:
            raise RuntimeError("step before reset: call reset first")
        read = self.read_actions(actions)
        slots, beginning = np.flatnonzero(~self._waiting), np.flatnonzero(self._waiting)
        if len(beginning):
            self._go_on(beginning)
        reward, terminated, truncated, info = self.advance(read, slots)
        if len(beginning):
            reward[beginning], terminated[beginning], truncated[beginning] = 0.0, False, False
        self.returns += reward
        self.lengths[slots] += 1
        ended = terminated | truncated
        if self.episode_stats:
            sums = {"r": np.where(ended, self.returns, 0.0), "l": np.where(ended, self.lengths, 0)}
            info["episode"], info["_episode"] = sums, ended
        over = np.flatnonzero(ended)
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._waiting = ended.copy()
        elif len(over):
            told = {**info, "task_index": self.task_index, **self.slot_info()}
            info |= final_entries(ended, told, self.final_obs(over))
            self._go_on(over)
        info["task_index"] = self.task_index.copy()
        info.update(self.slot_info())
        return self.observe(), reward, terminated, truncated, info

    def _go_on(self, slots: NDArray[np.int64]) -> None:
        """Begin the next episodes of slots whose episodes have ended."""
        if self.on_episode_end == "resample":
            self.task_index[slots] = self.draw_tasks(slots)
        self._begin(slots, autoreset=True)

    def _begin(self, slots: NDArray[np.int64], *, autoreset: bool) -> None:
        self.returns[slots] = 0.0
        self.lengths[slots] = 0
        self._waiting[slots] = False
        if self._episode_seeds:
            for slot in slots.tolist():
                if self._episode_seeds.get(slot):
                    self.seed_episode(slot, self._episode_seeds[slot].pop(0))
        self.begin(slots, autoreset=autoreset)

    def _check_open(self) -> None:
        if self.closed:
            raise RuntimeError("the environment is closed: make a new one")

    def render_slot(self, slot: int) -> NDArray[np.uint8]:
        """The frame of a slot for a video, uint8 [H, W, 3].

        Raises:
            IndexError: If there is no such slot.
            RuntimeError: If the environment is closed.
        """
        self._check_open()
        if not 0 <= slot < self.num_envs:
            raise IndexError(f"there is no slot {slot}: the slots are 0 to {self.num_envs - 1}")
        return self.draw_slot(slot)

    def render(self) -> tuple[NDArray[np.uint8], ...]:
        """The frames of all slots for a video."""
        return tuple(self.render_slot(slot) for slot in range(self.num_envs))

    @property
    def can_save(self) -> bool:
        """Whether `state_dict` gives the state now: whenever it is asked, or never (`saves_state`)."""
        return self.saves_state

    def state_dict(self) -> State:
        """Everything, also in mid-episode: nested dicts of arrays and JSON values.

        Raises:
            NotImplementedError: If the benchmark cannot (`saves_state` is False).
            RuntimeError: If the environment is closed.
        """
        self._check_open()
        state = {
            "tasks_sha256": self.tasks.sha256,
            "num_envs": self.num_envs,
            "np_random": self.np_random.bit_generator.state,
            "np_random_seed": self.np_random_seed,
            "task_index": self.task_index.copy(),
            "returns": self.returns.copy(),
            "lengths": self.lengths.copy(),
            "own": self.own_state(),
        }
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            state["waiting"] = self._waiting.copy()
        if any(self._episode_seeds.values()):
            left = self._episode_seeds
            state["episode_seeds"] = [list(left.get(slot, ())) for slot in range(self.num_envs)]
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken, bit for bit, also in a fresh instance.

        `reset(options={"reset_mask": zeros})` shows the current observation without touching a slot.

        Raises:
            ValueError: If the state is of other tasks, another number of slots or another autoreset.
            RuntimeError: If the environment is closed.
        """
        self._check_open()
        if state["num_envs"] != self.num_envs:
            raise ValueError(f"the state has {state['num_envs']} slots and this environment {self.num_envs}")
        if state["tasks_sha256"] != self.tasks.sha256:
            raise ValueError(
                "the state belongs to another set of tasks: make the environment with the same tasks"
            )
        if ("waiting" in state) != (self.autoreset_mode is AutoresetMode.NEXT_STEP):
            raise ValueError(
                f"the state is of another autoreset than this environment's, {self.autoreset_mode.value}"
            )
        self.load_own_state(state["own"])
        self.np_random.bit_generator.state = state["np_random"]
        self._np_random_seed = state["np_random_seed"]
        self.task_index = np.array(state["task_index"], dtype=np.int64)
        self.returns = np.array(state["returns"], dtype=np.float64)
        self.lengths = np.array(state["lengths"], dtype=np.int64)
        self._waiting = np.array(state.get("waiting", np.zeros(self.num_envs)), dtype=bool)
        self._episode_seeds = {slot: list(seeds) for slot, seeds in enumerate(state.get("episode_seeds", []))}
