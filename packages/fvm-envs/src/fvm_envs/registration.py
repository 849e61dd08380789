"""One slot as a `gymnasium.Env`, and the ids under which Gymnasium finds it.

`import fvm_envs` registers `procgen/<game>-<mode>-v0`, `atari/<game>-v0`, `rlbench/<task>-v0` and
`toy/<family>-v0`, for `gymnasium.make` and, with `vectorization_mode="vector_entry_point"`, for
`gymnasium.make_vec`.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fvm_envs.atari.games import GAMES as ATARI_GAMES
from fvm_envs.episode_info import OF_THE_EPISODE, obs_of_slot
from fvm_envs.make import make_vec
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.procgen.games import GAMES, modes_of
from fvm_envs.slot_env import OnEpisodeEnd, SlotEnv
from fvm_envs.task import Task, TaskSet
from fvm_envs.toy.catch import FAMILIES


class SlotAsEnv(gym.Env[Any, Any]):
    """An environment that plays one task an episode; `reset` draws the next one.

    Where the benchmark does not show the last observation of an episode (Procgen), the step that ends it
    returns the one before again, never the first one of the next episode.

    Args:
        tasks: What it may play, as `make_vec` takes it.
        **options: The options of the benchmark.

    Raises:
        TypeError: If `trials` or an `autoreset` are asked for.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 (Gymnasium declares it so)

    def __init__(self, tasks: TaskSet | str, render_mode: str | None = None, **options: Any) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode is {render_mode!r}: expected 'rgb_array' or None")
        if options.get("trials") is not None:
            raise TypeError("a single environment has no trials: use make_vec(..., trials=...)")
        if "autoreset" in options:
            raise TypeError("a single environment does not reset itself: use make_vec(..., autoreset=...)")
        self.render_mode = render_mode
        # As Gymnasium has it: without a seed no two environments are alike.
        own_seed = int(np.random.SeedSequence().generate_state(1)[0])
        self.envs: SlotEnv = make_vec(tasks, 1, own_seed, on_episode_end="stay", **options)
        self.observation_space = self.envs.single_observation_space
        self.action_space = self.envs.single_action_space
        self._obs: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """The first observation of an episode of a task drawn uniformly, or of `options["task"]`.

        Raises:
            ValueError: If the task is not one of this environment's.
        """
        super().reset(seed=seed)
        tasks = self.envs.tasks
        task = (options or {}).get("task")
        if task is None:
            task = tasks[int(self.np_random.integers(len(tasks)))]
        slot_seed = None if seed is None else [seed]
        obs, info = self.envs.reset(seed=slot_seed, options={"tasks": [task]})
        self._obs = obs_of_slot(obs, 0)
        return self._obs, _of_the_slot(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Observation, reward, terminated, truncated, and info (manipulation: `success`, `failure`)."""
        if self._obs is None:
            raise RuntimeError("step before reset: call reset first")
        obs, reward, terminated, truncated, info = self.envs.step(np.array([action]))
        over = bool(terminated[0] or truncated[0])
        if not over:
            self._obs = obs_of_slot(obs, 0)
        elif "final_obs" in info:
            self._obs = info["final_obs"][0]
        ending = bool(terminated[0]), bool(truncated[0])
        return self._obs, float(reward[0]), *ending, _of_the_slot(info)

    def render(self) -> NDArray[np.uint8] | None:
        """The current frame for a video, if `render_mode` is "rgb_array"."""
        return self.envs.render_slot(0) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Free the slot."""
        self.envs.close()


def _of_the_slot(info: dict[str, Any]) -> dict[str, Any]:
    """What a vector environment of one slot says about its task and the last transition."""
    return {key: info[key][0].item() for key in info if key not in OF_THE_EPISODE}


def make_single(
    name: str, levels: str | None = None, render_mode: str | None = None, **options: Any
) -> SlotAsEnv:
    """The environment behind `gymnasium.make("<name>-v0", levels="0:200")`.

    Args:
        name: Such as `procgen/coinrun-easy`.
        levels: A level or a half-open range of them.
        render_mode: "rgb_array" or None.
        **options: The options of the benchmark.
    """
    return SlotAsEnv(_tasks(name, levels), render_mode=render_mode, **options)


def make_many(
    num_envs: int,
    name: str,
    levels: str | None = None,
    seed: int = 0,
    on_episode_end: OnEpisodeEnd = "resample",
    **options: Any,
) -> SlotEnv:
    """The vector environment behind `gymnasium.make_vec("<name>-v0", num_envs=64, levels="0:200")`."""
    return make_vec(_tasks(name, levels), num_envs, seed, on_episode_end=on_episode_end, **options)


def _tasks(name: str, levels: str | None) -> TaskSet:
    return TaskSet([Task.parse(name)]) if levels is None else TaskSet.parse(f"{name}/{levels}")


def register() -> None:
    """Make the ids known to Gymnasium: Procgen with 200 levels as Cobbe et al. 2020, toys with all tasks,
    manipulation with variation 0.
    """
    levels: dict[str, str | None] = {
        f"procgen/{game}-{mode}": None if mode == "exploration" else "0:200"
        for game in GAMES
        for mode in modes_of(game)
    }
    levels |= {f"atari/{game}": None for game in ATARI_GAMES}
    levels |= {f"toy/{name}": f"0:{family.num_tasks}" for name, family in FAMILIES.items()}
    levels |= {f"rlbench/{name}": None for name in TASKS}
    for name, default in levels.items():
        id = f"{name}-v0"
        if id not in gym.registry:
            gym.register(
                id,
                entry_point="fvm_envs.registration:make_single",
                vector_entry_point="fvm_envs.registration:make_many",
                kwargs={"name": name, "levels": default},
            )
