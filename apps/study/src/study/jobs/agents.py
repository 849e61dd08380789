"""Agents of a study's jobs: built as the job's spec says, and restored from what a finished job has kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from fvm_envs.restarts import Restarts
from fvm_eval import Ledger
from fvm_learners import Agent
from fvm_learners.agent import CARRIED, carried, carrying
from fvm_meta import Paradigm, Snapshot, Spent
from fvm_meta.paradigm import EVERYTHING
from fvm_meta.stream import can_save
from gymnasium.vector import VectorEnv, VectorWrapper
from torch import Tensor

from study import learners, retentions
from study.errors import StudyError
from study.folder.job_record import WEIGHTS, damaged
from study.folder.store import Store
from study.jobs.environments import env_options, make_envs, threads_of
from study.learners import read_spec
from study.plan import Job
from study.plugins import check_known
from study.registry import registered


@dataclass
class Visits:
    """How much of what envs play lies in FAR, where they say so by `info["far"]`."""

    far: int = 0
    steps: int = 0

    def take(self) -> float | None:
        """Returns the share of env steps since the last time; None where the envs say nothing of it."""
        share = self.far / self.steps if self.steps else None
        self.far = self.steps = 0
        return share


class MeteredEnvs(VectorWrapper):
    """Charges every env step to a ledger, so that no paradigm can take more than its budget.

    Slots that are replicates of one agent, each with a budget of its own, are charged together as one.
    """

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        ledger: Ledger,
        *,
        replicates: bool = False,
        visits: Visits | None = None,
    ) -> None:
        super().__init__(envs)
        self.ledger, self.visits = ledger, visits or Visits()
        self.charge = 1 if replicates else envs.num_envs

    def step(self, actions: Any) -> Any:
        """Takes one step in every env and charges it; raises BudgetExceeded before a step too many."""
        self.ledger.charge(env_steps=self.charge)
        returned = super().step(actions)
        if (far := returned[4].get("far")) is not None:
            self.visits.far += int(far.sum())
            self.visits.steps += len(far)
        return returned

    def walk(self, right: Any, uniform: Any) -> Any:
        """Plays whole episodes where the envs below can (`fvm_envs.apple`), and charges them."""
        self.ledger.charge(env_steps=self.charge * len(uniform))
        walked = self.env.walk(right, uniform)  # type: ignore[attr-defined]
        self.visits.far += walked.far
        self.visits.steps += uniform.size
        return walked

    @property
    def can_save(self) -> bool:
        """Whether the envs below can be saved now."""
        return can_save(self.env)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the envs below; the ledger is saved apart."""
        state: dict[str, Any] = self.env.state_dict()  # type: ignore[attr-defined]
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts the envs below into a saved state."""
        self.env.load_state_dict(state)  # type: ignore[attr-defined]


def build_paradigm(
    spec: Mapping[str, Any],
    device: str,
    ledger: Ledger | None = None,
    pretraining: Mapping[str, Any] | None = None,
    visits: Visits | None = None,
) -> Paradigm:
    """Returns the job's paradigm with its learner and envs.

    Args:
        spec: Of the job.
        device: Of its learner.
        ledger: Charged with the env steps that count, if given.
        pretraining: Spec of the pretraining whose tasks a retention looks back at.
        visits: Counts what of those env steps lies in FAR.
    """
    phase = spec["phase"]
    learner, learner_config = read_spec(phase)
    kind = registered().methods[spec["paradigm"]]
    adaptation = kind.adaptation(spec["adaptation"]) if "adaptation" in spec else None

    def make_learner(observation_space: Any, action_space: Any, *, seed: int, **options: Any) -> Any:
        spaces = observation_space, action_space
        return learners.make(learner, learner_config, *spaces, seed=seed, device=device, **options)

    def make(
        tasks: Sequence[Any],
        *,
        seed: int,
        on_episode_end: Any,
        split: int = 1,
        trials: float = 1,
        replicates: bool = False,
        purpose: str = "",
        **unknown: Any,
    ) -> Any:
        if unknown:
            raise TypeError(f"a study's envs have no option {', '.join(unknown)}")
        if phase["num_envs"] % split:
            raise StudyError(f"{phase['num_envs']} envs cannot be split into {split} equal parts")
        num_envs = phase["num_envs"] // split
        options = env_options(spec, trials) | threads_of(spec["benchmark"], num_envs, device)
        ends = {"on_episode_end": on_episode_end}
        envs: Any = make_envs(spec["benchmark"], tasks, num_envs, seed, **ends, **options)
        if purpose == "retention":  # nothing is learned on them: they cost no budget of the adaptation
            return envs
        if (every := phase.get("restart_every")) is not None:
            envs = Restarts(envs, seed, every)
        return envs if ledger is None else MeteredEnvs(envs, ledger, replicates=replicates, visits=visits)

    paradigm = kind.made_by(learner)
    config = {**spec.get("config", {}), **(adaptation.config if adaptation else {})}
    transfer = (adaptation and adaptation.transfer) or EVERYTHING
    if spec.get("reset_sigmas"):
        transfer = replace(transfer, reset_sigmas=True)
    settings = paradigm.Config(**config) if paradigm.Config else None
    kept: dict[str, Any] = {}
    if pretraining is not None:  # a paradigm of a plug-in's may have retentions of its own
        kept = {"retain": retentions.read(spec.get("retain", {})), "retained_tasks": pretraining["tasks"]}
    return paradigm(make_learner, make, settings, transfer, **kept)


def restore(job: Job, store: Store, device: str) -> Snapshot:
    """Returns the last snapshot of a finished job, with its frozen policy."""
    return Snapshot(
        env_step=job.budget_env_steps,
        spent=Spent(env_steps=job.budget_env_steps),
        policy=restored(job, store, device).policy,
    )


def restored(job: Job, store: Store, device: str) -> Agent:
    """Returns the agent that a finished job has trained.

    Raises:
        StudyError: Its weights are damaged, or one of its records is not known here.
    """
    check_known(job)
    spec = job.spec
    saved = store.weights(job)
    learner, envs = fresh(job, device)
    try:
        policy = loaded(learner, saved, device)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise damaged(store.folder(job) / WEIGHTS, f"it does not fit: {error}", store.folder(job)) from error
    kind, config = read_spec(spec["phase"])
    return Agent(
        policy,
        learner=kind.name,
        config=config,
        observation_space=envs.single_observation_space,
        action_space=envs.single_action_space,
        reward_scale=spec.get("reward_scale", 1.0),
        kind=kind.made_by,
    )


def fresh(job: Job, device: str) -> tuple[Any, Any]:
    """Returns an untrained learner of a training, and closed envs with its spaces."""
    tasks = job.spec["tasks"] if job.kind == "pretrain" else [job.spec["task"]]
    learner, envs = build_paradigm(job.spec, device).start(tasks, np.random.default_rng(0), "stay")
    envs.close()
    return learner, envs


def loaded(learner: Any, saved: Mapping[str, Any], device: str) -> Any:
    """Returns the frozen policy of a training that has these weights; its learner is `fresh`.

    Raises:
        LookupError, TypeError, ValueError, AttributeError, RuntimeError: They are another network's.
    """
    learner.load_weights({name: one for name, one in saved.items() if not name.startswith(CARRIED)})
    kept = {name: one.to(device) for name, one in saved.items() if name.startswith(CARRIED)}
    return carrying(learner.frozen_policy(), kept)


def weights_of(policy: Any) -> dict[str, Any]:
    """Returns all that `loaded` needs of a frozen policy.

    Raises:
        TypeError: Its weights are no tensors.
    """
    weights: Any = policy.weights
    of = f"the weights of {type(policy).__name__} are"
    if not isinstance(weights, Mapping):
        raise TypeError(f"{of} {_type(weights)}: let them be tensors by name")
    for name, tensor in weights.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{of} {_type(tensor)} at {name!r}: let them be tensors by name")
    return {**weights, **carried(policy)}


def _type(value: Any) -> str:
    return f"a {type(value).__name__}"
