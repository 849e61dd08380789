"""One call from a pretrained agent to the agent that has adapted to a task.

    adapted = adapt(agent, make_envs, task, env_steps)                            fine-tune all of it
    adapted = adapt(agent, make_envs, task, env_steps, retain=(BCConfig(), ...))  and keep what it knew
    adapted = adapt(agent, make_envs, task, env_steps, paradigm=RL2)              play and remember
    adapted = adapt(agent, make_envs, task, env_steps, paradigm=PEARL)            play and infer

It is the stream of `Paradigm.adapt`, run to its end, with the learner that the agent itself names; so what
holds of a study's adaptations holds of these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fvm_learners import Agent
from fvm_learners.config_checks import is_count
from gymnasium.vector import VectorEnv

from fvm_meta.multitask import MultiTask
from fvm_meta.paradigm import EVERYTHING, MakeEnvs, Paradigm, Transfer
from fvm_meta.retention.kept import RetentionConfig
from fvm_meta.stream import Envs, Snapshot, Spent


@dataclass(frozen=True)
class EnvSteps:
    """A budget of env steps."""

    env_steps: int


def adapt(
    agent: Agent,
    make_envs: MakeEnvs | Envs,
    task: Any,
    env_steps: int,
    *,
    paradigm: type[Paradigm] = MultiTask,
    config: Any = None,
    learner_config: Any = None,
    transfer: Transfer = EVERYTHING,
    retain: Sequence[RetentionConfig] = (),
    retained_tasks: Sequence[Any] = (),
    demos: Sequence[Any] = (),
    seed: int = 0,
    device: str = "cpu",
    at: Sequence[int] = (),
    on_snapshot: Callable[[Snapshot], object] | None = None,
) -> Agent:
    """Returns what a pretrained agent has become after `env_steps` on a task; it stays as it is itself.

    Args:
        agent: Pretrained: `Paradigm.agent(snapshot)`, `Agent.of(learner)` or `load_agent(folder)`.
        make_envs: See `paradigm.MakeEnvs`; or a vector env that plays the task, which is then closed.
        task: What `make_envs` takes as one; of no effect beside a vector env.
        env_steps: To spend, a multiple of the number of envs. Of RL2's own adaptation: of one lifetime.
        paradigm: How: `MultiTask` fine-tunes, `RL2` plays and remembers, `PEARL` plays and infers, and any
            other paradigm does what its `adapt` does.
        config: The paradigm's settings; None for its defaults.
        learner_config: The learner's settings while it adapts; None for those that the agent has.
        transfer: What fine-tuning takes over of the agent.
        retain: Settings of what keeps the old skill meanwhile (`fvm_meta.retention`).
        retained_tasks: The tasks of the pretraining, for those retentions that look back at them.
        demos: Demonstrations of the task, for learners that take them.
        seed: Of the learner, the envs and the actions of the agent that is returned.
        device: Of the learner.
        at: Env steps at which `on_snapshot` is to be called exactly.
        on_snapshot: Called with each snapshot of the stream, to evaluate, log or save it.

    Raises:
        ValueError: The agent's learner cannot adapt so, the budget does not fit the envs, or there is no
            such seed.
        TypeError: The agent, the paradigm, its config or the learner's are of another kind.
    """
    if not isinstance(agent, Agent):
        raise TypeError(f"agent={agent!r}: give an Agent; a paradigm makes one, `agent(snapshot)`")
    if not (isinstance(paradigm, type) and issubclass(paradigm, Paradigm)):
        raise TypeError(f"paradigm={paradigm!r}: give a class, such as MultiTask or RL2")
    if learner_config is not None and not isinstance(learner_config, type(agent.config)):
        wanted = type(agent.config).__name__
        raise TypeError(f"learner_config={learner_config!r}: this agent's learner takes a {wanted}")
    if not is_count(seed, at_least=0):
        raise ValueError(f"seed={seed!r}: give a whole number of 0 or more, from which all follows")
    if not isinstance(at, Collection):
        raise TypeError(f"at={at!r}: give a sequence of env steps, such as (0, 1000)")

    def make_learner(observation_space: Any, action_space: Any, *, seed: int, **options: Any) -> Any:
        return agent.make_learner(
            observation_space, action_space, seed=seed, device=device, config=learner_config, **options
        )

    make = _these(make_envs) if isinstance(make_envs, VectorEnv) else make_envs
    way = paradigm(make_learner, make, config, transfer, retain, retained_tasks)
    pretrained = Snapshot(env_step=0, spent=Spent(), policy=agent.policy)
    rng, budget = np.random.default_rng(seed), EnvSteps(env_steps)
    for snapshot in way.adapt(pretrained, task, budget, rng, at=(*at, env_steps), demos=demos):
        if on_snapshot is not None:
            on_snapshot(snapshot)
    return agent.with_policy(snapshot.policy, learner_config, seed=seed)


def _these(envs: Envs) -> MakeEnvs:
    """A maker of envs that has these only, and cannot make others for the tasks of a pretraining."""

    def make(tasks: Sequence[Any], *, seed: int, on_episode_end: str, **options: Any) -> Envs:
        if options.get("purpose"):
            raise ValueError(
                "a retention that looks back at the tasks of the pretraining needs envs of its own: give a "
                "function make_envs(tasks, *, seed, on_episode_end, **options) in place of one vector env"
            )
        return envs

    return make
