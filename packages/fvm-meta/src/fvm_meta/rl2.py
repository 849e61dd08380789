"""RL2: a recurrent policy that adapts within its memory (Duan et al. 2016, arXiv 1611.02779).

    lifetime: n episodes (trials) of one task; memory h is zero at its start and crosses the trials' ends
    input:    features of the image ++ one-hot previous action ++ previous reward ++ previous trial end
    pretrain: the base learner on lifetimes as if each were one episode: returns and advantages cross the
              trials' ends, with the discount, and are cut at the lifetime's end
    adapt:    play trials of the new task and remember; no gradients

So RL2 is the base learner, with an LSTM, on other envs: those of `fvm_envs.trials`, which give the input too.
Backpropagation is truncated to a rollout, which starts from the memory the last one ended with.

Adaptations: "context" is RL2's own. It plays n - 1 trials, as in training, and holds what it remembers for
the n-th, the one that is deployed. Its x-axis is env steps within one lifetime; the envs are replicates of
that lifetime. "both" fine-tunes on lifetimes of the new task; a deployed trial goes on from the memory with
which a training slot last began a trial other than its lifetime's first. "gradient" fine-tunes with a memory
that is reset at each trial.

What is remembered of a trial counts from its end on: only there a policy was trained to begin another one.
A snapshot within a rollout is the agent as it was when that rollout began (`stream.py`), its memory as well.
So "both" plays without memory at step 0, as "context" does there, and up to the end of its first rollout,
where "context" remembers already: points of its curve before that end say nothing against it.

With trials=1 this is the control whose memory is reset at each trial.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import torch
from fvm_learners import Episode
from fvm_learners.config_checks import check_counts
from fvm_learners.memory import Memory
from gymnasium import spaces
from torch import Tensor

from fvm_meta.capabilities import Remembering
from fvm_meta.given import check_snapshot, check_state, spawned
from fvm_meta.paradigm import EVERYTHING, Paradigm
from fvm_meta.stream import (
    Budget,
    Envs,
    Policy,
    Snapshot,
    Spent,
    State,
    can_save,
    check_steps,
    envs_state,
    load_envs_state,
    train,
)

SNAPSHOT_EVERY = 256  # env steps of a lifetime between snapshots that nobody asked for
NO_MEMORY = "RL2 adapts within its memory, and this policy has none; use PPOConfig(recurrent=True)"


@dataclass(frozen=True, kw_only=True)
class RL2Config:
    """Settings of RL2.

    Attributes:
        trials: n, episodes of one task in a lifetime.
        adaptation: "context", "both" or "gradient".
    """

    trials: int = 4
    adaptation: Literal["context", "both", "gradient"] = "context"

    def __post_init__(self) -> None:
        check_counts(self, ("trials",))
        if self.adaptation not in ("context", "both", "gradient"):
            raise ValueError(f"adaptation={self.adaptation!r}: give 'context', 'both' or 'gradient'")


class RL2(Paradigm):
    """A recurrent policy that has learned to learn from what its actions led to."""

    name = "rl2"
    version = 1
    Config = RL2Config
    config: RL2Config

    @property
    def trials(self) -> int:
        """Episodes of one task that the agent is meant to play in one go: those of its lifetimes."""
        return self.config.trials

    @property
    def pretraining_options(self) -> dict[str, Any]:
        """Lifetimes, be it of one trial: their observations come with the feedback."""
        return {"trials": self.config.trials}

    def pretrain(
        self,
        tasks: Sequence[Any],
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (),
        resume: State | None = None,
        demos: Sequence[Sequence[Any]] = (),
    ) -> Iterator[Snapshot]:
        """Yields snapshots as it learns from lifetimes; `episodes` are the mean trials of lifetimes.

        Raises:
            ValueError: The learner has no memory, the envs give no feedback, or demonstrations were given.
        """
        if count := sum(map(len, demos)):
            raise ValueError(f"{count} demonstrations given, but RL2 has no use for them; use demos=()")
        learner, envs = self.start(tasks, rng, on_episode_end="resample", trials=self.config.trials)
        if not remembers(learner.frozen_policy()):
            envs.close()
            raise ValueError(NO_MEMORY)
        check_feedback(envs)
        for snapshot in train(learner, envs, budget, at, resume):
            yield replace(
                snapshot, episodes=tuple(_a_trial(e, self.config.trials) for e in snapshot.episodes)
            )

    def adapt(
        self,
        snapshot: Snapshot | None,
        task: Any,
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (0,),
        demos: Sequence[Any] = (),
        resume: State | None = None,
    ) -> Iterator[Snapshot]:
        """Yields snapshots of the agent as it adapts to `task`, each with what it remembers.

        Raises:
            ValueError: No snapshot was given, or one without memory, or demonstrations were; or what only
                training has a use for; or the envs give no feedback.
        """
        if snapshot is None:
            raise ValueError("RL2 adapts a pretrained snapshot; None was given, use Scratch for that")
        check_snapshot(snapshot)
        if len(demos):
            raise ValueError(f"{len(demos)} demonstrations given, but RL2 has no use for them; use demos=()")
        if not remembers(snapshot.policy):
            raise ValueError(NO_MEMORY)
        if self.config.adaptation == "context":
            if self.retain:
                raise ValueError("RL2 that adapts by its context trains nothing: use retain=() with it")
            if self.transfer != EVERYTHING:
                raise ValueError("RL2 that adapts by its context trains nothing: leave transfer out with it")
            policy = cast(Remembering, snapshot.policy).remembering(None)
            yield from self._live(policy, task, budget, rng, at, resume)
            return
        trials = self.config.trials if self.config.adaptation == "both" else 1
        kept = self.keep(snapshot)
        learner, envs = self.start(
            [task], rng, "stay", snapshot=snapshot, transfer=self.transfer, kept=kept, trials=trials
        )
        check_feedback(envs)
        spent = Spent(retention_env_steps=kept.env_steps)
        for tuned in train(learner, envs, budget, at, resume, spent):
            policy = cast(Remembering, tuned.policy)
            yield replace(
                tuned,
                policy=policy.remembering(learner.memory()) if trials > 1 else policy,
                episodes=tuple(_a_trial(lifetime, trials) for lifetime in tuned.episodes),
            )

    def _live(
        self,
        policy: Remembering,
        task: Any,
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int],
        resume: State | None,
    ) -> Iterator[Snapshot]:
        """Snapshots of lifetimes side by side; steps are those of one lifetime."""
        check_steps(budget, 1, at)
        wanted, last, running = sorted({*at, budget.env_steps}), -1, True
        (env_rng,) = spawned(rng, 1)
        envs = self.make_envs(
            [task],
            seed=int(env_rng.integers(2**31)),
            on_episode_end="stay",
            trials=math.inf,
            replicates=True,
        )
        check_feedback(envs)
        try:
            lives = Lifetimes(policy, envs, self.config.trials - 1, rng.spawn(envs.num_envs))
            if resume is not None:
                check_state(resume, ("lives", "last_yielded"))
                lives.load_state_dict(resume["lives"])
                last = resume["last_yielded"]

            def snapshot(step: int, episodes: Sequence[Episode] = ()) -> Snapshot:
                lived = lives.env_step

                def state() -> State:
                    if lives.env_step != lived or not running:
                        raise ValueError(f"the stream has gone on since its snapshot at env step {step}")
                    return {"lives": lives.state_dict(), "last_yielded": step}

                return Snapshot(
                    env_step=step,
                    spent=Spent(env_steps=lived, episodes=lives.episodes),
                    policy=policy.remembering(lives.memory),
                    episodes=tuple(episodes),
                    resumable=can_save(envs),
                    state=state,
                )

            if last < 0 and 0 in wanted:
                yield snapshot(0)
            ended: list[Episode] = []
            while lives.env_step < budget.env_steps and lives.exploring.any():
                ended += lives.step()
                if lives.env_step in wanted or lives.env_step % SNAPSHOT_EVERY == 0:
                    last = lives.env_step
                    yield snapshot(last, ended)
                    ended = []
            for step in wanted:
                if step > max(last, 0) and step >= lives.env_step:
                    yield snapshot(step, ended)
                    ended = []
        finally:
            running = False
            envs.close()


class Lifetimes:
    """Lifetimes on one task that run side by side, each exploring until it has played so many trials.

    Args:
        policy: Acts; no gradients.
        envs: Of `fvm_envs.trials`, lifetimes without end.
        trials: Each explores for.
        rngs: One a lifetime, for its actions.
    """

    def __init__(
        self, policy: Remembering, envs: Envs, trials: int, rngs: Sequence[np.random.Generator]
    ) -> None:
        self.policy, self.envs, self.trials, self.rngs = policy, envs, trials, list(rngs)
        self.obs, _ = envs.reset()
        self.state: Tensor = policy.initial_state(envs.num_envs)
        self.begin = np.ones(envs.num_envs, dtype=np.bool_)
        self.exploring = np.full(envs.num_envs, trials > 0)
        self.memory = Memory(torch.zeros_like(self.state), torch.zeros_like(self._feedback()))
        self.length = np.zeros(envs.num_envs, dtype=np.int64)
        self.env_step = self.episodes = 0

    def step(self) -> list[Episode]:
        """One step of every lifetime; the trials that ended where exploration goes on."""
        actions, state = self.policy.act(self.obs, self.state, self.begin, self.rngs)
        assert state is not None
        self.obs, _, _, _, info = self.envs.step(actions)
        if lacking := [name for name in ("trial", "trial_end", "trial_return") if name not in info]:
            raise ValueError(
                f"{type(self.envs).__name__} gives no info of {', '.join(lacking)}, by which RL2 knows when "
                "a trial ends: let its steps say so, as those of fvm_envs.trials do"
            )
        self.state, self.begin[:] = state, False
        self.env_step += 1
        explored = info["trial_end"] & self.exploring
        if explored.any():
            now = Memory(state, self._feedback())
            self.memory = self.memory.replaced(torch.from_numpy(explored).to(state.device), now)
        self.length += 1
        ended = [
            Episode(self.env_step, 0, float(info["trial_return"][slot]), int(self.length[slot]))
            for slot in np.flatnonzero(explored)
        ]
        self.length[info["trial_end"]] = 0
        self.exploring &= info["trial"] < self.trials
        self.episodes += len(ended)
        return ended

    def _feedback(self) -> Tensor:
        return torch.from_numpy(self.obs["feedback"]).to(self.state.device)

    def state_dict(self) -> State:
        """Everything, envs included."""
        return {
            "obs": {name: np.array(part) for name, part in self.obs.items()},
            "state": self.state.cpu().clone(),
            "memory": self.memory.state_dict(),
            "length": self.length.copy(),
            "begin": self.begin.tolist(),
            "exploring": self.exploring.tolist(),
            "rngs": [rng.bit_generator.state for rng in self.rngs],
            "env_step": self.env_step,
            "episodes": self.episodes,
            "envs": envs_state(self.envs),
        }

    def load_state_dict(self, state: State) -> None:
        """Go on as the lifetimes that gave `state`."""
        device = self.state.device
        self.obs = {name: np.asarray(part) for name, part in state["obs"].items()}
        self.state = state["state"].to(device)
        self.memory = Memory.from_state_dict(state["memory"], device)
        self.length = np.array(state["length"], dtype=np.int64)
        self.begin, self.exploring = (
            np.array(state[name], dtype=np.bool_) for name in ("begin", "exploring")
        )
        for rng, saved in zip(self.rngs, state["rngs"], strict=True):
            rng.bit_generator.state = saved
        self.env_step, self.episodes = state["env_step"], state["episodes"]
        load_envs_state(self.envs, state["envs"])


def remembers(policy: Policy) -> bool:
    """Whether a policy has a memory that can be carried over into another episode."""
    return isinstance(policy, Remembering) and policy.initial_state(1) is not None


def check_feedback(envs: Envs) -> None:
    """Raises ValueError, and closes the envs, unless they tell a policy what its last action led to."""
    space = envs.single_observation_space
    if not isinstance(space, spaces.Dict) or "feedback" not in space.spaces:
        envs.close()
        raise ValueError(
            f"{type(envs).__name__} shows {space} where trials=... was asked for, and RL2's policy is to see "
            "what its last action led to: let make_envs give Dict(obs=..., feedback=...), as fvm_envs.trials "
            "does"
        )


def _a_trial(lifetime: Episode, trials: int) -> Episode:
    """A lifetime's mean trial."""
    return replace(lifetime, return_=lifetime.return_ / trials, length=round(lifetime.length / trials))
