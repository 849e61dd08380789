"""`from_gymnasium`: anyone's family of Gymnasium environments as one whose slots move between its tasks.

A slot makes the environment of a task when it first plays it, and keeps the few that it played last. Each
episode has a seed of its own, drawn by its slot, so that what a slot plays depends on its seed, its tasks and
its actions alone, whichever environments it has made or closed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack
from weakref import WeakValueDictionary

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector.utils import concatenate, create_empty_array, iterate
from numpy.typing import NDArray

from fvm_envs.env_contract import checked, misfit, reset, step
from fvm_envs.env_state import (
    Saves,
    copied,
    digest_of,
    load_own_state,
    own_state,
    packed,
    unpacked,
    way_of,
)
from fvm_envs.episode_info import OF_THE_EPISODE
from fvm_envs.slot_env import OnEpisodeEnd, SlotEnv, SlotOptions, State
from fvm_envs.slot_inputs import MAX_SLOTS, read_count
from fvm_envs.task import Task, TaskSet
from fvm_envs.trials import Trials

_OURS = (*OF_THE_EPISODE, "task_index")
Make = Callable[[Task], "gym.Env[Any, Any]"]
_EPISODE_SEEDS = 2**31


def from_gymnasium(
    make: Make,
    tasks: TaskSet | Sequence[Task | str] | str,
    num_envs: int,
    seed: int,
    *,
    on_episode_end: OnEpisodeEnd = "resample",
    trials: float | None = None,
    reward_scale: float = 0.1,
    keep: int = 4,
    saves: Saves | None = None,
    **slot_options: Unpack[SlotOptions],
) -> SlotEnv:
    """A vector environment whose slots move between the tasks of your own family.

    Args:
        make: Gives the environment of a task, all with the same spaces.
        tasks: The tasks, or their text as `TaskSet.parse` reads it; their names are yours.
        num_envs: Number of slots.
        seed: Seeds the draws of tasks and of the episodes' seeds.
        on_episode_end: "resample" draws a slot's next task, "stay" repeats it.
        trials: Episodes of a task that make one episode here, as in `Trials`; None: an episode is an episode.
        reward_scale: Factor on the rewards that `Trials` shows in its observations.
        keep: Environments that a slot keeps, the last ones that it played.
        saves: How state is saved, as in `fvm_envs.env_state`; None finds out by playing two environments of
            the first task.
        **slot_options: `episode_stats` and `autoreset`, as `SlotEnv` takes them.

    Raises:
        TypeError: If an environment breaks Gymnasium's contract.
        ValueError: If environments differ in their spaces, or an argument has no such value.
    """
    task_set = TaskSet.parse(tasks) if isinstance(tasks, str) else TaskSet(tasks)
    if trials is None:
        return GymnasiumVec(
            make,
            task_set,
            num_envs,
            seed,
            on_episode_end=on_episode_end,
            keep=keep,
            saves=saves,
            **slot_options,
        )
    env = GymnasiumVec(make, task_set, num_envs, seed, on_episode_end="stay", keep=keep, saves=saves)
    return Trials(
        env, seed, on_episode_end=on_episode_end, trials=trials, reward_scale=reward_scale, **slot_options
    )


class GymnasiumVec(SlotEnv):
    """Slots that play environments of a user's own; arguments as of `from_gymnasium`.

    Attributes:
        saves: How state is saved: "own", "replay" or "none".
    """

    def __init__(
        self,
        make: Make,
        tasks: TaskSet,
        num_envs: int,
        seed: int,
        *,
        on_episode_end: OnEpisodeEnd = "resample",
        keep: int = 4,
        saves: Saves | None = None,
        **slot_options: Unpack[SlotOptions],
    ) -> None:
        if not tasks:
            raise ValueError("the task set is empty: give at least one task")
        if saves not in (None, "own", "replay", "none"):
            raise ValueError(f"saves is {saves!r}: expected 'own', 'replay', 'none' or None")
        num_envs = read_count("num_envs", num_envs, 1, MAX_SLOTS)
        self._maker, self._given = make, WeakValueDictionary[int, gym.Env[Any, Any]]()
        self._keep = read_count("keep", keep, 1, 2**16)
        self.saves: Saves = way_of(lambda: self._make(tasks[0])) if saves is None else saves
        self.saves_state = self.saves != "none"
        first = self._make(tasks[0])
        self._first: gym.Env[Any, Any] | None = first
        self._envs: dict[int, OrderedDict[int, gym.Env[Any, Any]]] = {}
        self._rngs = [np.random.default_rng(0) for _ in range(num_envs)]
        self._given_seeds: dict[int, int] = {}
        self._seeds = [0] * num_envs
        self._actions: list[list[Any]] = [[] for _ in range(num_envs)]
        self._obs: list[Any] = [None] * num_envs
        super().__init__(
            tasks,
            num_envs,
            seed,
            on_episode_end=on_episode_end,
            observation_space=first.observation_space,
            action_space=first.action_space,
            **slot_options,
        )

    def _make(self, task: Task) -> gym.Env[Any, Any]:
        """A new environment of a task.

        Raises:
            ValueError: If `make` gave one that it has given before.
        """
        env = checked(self._maker(task), task)
        if self._given.get(id(env.unwrapped)) is env.unwrapped:
            raise ValueError(
                f"for {task} `make` gave an environment that it has given before, and two slots cannot play "
                "in one: let it make a new one at each call"
            )
        self._given[id(env.unwrapped)] = env.unwrapped
        return env

    def env_of(self, slot: int) -> gym.Env[Any, Any]:
        """The environment that a slot plays now, made if it has none.

        Raises:
            ValueError: If its spaces are not those of the first task.
        """
        kept = self._envs.setdefault(slot, OrderedDict())
        task = int(self.task_index[slot])
        if task not in kept:
            self._keep_env(kept, task, self._made(task))
        kept.move_to_end(task)
        return kept[task]

    def _keep_env(self, kept: OrderedDict[int, gym.Env[Any, Any]], task: int, env: gym.Env[Any, Any]) -> None:
        kept[task] = env
        if len(kept) > self._keep:
            kept.popitem(last=False)[1].close()

    def _made(self, task: int) -> gym.Env[Any, Any]:
        if task == 0 and self._first is not None:
            env, self._first = self._first, None
            return env
        env = self._make(self.tasks[task])
        for name in ("observation_space", "action_space"):
            ours, theirs = getattr(self, f"single_{name}"), getattr(env, name)
            if ours != theirs:
                env.close()
                raise ValueError(
                    f"{self.tasks[task]} has the {name} {theirs}, and {self.tasks[0]} {ours}: "
                    "slots move between tasks of the same spaces only"
                )
        return env

    def seed_dynamics(self, slot: int, seed: np.random.SeedSequence) -> None:
        """Seed the draws of the seeds of a slot's episodes."""
        self._rngs[slot] = np.random.default_rng(seed)

    def seed_episode(self, slot: int, seed: int) -> None:
        """Make the next episode of a slot that which `reset(seed=seed)` of its environment begins."""
        self._given_seeds[slot] = seed

    def begin(self, slots: NDArray[np.int64], *, autoreset: bool) -> None:
        """Reset the environment of its task in each of `slots`, with a seed of the slot's."""
        for slot in slots.tolist():
            env = self.env_of(slot)
            drawn = int(self._rngs[slot].integers(_EPISODE_SEEDS))
            self._seeds[slot] = self._given_seeds.pop(slot, drawn)
            self._actions[slot] = []
            self._obs[slot] = copied(reset(env, self._seeds[slot]))

    def read_actions(self, actions: Any) -> Any:
        """The actions, one of the action space for each slot.

        Raises:
            ValueError: If they are misshapen, or one is not finite or, of whole numbers, none.
        """
        space = self.single_action_space
        if isinstance(space, Discrete) and space.start == 0:
            return super().read_actions(actions).astype(space.dtype, copy=False)
        if isinstance(space, Box):
            read = np.asarray(actions)
            shape = (self.num_envs, *space.shape)
            if read.shape != shape or read.dtype.kind not in "fiub" or not np.isfinite(read).all():
                raise ValueError(
                    f"actions have dtype {read.dtype}, shape {read.shape}: expected finite numbers, {shape}"
                )
            taken = read.astype(space.dtype)
            if taken.dtype.kind != "f" and (taken != read).any():
                raise ValueError(
                    f"actions {read.tolist()} cannot be taken as {space.dtype}, as {space} has them"
                )
            return taken
        if not self.action_space.contains(actions):
            raise ValueError(f"the actions are not of {self.action_space}: {actions!r}")
        return actions

    def advance(
        self, actions: Any, slots: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One step of the environment of each of `slots`; `info` has what they say, as Gymnasium joins it."""
        reward = np.zeros(self.num_envs, dtype=np.float64)
        terminated, truncated = np.zeros((2, self.num_envs), dtype=bool)
        info: dict[str, Any] = {}
        each = list(iterate(self.action_space, actions))
        for slot in slots.tolist():
            obs, reward[slot], ended, cut, said = step(self.env_of(slot), each[slot])
            terminated[slot], truncated[slot] = ended, cut and not ended
            self._obs[slot] = copied(obs)
            if self.saves == "replay":
                self._actions[slot].append(copied(each[slot]))
            info = self._add_info(info, {key: said[key] for key in said if key not in _OURS}, slot)
        return reward, terminated, truncated, info

    def observe(self) -> Any:
        """The slots' observations, joined as Gymnasium joins those of their space.

        Raises:
            TypeError: If one is not of that space.
        """
        space = self.single_observation_space
        try:
            return _joined_obs(space, self._obs)
        except (LookupError, TypeError, ValueError):
            for slot, obs in enumerate(self._obs):
                try:
                    _joined_obs(space, [obs])
                except (LookupError, TypeError, ValueError):
                    raise misfit(self.env_of(slot), obs) from None
            raise

    def final_obs(self, slots: NDArray[np.int64]) -> list[Any]:
        """The last observations of the episodes that have just ended."""
        return [self._obs[slot] for slot in slots]

    def draw_slot(self, slot: int) -> NDArray[np.uint8]:
        """What the slot's environment renders.

        Raises:
            ValueError: If it was not made with `render_mode="rgb_array"`.
        """
        env = self.env_of(slot)
        if env.render_mode != "rgb_array":
            raise ValueError(f"{env} renders nothing: let `make` give it render_mode='rgb_array'")
        return np.asarray(env.render(), dtype=np.uint8)

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environments."""
        if self._first is not None:
            self._first.close()
        for kept in self._envs.values():
            for env in kept.values():
                env.close()
        self._envs, self._first = {}, None

    def own_state(self) -> State:
        """The slots' generators, and their environments in one of the ways of `fvm_envs.env_state`."""
        if self.saves == "none":
            raise NotImplementedError(
                "these environments cannot save their state: a seed does not determine an episode; use "
                "fvm_envs.restarts.Restarts (in a study Phase(restart_every=...) does), or give them "
                "state_dict and load_state_dict"
            )
        began = self.task_index[0] >= 0
        slots = [self._state_of(slot) for slot in range(self.num_envs)] if began else []
        return {
            "saves": self.saves,
            "rngs": [rng.bit_generator.state for rng in self._rngs],
            "slots": {str(slot): state for slot, state in enumerate(slots)},
        }

    def _state_of(self, slot: int) -> State:
        state: State = {"task": int(self.task_index[slot])}
        if self.saves == "own":
            return state | {"env": own_state(self.env_of(slot)), "obs": packed(self._obs[slot])}
        actions = [packed(action) for action in self._actions[slot]]
        return state | {
            "seed": self._seeds[slot],
            "actions": _joined(actions),
            "return": float(self.returns[slot]),
            "obs_digest": digest_of(self._obs[slot]),
        }

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `own_state` gave, in environments that are made for it.

        Raises:
            ValueError: If it was saved in another way, or replaying leads elsewhere.
        """
        if self.saves == "none":
            self.own_state()
        if state["saves"] != self.saves:
            raise ValueError(f"the state was saved by {state['saves']!r}, and these save by {self.saves!r}")
        loaded: list[tuple[gym.Env[Any, Any], Any]] = []
        try:
            for slot in range(len(state["slots"])):
                saved = state["slots"][str(slot)]
                env = self._made(int(saved["task"]))
                loaded.append((env, None))
                loaded[-1] = (env, self._loaded(env, saved))
        except BaseException:
            for env, _ in loaded:
                env.close()
            raise
        for rng, generator in zip(self._rngs, state["rngs"], strict=True):
            rng.bit_generator.state = generator
        self._given_seeds = {}
        for slot, (env, obs) in enumerate(loaded):
            saved = state["slots"][str(slot)]
            kept = self._envs.setdefault(slot, OrderedDict())
            if (old := kept.pop(int(saved["task"]), None)) is not None:
                old.close()
            self._keep_env(kept, int(saved["task"]), env)
            self._obs[slot], self._seeds[slot] = obs, int(saved.get("seed", 0))
            self._actions[slot] = [
                unpacked(action, self.single_action_space) for action in saved.get("actions", ())
            ]

    def _loaded(self, env: gym.Env[Any, Any], saved: Mapping[str, Any]) -> Any:
        """The observation at which an environment stands once the saved state is loaded or replayed."""
        if self.saves == "own":
            load_own_state(env, saved["env"])
            return unpacked(saved["obs"], self.single_observation_space)
        obs = reset(env, int(saved["seed"]))
        total = 0.0
        space = self.single_action_space
        for action in saved["actions"]:
            taken = space.dtype.type(action) if isinstance(space, Discrete) else unpacked(action, space)
            obs, reward, *_ = step(env, taken)
            total += reward
        same_return = np.array_equal(total, saved["return"], equal_nan=True)
        if digest_of(copied(obs)) != saved["obs_digest"] or not same_return:
            raise ValueError(
                f"replaying {len(saved['actions'])} actions of {self.tasks[int(saved['task'])]} leads "
                "elsewhere: its environment is not determined by seed and actions, so make it with "
                "saves='none' and use fvm_envs.restarts.Restarts"
            )
        return copied(obs)


def _joined_obs(space: gym.Space[Any], each: list[Any]) -> Any:
    out: Any = create_empty_array(space, n=len(each))
    return concatenate(space, each, out)


def _joined(actions: list[Any]) -> Any:
    """The actions of an episode so far as one array, where they are arrays."""
    if actions and isinstance(actions[0], dict):
        return actions
    return np.stack(actions) if actions else np.zeros(0)
