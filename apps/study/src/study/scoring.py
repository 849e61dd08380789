"""Deployment evaluation of a job's policies: fresh episodes, on envs of their own, which cost no budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import fvm_envs
import numpy as np
import torch
from fvm_envs.scripted import RandomPolicy, UniformBoxPolicy, WaypointPolicy, always_right
from fvm_eval import EpisodeScore, evaluate
from fvm_learners.rainbow.config import RainbowConfig
from fvm_learners.rainbow.frozen_q_policy import LatentDistribution
from fvm_learners.replay import Context
from fvm_meta import Snapshot
from fvm_meta.pearl import infer
from gymnasium.spaces import Box

from study.learners import read_spec
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


def score_latents(job: Job, policy: Any) -> list[dict[str, Any]]:
    """Returns rows task, latent, episode, score of a PEARL agent with z inferred, of another task, and zero.

    They tell a useless context from a posterior that is ignored or has collapsed; they cost no budget.
    """
    spec, evaluation = job.spec, job.spec["evaluation"]
    assert job.parent is not None
    other = job.parent.spec["tasks"][0]
    network = policy.network
    zero = LatentDistribution(*(network.atoms.new_zeros(1, network.latent_size) for _ in range(2)))
    policies = {
        "inferred": policy,
        "another task's": infer(policy, explore(job, policy.with_latent(None), other)),
        "zero": policy.with_latent(zero),
    }
    rows = []
    for latent, mine in policies.items():
        played = score(job, mine, [spec["task"]], evaluation["episodes"], spec["phase"]["env_steps"])
        rows += [{"latent": latent, **row} for row in played]
    return rows


def explore(job: Job, policy: Any, task: str) -> Context:
    """Returns a context of the training's size that a PEARL agent collects on a task."""
    config = job.spec["config"]
    learner = read_spec(job.spec["phase"])
    assert isinstance(learner, RainbowConfig)
    envs = fvm_envs.make_vec([task], 1, 0, on_episode_end="stay", **env_options(job.spec))
    _, seed = job.seeds()
    rng = np.random.default_rng([seed, 1])
    obs, _ = envs.reset(seed=seed)
    state, start = policy.initial_state(1), np.ones(1, dtype=bool)
    seen: list[tuple[Any, int, float, Any]] = []
    try:
        for _ in range(config["context_window"]):
            action, state = policy.act(obs, state, start, [rng])
            following, reward, terminated, truncated, _ = envs.step(action)
            limit = learner.reward_clip or np.inf
            start = terminated | truncated
            after = obs[0] if start[0] else following[0]  # as the replay has it where an episode is done
            seen.append((obs[0], int(action[0]), float(np.clip(reward[0], -limit, limit)), after))
            obs = following
    finally:
        envs.close()
    chosen = rng.choice(len(seen), min(config["context_size"], len(seen)), replace=False)
    shown, actions, rewards, led_to = zip(*(seen[i] for i in chosen), strict=True)
    device = policy.network.atoms.device
    return Context(
        obs=torch.from_numpy(np.stack(shown)).to(device),
        action=torch.tensor(actions).to(device),
        reward=torch.tensor(rewards).to(device),
        next_obs=torch.from_numpy(np.stack(led_to)).to(device),
    )


def scripted(name: str, envs: Any, env_options: Mapping[str, Any]) -> Any:
    """Returns a player that follows a script: "random", Coinrun's "always_right", a robot's "waypoints"."""
    if name == "waypoints":
        return WaypointPolicy(envs)
    if name == "random":
        space = envs.single_action_space
        return UniformBoxPolicy(space) if isinstance(space, Box) else RandomPolicy(int(space.n))
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
