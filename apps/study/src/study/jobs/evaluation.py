"""Deployment evaluation: fresh episodes of frozen agents, on envs of their own, which cost no budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fvm_envs import Task
from fvm_eval import EpisodeScore, evaluate
from gymnasium.vector import VectorWrapper

from study.jobs.environments import env_options, make_envs, suite_of


class Stopped(BaseException):
    """Raised by who hears of an evaluation that is to end at once; it is done again when its job goes on."""


class Counted(VectorWrapper):
    """Tells after each step which part of so many episodes has been played.

    Args:
        envs: As `fvm_eval.evaluate` plays them: slot i has each of so many episodes' i-th in turn.
        episodes: In all slots together.
        max_steps: Env steps after which an episode is cut.
        told: Hears the part, from 0 to 1. A running episode counts by the steps that it may take at most.
    """

    def __init__(self, envs: Any, episodes: int, max_steps: int, told: Callable[[float], None]) -> None:
        super().__init__(envs)
        slots = np.arange(envs.num_envs)
        self.own = (episodes - slots + envs.num_envs - 1) // envs.num_envs  # episodes of each slot
        self.ended, self.length = np.zeros((2, envs.num_envs), np.int64)
        self.episodes, self.max_steps, self.told = episodes, max_steps, told

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """Moves slots; an episode that has begun there was cut."""
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        self.ended[mask & (self.length > 0)] += 1
        self.length[mask] = 0
        return super().reset(seed=seed, options=options)

    def step(self, actions: Any) -> Any:
        """Takes one step in every env, and tells."""
        returned = super().step(actions)
        self.length += 1
        over = returned[2] | returned[3]
        self.ended += over
        self.length[over] = 0
        played = np.minimum(self.ended + np.minimum(self.length / self.max_steps, 0.99), self.own)
        self.told(float(played.sum()) / self.episodes)
        return returned


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where a measure plays an agent.

    Attributes:
        spec: Of the training job that the agent comes from.
        pretraining: Of the pretraining that job adapts; its own where it is one, empty where there is none.
        settings: What the study asks of the measure; `max_steps` and `num_envs` among them.
        seed: Of all that the measure draws; no other job has it.
        informed: Of a task's id, the agent as it is meant to be played on one of its training tasks, where it
            must first find out which one it plays; None where it plays as it is.
        told: Hears which part of the episodes is played, after each step; it may raise `Stopped`.
    """

    spec: Mapping[str, Any]
    pretraining: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int
    informed: Callable[[str], Any] | None = None
    told: Callable[[float], None] | None = None

    def play(
        self, policy: Any, tasks: Sequence[str], episodes: int, *, env_step: int = 0, trials: int = 1
    ) -> list[EpisodeScore]:
        """Returns so many fresh episodes of a frozen policy, or of a scripted player, on each task.

        Args:
            policy: A frozen policy, or a player's name.
            tasks: Their ids.
            episodes: On each of them.
            env_step: The adaptation step of the agent; every step has a seed of its own.
            trials: In a lifetime, of an agent that remembers: an episode is then a lifetime.

        Raises:
            ValueError: An episode's return is no finite number.
        """
        num_envs = min(self.settings["num_envs"], len(tasks) * episodes)
        envs = self.make_envs(tasks, num_envs, trials)
        player = self.player(policy, envs) if isinstance(policy, str) else policy
        if self.told is not None:
            envs = Counted(envs, len(tasks) * episodes, self.settings["max_steps"] * trials, self.told)
        seed = int(np.random.SeedSequence([self.seed, env_step, trials]).generate_state(1)[0])
        try:
            found = evaluate(
                player,
                envs,
                [Task.parse(task) for task in tasks],
                episodes_per_task=episodes,
                seed=seed,
                max_steps=self.settings["max_steps"] * trials,
            )
        finally:
            envs.close()
        for one in found:
            if not math.isfinite(one.score):
                raise ValueError(
                    f"an episode of {tasks[one.task_position]} returned {one.score}: let its environment "
                    "give finite rewards"
                )
        return found

    def make_envs(self, tasks: Sequence[str], num_envs: int, trials: int = 1) -> Any:
        """Returns envs over tasks as the agent was trained on; the caller closes them."""
        options = {**env_options(self.spec, trials), **suite_of(self.spec["benchmark"]).scored_with}
        return make_envs(self.spec["benchmark"], tasks, num_envs, 0, **options)

    def player(self, name: str, envs: Any) -> Any:
        """Returns the policy of a scripted player."""
        return suite_of(self.spec["benchmark"]).player(name, envs, self.spec["env_options"])

    def score(self, policy: Any, tasks: Sequence[str], episodes: int, env_step: int) -> list[dict[str, Any]]:
        """Returns rows task, env_step, episode, score of `play`."""
        return [
            {"task": tasks[s.task_position], "env_step": env_step, "episode": s.episode, "score": s.score}
            for s in self.play(policy, tasks, episodes, env_step=env_step)
        ]
