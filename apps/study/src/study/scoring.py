"""Deployment evaluation of a job's policies: fresh episodes, on envs of their own, which cost no budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import fvm_envs
import numpy as np
from fvm_envs.scripted import RandomPolicy, UniformPolicy, always_right
from fvm_eval import EpisodeScore, evaluate
from fvm_meta import Snapshot

from study.plan import Job


def score(job: Job, policy: Any, tasks: Sequence[str], episodes: int, env_step: int) -> list[dict[str, Any]]:
    """Returns rows task, env_step, episode, score of fresh deployment episodes, which cost no budget.

    `policy` is a frozen policy or the name of a scripted one.
    """
    return [
        {"task": tasks[s.task_position], "env_step": env_step, "episode": s.episode, "score": s.score}
        for s in play(job, policy, tasks, episodes, env_step)
    ]


def play(
    job: Job, policy: Any, tasks: Sequence[str], episodes: int, env_step: int, trials: int = 1
) -> list[EpisodeScore]:
    """Returns the fresh episodes; those of RL2 are lifetimes of so many trials."""
    spec, evaluation = job.spec, job.spec["evaluation"]
    num_envs = min(evaluation["num_envs"], len(tasks) * episodes)
    envs = fvm_envs.make_vec(tasks, num_envs, 0, on_episode_end="stay", **env_options(spec, trials))
    _, seed = job.seeds()
    seed = int(np.random.SeedSequence([seed, env_step, trials]).generate_state(1)[0])
    try:
        return evaluate(
            scripted(policy, envs, spec["env_options"]) if isinstance(policy, str) else policy,
            envs,
            [fvm_envs.Task.parse(task) for task in tasks],
            episodes_per_task=episodes,
            seed=seed,
            max_steps=evaluation["max_steps"] * trials,
        )
    finally:
        envs.close()


def env_options(spec: Mapping[str, Any], trials: float = 1) -> dict[str, Any]:
    """Returns the options of the job's envs; those of RL2 have lifetimes of so many trials."""
    options = dict(spec["env_options"])
    if spec.get("paradigm") == "rl2":
        options |= {"trials": trials, "reward_scale": spec["reward_scale"]}
    return options


def score_trials(job: Job, policy: Any) -> list[dict[str, Any]]:
    """Returns rows task, lifetime, trial, score of an RL2 agent on the job's task; they cost no budget.

    Lifetimes begin without memory, and go beyond the trials it was trained with. An agent trained with one
    trial, the control, has its memory reset at each.
    """
    evaluation, task = job.spec["evaluation"], job.spec["task"]
    policy = policy.remembering(None)
    lifetimes, trials = evaluation["lifetimes"], evaluation["trials"]
    if job.spec["config"]["trials"] == 1:
        single = play(job, policy, [task], lifetimes * trials, 0)
        scores = np.array([episode.score for episode in single]).reshape(lifetimes, trials)
    else:
        scores = np.array([lived.trials for lived in play(job, policy, [task], lifetimes, 0, trials)])
    return [
        {"task": task, "lifetime": lifetime, "trial": trial + 1, "score": float(scores[lifetime, trial])}
        for lifetime in range(lifetimes)
        for trial in range(trials)
    ]


def scripted(name: str, envs: Any, env_options: Mapping[str, Any]) -> UniformPolicy:
    """Returns a player that follows a script: "random" or Coinrun's "always_right"."""
    if name == "random":
        return RandomPolicy(int(envs.single_action_space.n))
    return always_right(env_options.get("actions", "full"))


def score_training(job: Job, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Returns scores of the pretrained and of the random policy on a fixed sample of the training tasks.

    RL2's are the mean trials of lifetimes as it was trained on.
    """
    spec, evaluation = job.spec, job.spec["evaluation"]
    tasks = spec["tasks"][: evaluation["training_tasks"]]
    trials = spec["config"]["trials"] if spec["paradigm"] == "rl2" else 1
    rows = []
    for label, policy in ((job.method, snapshot.policy), ("random", "random")):
        played = play(job, policy, tasks, evaluation["training_episodes"], snapshot.env_step, trials)
        rows += [
            {
                "policy": label,
                "task": tasks[s.task_position],
                "env_step": snapshot.env_step,
                "episode": s.episode,
                "score": s.score / trials,
            }
            for s in played
        ]
    return rows


def score_new_levels(job: Job, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Returns the pretrained agent's scores, one episode each, on levels that nothing else uses."""
    return score(job, snapshot.policy, job.spec["new_tasks"], 1, snapshot.env_step)
