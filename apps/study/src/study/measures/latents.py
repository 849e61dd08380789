"""How an agent that infers a latent plays with the one it inferred, with another task's, and with zero.

It tells a useless context from a posterior that is ignored or has collapsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from fvm_eval.curves import normalise
from fvm_learners.latent import LatentDistribution
from fvm_learners.replay import Context as Transitions
from fvm_meta.pearl import infer

from study.claims.arms import BY_LATENT, LATENT_ARM
from study.learners import read_spec
from study.measures.columns import RUN
from study.registry import Measure, Ranges, Rows, everywhere

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.evaluation import Context
    from study.plan import Job


def wanted(config: StudyConfig, job: Job) -> Mapping[str, Any] | None:
    """Returns the episodes of an evaluation; None for agents that infer nothing."""
    infers = "context_window" in job.spec.get("config", {}) and job.spec["adaptation"] == "context"
    return everywhere(config, job) if infers else None


def play(agent: Any, context: Context) -> Rows:
    """Returns rows latent, task, env_step, episode, score."""
    spec, other = context.spec, context.pretraining["tasks"][0]
    network = agent.network
    zero = LatentDistribution(*(network.atoms.new_zeros(1, network.latent_size) for _ in range(2)))
    policies = {
        "inferred": agent,
        "another task's": infer(agent, explore(agent.with_latent(None), other, context)),
        "zero": agent.with_latent(zero),
    }
    episodes, env_step = context.settings["episodes"], spec["phase"]["env_steps"]
    return [
        {"latent": latent, **row}
        for latent, policy in policies.items()
        for row in context.score(policy, [spec["task"]], episodes, env_step)
    ]


def explore(policy: Any, task: str, context: Context) -> Transitions:
    """Returns a context of the training's size that an agent collects on a task."""
    config = context.spec["config"]
    limit = getattr(read_spec(context.spec["phase"])[1], "reward_clip", None) or np.inf
    envs = context.make_envs([task], 1)
    rng = np.random.default_rng([context.seed, 1])
    obs, _ = envs.reset(seed=context.seed)
    state, start = policy.initial_state(1), np.ones(1, dtype=bool)
    seen: list[tuple[Any, int, float, Any]] = []
    try:
        for _ in range(config["context_window"]):
            action, state = policy.act(obs, state, start, [rng])
            following, reward, terminated, truncated, _ = envs.step(action)
            start = terminated | truncated
            after = obs[0] if start[0] else following[0]  # as the replay has it where an episode is done
            seen.append((obs[0], int(action[0]), float(np.clip(reward[0], -limit, limit)), after))
            obs = following
    finally:
        envs.close()
    chosen = rng.choice(len(seen), min(config["context_size"], len(seen)), replace=False)
    shown, actions, rewards, led_to = zip(*(seen[i] for i in chosen), strict=True)
    device = policy.network.atoms.device
    return Transitions(
        obs=torch.from_numpy(np.stack(shown)).to(device),
        action=torch.tensor(actions).to(device),
        reward=torch.tensor(rewards).to(device),
        next_obs=torch.from_numpy(np.stack(led_to)).to(device),
    )


def cells(rows: pl.DataFrame, ranges: Ranges) -> Mapping[str, pl.DataFrame]:
    """Returns cells with an arm for each latent that agents played with at the budget."""
    table = normalise(rows.filter(pl.col("task").is_in(list(ranges))), ranges)
    mean = table.group_by(*RUN, "latent").agg(value=pl.col("score").mean())
    arm = pl.format(LATENT_ARM, "method", "latent")
    return {BY_LATENT: mean.with_columns(method=arm).select(*RUN, "value").sort(RUN)}


LATENTS = Measure(name="latents", version=1, wanted=wanted, play=play, cells=cells)
