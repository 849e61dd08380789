"""Several episodes of one task as one: RL2's lifetimes (Duan et al. 2016, arXiv 1611.02779, section 2.2).

A lifetime is one episode here; the episodes of the task that it consists of are its trials. An agent that
remembers may explore in the first trials and gain in later ones, for which it must see what its last action
brought:

    feedback = previous action ++ previous reward * reward_scale ++ previous trial end (0 or 1)

all zero at a lifetime's start; the action one-hot where actions are discrete, else as it is. A trial's end,
time-outs included, does not end the episode: `terminated` is true at the lifetime's end only, and `truncated`
never.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Unpack

import gymnasium as gym
import numpy as np
from gymnasium.spaces import flatdim, flatten
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import iterate
from numpy.typing import NDArray

from fvm_envs.episode_info import OF_THE_EPISODE
from fvm_envs.slot_env import OnEpisodeEnd, SlotEnv, SlotOptions, State


class Trials(SlotEnv):
    """Slots whose episodes are lifetimes of several trials of one task.

    Observations are a dict of `obs`, what `env` shows, and `feedback`, float32 [num_envs, num_actions + 2],
    or the size of an action + 2 where actions are not discrete.
    Besides what every environment here gives, `info` has `trial`, int64, the index in its lifetime of the
    trial that the returned observation belongs to; `trial_end`, bool, whether this step ended a trial; and
    `trial_return`, float64, the return of the trial that ended, else 0. `info["episode"]` holds the
    lifetime's sums.

    Args:
        env: Plays the trials; owned from now on: seeded, moved and closed from here. Its `on_episode_end` is
            "stay".
        seed: Seeds the draws of tasks and the slots' own dynamics.
        on_episode_end: What a slot plays in its next lifetime: "resample" draws a task, "stay" repeats its
            own.
        trials: Trials of a lifetime; `math.inf` for lifetimes that only a reset ends.
        reward_scale: Factor on the rewards in `feedback`; those that `step` returns stay as they are.
        **slot_options: `episode_stats`, as `SlotEnv` takes it.

    Raises:
        ValueError: If `trials` is no whole number above zero, `reward_scale` is not finite, or `env` changes
            its tasks itself.
    """

    def __init__(
        self,
        env: SlotEnv,
        seed: int,
        *,
        on_episode_end: OnEpisodeEnd = "resample",
        trials: float = 4,
        reward_scale: float = 0.1,
        **slot_options: Unpack[SlotOptions],
    ) -> None:
        if not trials >= 1 or (trials != math.inf and trials != int(trials)):
            raise ValueError(f"trials is {trials}: give a whole number of 1 or more, or math.inf")
        if not math.isfinite(reward_scale):
            raise ValueError(f"reward_scale is {reward_scale}: give a finite number")
        if env.on_episode_end != "stay":
            raise ValueError(
                f"the environment has on_episode_end={env.on_episode_end!r}: make it with 'stay', because a "
                "lifetime's trials are of one task"
            )
        if env.autoreset_mode is not AutoresetMode.SAME_STEP or not env.episode_stats:
            raise ValueError("make the environment with autoreset='same_step' and episode_stats=True")
        self.env = env
        self._reseeded: set[int] = set()
        self.saves_state = env.saves_state
        self.trials = trials
        self.reward_scale = reward_scale
        num_feedback = flatdim(env.single_action_space) + 2
        self._trial = np.zeros(env.num_envs, dtype=np.int64)
        self._feedback = np.zeros((env.num_envs, num_feedback), dtype=np.float32)
        self._obs: Any = None
        self._last_obs: Any = None
        super().__init__(
            env.tasks,
            env.num_envs,
            seed,
            on_episode_end=on_episode_end,
            observation_space=gym.spaces.Dict(
                {
                    "obs": env.single_observation_space,
                    "feedback": gym.spaces.Box(-np.inf, np.inf, (num_feedback,), np.float32),
                }
            ),
            action_space=env.single_action_space,
            **slot_options,
        )
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            raise ValueError(
                "a lifetime's trials follow each other in the same step: leave autoreset as it is"
            )

    def read_actions(self, actions: Any) -> Any:
        """The actions, read as `env` does."""
        return self.env.read_actions(actions)

    def seed_dynamics(self, slot: int, seed: np.random.SeedSequence) -> None:
        """Seed the dynamics of a slot of `env`."""
        self.env.seed_dynamics(slot, seed)

    def seed_episode(self, slot: int, seed: int) -> None:
        """Make the first trial of a slot's next lifetime that of a seed; the others follow from it."""
        self.env.seed_episode(slot, seed)
        self._reseeded.add(slot)

    def begin(self, slots: NDArray[np.int64], *, autoreset: bool) -> None:
        """Start a lifetime in `slots`, moving those whose task has changed."""
        self._trial[slots] = 0
        self._feedback[slots] = 0.0
        if autoreset:  # Where the task stays, `env` has already begun its next episode.
            again = [slot in self._reseeded for slot in slots.tolist()]
            slots = slots[(self.env.task_index[slots] != self.task_index[slots]) | np.array(again)]
        self._reseeded.clear()
        if len(slots):
            tasks: list[Any] = [None] * self.num_envs
            mask = np.zeros(self.num_envs, dtype=bool)
            mask[slots] = True
            for slot in slots:
                tasks[slot] = self.tasks[int(self.task_index[slot])]
            self._obs, _ = self.env.reset(options={"tasks": tasks, "reset_mask": mask})

    def advance(
        self, actions: NDArray[Any], slots: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One step of `env`; a lifetime terminates with its last trial."""
        self._obs, reward, terminated, truncated, info = self.env.step(actions)
        trial_end = terminated | truncated
        self._last_obs = info.get("final_obs")
        self._trial += trial_end
        self._feedback[:] = 0.0
        if isinstance(self.single_action_space, gym.spaces.Discrete):
            self._feedback[np.arange(self.num_envs), actions - self.single_action_space.start] = 1.0
        else:
            for slot, action in enumerate(iterate(self.action_space, actions)):
                self._feedback[slot, :-2] = np.asarray(flatten(self.single_action_space, action))
        self._feedback[:, -2] = reward * self.reward_scale
        self._feedback[:, -1] = trial_end
        kept = {key: value for key, value in info.items() if key not in OF_THE_EPISODE}
        of_trial = {"trial_end": trial_end, "trial_return": info["episode"]["r"]}
        lifetime_end = self._trial >= self.trials
        return reward, lifetime_end, np.zeros(self.num_envs, dtype=bool), {**kept, **of_trial}

    def observe(self) -> dict[str, Any]:
        """What `env` shows, and the feedback on the last action."""
        # What `env` returned is handed out once: it is the caller's, who may write into it.
        obs, self._obs = self._obs, None
        return {"obs": self.env.observe() if obs is None else obs, "feedback": self._feedback.copy()}

    def final_obs(self, slots: NDArray[np.int64]) -> list[dict[str, Any]] | None:
        """The last observations of the lifetimes that have just ended, where `env` shows them."""
        if self._last_obs is None:
            return None
        return [{"obs": self._last_obs[slot], "feedback": self._feedback[slot].copy()} for slot in slots]

    def slot_info(self) -> dict[str, Any]:
        """The trial that each slot is in, and what `env` says."""
        return {"trial": self._trial.copy(), **self.env.slot_info()}

    def draw_slot(self, slot: int) -> NDArray[np.uint8]:
        """The frame of a slot for a video, as `env` draws it."""
        return self.env.render_slot(slot)

    def close_extras(self, **kwargs: Any) -> None:
        """Close `env`."""
        self.env.close()

    @property
    def _settings(self) -> str:
        return f"trials={self.trials}, reward_scale={self.reward_scale}"

    def own_state(self) -> State:
        """Trials, feedback and the state of `env`."""
        return {
            "settings": self._settings,
            "trial": self._trial.copy(),
            "feedback": self._feedback.copy(),
            "env": self.env.state_dict(),
        }

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `own_state` gave.

        Raises:
            ValueError: If it is of other trials, another reward scale, or damaged.
        """
        if state.get("settings") != self._settings:
            raise ValueError(f"the state is of {state.get('settings')}, not of {self._settings}")
        if np.shape(state["feedback"]) != self._feedback.shape:
            raise ValueError("the saved state is damaged: its feedback has another shape")
        self.env.load_state_dict(state["env"])
        self._trial[:] = state["trial"]
        self._feedback[:] = state["feedback"]
        self._obs = None
