"""Deployment evaluation of a job's policies: fresh episodes, on envs of their own, which cost no budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import fvm_envs
import numpy as np
from fvm_envs.scripted import RandomPolicy, UniformPolicy, always_right
from fvm_eval import evaluate
from fvm_meta import Snapshot

from study.plan import Job


def score(job: Job, policy: Any, tasks: Sequence[str], episodes: int, env_step: int) -> list[dict[str, Any]]:
    """Returns rows task, env_step, episode, score of fresh deployment episodes, which cost no budget.

    `policy` is a frozen policy or the name of a scripted one.
    """
    evaluation = job.spec["evaluation"]
    num_envs = min(evaluation["num_envs"], len(tasks) * episodes)
    envs = fvm_envs.make_vec(tasks, num_envs, 0, on_episode_end="stay", **job.spec["env_options"])
    _, seed = job.seeds()
    seed = int(np.random.SeedSequence([seed, env_step]).generate_state(1)[0])
    try:
        scores = evaluate(
            scripted(policy, envs, job.spec["env_options"]) if isinstance(policy, str) else policy,
            envs,
            [fvm_envs.Task.parse(task) for task in tasks],
            episodes_per_task=episodes,
            seed=seed,
            max_steps=evaluation["max_steps"],
        )
    finally:
        envs.close()
    return [
        {"task": tasks[s.task_position], "env_step": env_step, "episode": s.episode, "score": s.score}
        for s in scores
    ]


def scripted(name: str, envs: Any, env_options: Mapping[str, Any]) -> UniformPolicy:
    """Returns a player that follows a script: "random" or Coinrun's "always_right"."""
    if name == "random":
        return RandomPolicy(int(envs.single_action_space.n))
    return always_right(env_options.get("actions", "full"))


def score_training(job: Job, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Returns scores of the pretrained and of the random policy on a fixed sample of the training tasks."""
    evaluation = job.spec["evaluation"]
    tasks = job.spec["tasks"][: evaluation["training_tasks"]]
    rows = []
    for label, policy in ((job.method, snapshot.policy), ("random", "random")):
        played = score(job, policy, tasks, evaluation["training_episodes"], snapshot.env_step)
        rows += [{"policy": label, **row} for row in played]
    return rows
