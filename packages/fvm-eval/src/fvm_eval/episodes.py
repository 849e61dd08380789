"""Deployment evaluation: a frozen policy plays episodes that were assigned before the rollout began.

"The first N episodes to finish" over-represents short episodes. Here every (task, episode) pair has its slot,
its place in that slot's queue and its own random stream before the first step, and all of them are played, so
a score depends neither on who finishes first nor on how many slots there are (for a policy that treats slots
independently).

Where an episode consists of several trials (a meta-RL agent's lifetime on one task), the env says so by
`info["trial_end"]` and `info["trial_return"]`, and each trial's return is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Policy(Protocol):
    """A frozen policy. Slot i's action may use the randomness of `rngs[i]` only."""

    def initial_state(self, num_envs: int) -> Any:
        """Returns the recurrent or context state of fresh slots, or None."""

    def act(
        self,
        obs: Any,
        state: Any,
        episode_start: npt.NDArray[np.bool_],
        rngs: Sequence[np.random.Generator],
    ) -> tuple[npt.NDArray[Any], Any]:
        """Returns actions [N, ...] and the next state; slots with `episode_start` begin a new episode."""


class VectorEnv(Protocol):
    """A vector env whose slots move between tasks by a masked reset; SAME_STEP autoreset."""

    num_envs: int

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Declares `autoreset_mode`."""

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Moves the slots in `options["reset_mask"]` to `options["tasks"]`; returns every slot's obs."""

    def step(self, actions: Any, /) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Returns obs, reward [N], terminated [N], truncated [N], info.

        Where episodes consist of trials, `info` has `trial_end` [N], whether this step ended one, and
        `trial_return` [N].
        """


@dataclass(frozen=True)
class EpisodeScore:
    """What one pre-assigned episode gave.

    Attributes:
        task_position: Index of its task in the tasks asked for.
        episode: Index within the task.
        score: Undiscounted return.
        length: Env steps.
        cut: Whether `max_steps` ended it; the score is what it had by then.
        trials: Returns of the trials that it finished, in order; empty where the env has none.
    """

    task_position: int
    episode: int
    score: float
    length: int
    cut: bool = False
    trials: tuple[float, ...] = ()


def evaluate(
    policy: Policy,
    envs: VectorEnv,
    tasks: Sequence[Any],
    *,
    episodes_per_task: int,
    seed: int,
    max_steps: int,
) -> list[EpisodeScore]:
    """Returns `episodes_per_task` scores for each task, in (task, episode) order.

    Args:
        policy: Frozen; never told a score.
        envs: Its slots are all reset; nothing of its state is restored afterwards.
        tasks: What the env's reset takes as tasks.
        episodes_per_task: Fresh episodes for each task.
        seed: Root of all randomness; the actions of a (task, episode) draw from
            `SeedSequence(seed, spawn_key=(task, episode))`.
        max_steps: Env steps after which an episode is cut, scored and marked.

    Raises:
        TypeError: The policy's `act` gives something else.
        ValueError: A count below one, or an env that does not reset in the same step.
    """
    for name, value in (("episodes_per_task", episodes_per_task), ("max_steps", max_steps)):
        if value < 1:
            raise ValueError(f"{name}={value}: give 1 or more")
    mode = envs.metadata.get("autoreset_mode")
    if getattr(mode, "name", mode) not in ("SAME_STEP", "SameStep"):
        raise ValueError(
            f"the env declares autoreset_mode={mode!r}; evaluate needs SAME_STEP: make it so "
            '(from_gymnasium(..., autoreset="same_step"))'
        )
    num_envs = envs.num_envs
    pairs = [(task, episode) for task in range(len(tasks)) for episode in range(episodes_per_task)]
    if not pairs:
        return []
    queues = [pairs[slot::num_envs] for slot in range(num_envs)]
    idle = np.random.default_rng(0)  # slots without work still act; nothing they do is looked at
    current: list[tuple[int, int] | None] = [None] * num_envs
    rngs = [idle] * num_envs
    score = np.zeros(num_envs, np.float64)
    length = np.zeros(num_envs, np.int64)
    trials: list[list[float]] = [[] for _ in range(num_envs)]
    done_with: dict[tuple[int, int], EpisodeScore] = {}

    def move(mask: npt.NDArray[np.bool_]) -> Any:
        targets: list[Any] = [None] * num_envs
        seeds: list[int | None] = [None] * num_envs
        for slot in np.flatnonzero(mask):
            pair = current[slot] = queues[slot].pop(0) if queues[slot] else None
            position, episode = pair if pair is not None else (0, episodes_per_task + int(slot))
            targets[slot] = tasks[position]
            seeds[slot] = _env_seed(seed, position, episode)
            rngs[slot] = idle if pair is None else _action_rng(seed, position, episode)
            trials[slot] = []
        obs, _ = envs.reset(seed=seeds, options={"tasks": targets, "reset_mask": mask})
        score[mask] = 0.0
        length[mask] = 0
        return obs

    episode_start = np.ones(num_envs, np.bool_)
    obs = move(episode_start)
    state = policy.initial_state(num_envs)
    while len(done_with) < len(pairs):
        acted: Any = policy.act(obs, state, episode_start, rngs)
        if not isinstance(acted, tuple) or len(acted) != 2:
            raise TypeError(
                f"{type(policy).__name__}.act gave a {type(acted).__name__}: let it return (actions, state), "
                "the state None if there is none"
            )
        actions, state = acted
        obs, reward, terminated, truncated, info = envs.step(actions)
        score += np.asarray(reward, np.float64)
        length += 1
        for slot in np.flatnonzero(info.get("trial_end", ())):
            trials[slot].append(float(info["trial_return"][slot]))
        ended = np.asarray(terminated, np.bool_) | np.asarray(truncated, np.bool_)
        over = ended | (length >= max_steps)
        for slot in np.flatnonzero(over):
            pair = current[slot]
            if pair is not None:
                done_with[pair] = EpisodeScore(
                    *pair,
                    score=float(score[slot]),
                    length=int(length[slot]),
                    cut=not bool(ended[slot]),
                    trials=tuple(trials[slot]),
                )
                current[slot] = None
        moving = over & np.array([bool(queue) for queue in queues])
        episode_start = ended | moving
        if moving.any():
            obs = move(moving)
    return [done_with[pair] for pair in pairs]


def _action_rng(seed: int, task_position: int, episode: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(task_position, episode)))


def _env_seed(seed: int, task_position: int, episode: int) -> int:
    """Returns the seed of the episode's own dynamics, from a stream apart from the actions'."""
    return int(np.random.SeedSequence(seed, spawn_key=(task_position, episode, 0)).generate_state(1)[0])
