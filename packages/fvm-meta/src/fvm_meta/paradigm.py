"""The contract of every way to carry knowledge from training tasks to a new one.

A paradigm pretrains on a set of tasks and adapts to one task. Both are streams of snapshots (`stream.py`), so
a caller may stop, evaluate, save and resume wherever it likes:

    for snapshot in paradigm.pretrain(tasks, budget, rng): ...
    for snapshot in paradigm.adapt(snapshot, task, budget, rng, at=(0, 1024, 2048)): ...

A stream does nothing before it is asked for its first snapshot; only then it spawns its seeds from `rng`. Its
envs are closed when it ends, is closed, or fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from fvm_learners import Agent, Hook
from fvm_learners.autoreset import num_envs_of
from fvm_learners.config_checks import check_flags
from torch import Tensor

from fvm_meta.capabilities import DemoLearner, HasParts, Particular, Sigmas, require
from fvm_meta.given import check_snapshot, check_state, check_tasks, retentions, spawned
from fvm_meta.retention.kept import Kept, RetentionConfig
from fvm_meta.stream import Budget, Envs, Learner, Policy, Snapshot, Spent, State, train


class MakeLearner(Protocol):
    """Builds a learner with a fresh optimiser for these spaces.

    Besides `seed` it is given `hooks`, whose terms are added to the learner's loss; and what off-policy
    learners need and others ignore: `num_tasks`, one replay buffer each, and `sampler`, which buffers a batch
    comes from.
    """

    def __call__(  # noqa: D102
        self, observation_space: Any, action_space: Any, *, seed: int, **options: Any
    ) -> Learner: ...


class MakeEnvs(Protocol):
    """Builds a vector env over these tasks; `on_episode_end` is "resample" or "stay".

    A paradigm that needs more of its envs asks for it by an option: Reptile for `split=m`, one m-th of the
    usual number of envs; RL2 for `trials=n`, lifetimes of n episodes of one task (`fvm_envs.trials`), and for
    `replicates=True`, envs that are replicates of one agent, each with a budget of its own; retention for
    `purpose="retention"`, envs on which nothing is learned and whose steps count as no adaptation.
    """

    def __call__(  # noqa: D102
        self, tasks: Sequence[Any], *, seed: int, on_episode_end: str, **options: Any
    ) -> Envs: ...


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What fine-tuning takes over from the pretrained agent.

    Attributes:
        parts: "all" parameters, or the convolutional "encoder" alone, the rest drawn anew.
        frozen: Whether the encoder stays as it is.
        reset_sigmas: Whether noisy layers begin with their first scale, to explore anew.

    Raises:
        ValueError: Others were named.
    """

    parts: Literal["all", "encoder"] = "all"
    frozen: bool = False
    reset_sigmas: bool = False

    def __post_init__(self) -> None:
        check_flags(self)
        if self.parts not in ("all", "encoder"):
            raise ValueError(f"parts={self.parts!r}: give 'all' or 'encoder'")

    @property
    def still(self) -> tuple[str, ...]:
        """Parts that never learn."""
        return ("encoder",) if self.frozen else ()

    def load(self, learner: Any, weights: Mapping[str, Tensor]) -> None:
        """Put it into a learner.

        Raises:
            ValueError: The learner has no such part.
        """
        whose = f"{self} was asked for"
        if self.parts == "all":
            learner.load_weights(weights)
        else:
            require(learner, HasParts, whose, TAKE_ALL).load_weights(weights, only=self.parts)
        if self.frozen:
            require(learner, HasParts, whose, TAKE_ALL).freeze(*self.still)
        if self.reset_sigmas:
            require(learner, Sigmas, whose, TAKE_ALL).reset_sigmas()


TAKE_ALL = "let it take over all parameters as they are, Transfer()"
EVERYTHING = Transfer()
SAID_AS = {"learner": "name"}
"""What the learner calls that which `fvm_learners.Agent` knows by another name."""


def _configs_of(kind: type[Paradigm]) -> set[type[Any]]:
    """Returns the configs of all paradigms that there are."""
    found = {kind.Config} if kind.Config is not None else set()
    return found.union(*map(_configs_of, kind.__subclasses__()))


class Paradigm:
    """Base of all paradigms: how to build envs and learners, and plain fine-tuning as the way to adapt.

    A subclass overrides `pretrain`, or `adapt`, or both. Fine-tuning starts from the snapshot's weights, or
    what `transfer` takes of them, with a fresh optimiser and fresh normalisers, in every paradigm alike.

    Args:
        make_learner: See `MakeLearner`.
        make_envs: See `MakeEnvs`.
        config: Of the subclass's `Config`; None for its defaults.
        transfer: What fine-tuning takes over.
        retain: Settings of what keeps the old skill meanwhile (`fvm_meta.retention`), in the order in which
            their terms are added.
        retained_tasks: The tasks of the pretraining, for those retentions that look back at them.

    Raises:
        TypeError: The config is another paradigm's, `transfer` no `Transfer`, or `retain` holds other things
            than settings.

    Attributes:
        name: What a study calls it.
        version: Of its results: raised when the same config, envs and seeds give other numbers than before.
        Config: A subclass's own settings, a dataclass with defaults. None where there are none, or where
            nobody needs defaults: then `config` may be any object.
    """

    name: ClassVar[str] = "paradigm"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Any] | None] = None

    def __init__(
        self,
        make_learner: MakeLearner,
        make_envs: MakeEnvs,
        config: Any = None,
        transfer: Transfer = EVERYTHING,
        retain: Sequence[RetentionConfig] = (),
        retained_tasks: Sequence[Any] = (),
    ) -> None:
        self.make_learner = make_learner
        self.make_envs = make_envs
        if not isinstance(transfer, Transfer):
            raise TypeError(f"transfer={transfer!r}: give a Transfer, such as Transfer(parts='encoder')")
        self.transfer = transfer
        self.retain, self.retained_tasks = retentions(retain), tuple(retained_tasks)
        others = _configs_of(Paradigm) if self.Config is None else ()
        fits = isinstance(config, self.Config or object) and type(config) not in others
        if config is not None and not fits:
            takes = "none" if self.Config is None else f"{self.Config.__name__}(...)"
            raise TypeError(f"config={config!r} says nothing to {type(self).__name__}: it takes {takes}")
        self.config = self.Config() if config is None and self.Config is not None else config
        self._agents: dict[str, Any] = {}  # what the learner made last says of itself

    def pretrain(
        self,
        tasks: Sequence[Any],
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (),
        resume: State | None = None,
        demos: Sequence[Sequence[Any]] = (),
    ) -> Iterator[Snapshot]:
        """Yields snapshots of an agent that learns from the training tasks. This one learns nothing.

        `demos` are demonstrations of each task, in the tasks' order; a resumed stream has them in its state.
        """
        yield from ()

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
        """Yields snapshots of the agent as it adapts to `task`. This one fine-tunes all parameters."""
        yield from self.fine_tune(snapshot, task, budget, rng, at, demos, resume)

    def zero_shot(
        self, snapshot: Snapshot, at: Sequence[int] = (0,), resume: State | None = None
    ) -> Iterator[Snapshot]:
        """Yields the pretrained agent as it is at each step of `at`: no adaptation, nothing spent."""
        if resume is not None:
            check_state(resume, ("last_yielded",))
        last = -1 if resume is None else resume["last_yielded"]
        for step in sorted(step for step in set(at) if step > last):
            position: State = {"last_yielded": step}
            yield Snapshot(env_step=step, spent=Spent(), policy=snapshot.policy, state=position.copy)

    def agent(self, snapshot: Snapshot, **options: Any) -> Agent:
        """Returns what a snapshot of this paradigm's streams has become, to save, load and play anywhere.

        Args:
            snapshot: Of this object's `pretrain` or `adapt`.
            **options: `reward_scale` and `seed` of `fvm_learners.Agent`.

        Raises:
            ValueError: No stream has made a learner yet, or one that does not say what an agent needs.
        """
        if None in self._agents.values() or not self._agents:
            lacking = sorted(SAID_AS.get(key, key) for key, said in self._agents.items() if said is None)
            raise ValueError(
                f"the learner has no {', '.join(lacking)}, which an agent needs to be made again: make "
                "fvm_learners.Agent(policy, ...) yourself"
                if lacking
                else "no learner was made yet: ask for an agent after the stream that gave the snapshot"
            )
        return Agent(snapshot.policy, **self._agents, **options)

    @property
    def trials(self) -> int:
        """Episodes of one task that the agent is meant to play in one go, a lifetime; 1 for most."""
        return 1

    @property
    def pretraining_options(self) -> dict[str, Any]:
        """What its agents ask of `make_envs` to be played as they were pretrained."""
        return {"trials": self.trials} if self.trials > 1 else {}

    def player(self, snapshot: Snapshot, task: Any, rng: np.random.Generator) -> Policy:
        """Returns the pretrained agent as it is meant to be played on `task`, one of its training tasks.

        That is the frozen policy as it is, unless a paradigm's agent must first find out which task it plays.
        Nothing of it counts as adaptation.
        """
        return snapshot.policy

    def fine_tune(
        self,
        snapshot: Snapshot | None,
        task: Any,
        budget: Budget,
        rng: np.random.Generator,
        at: Sequence[int] = (0,),
        demos: Sequence[Any] = (),
        resume: State | None = None,
        hooks: Sequence[Hook] = (),
        **options: Any,
    ) -> Iterator[Snapshot]:
        """Yields snapshots of the base learner on one task, from the snapshot's weights if there is one.

        `options` go to `make_envs`.

        Raises:
            ValueError: Demonstrations were given to a learner that has no use for them.
        """
        kept = self.keep(snapshot)
        learner, envs = self.start(
            [task], rng, "stay", hooks, snapshot, transfer=self.transfer, kept=kept, **options
        )
        shown = self.show(learner, envs, demos)
        spent = Spent(retention_env_steps=kept.env_steps, demos=shown)
        yield from train(learner, envs, budget, at, resume, spent)

    def show(self, learner: Any, envs: Envs, *demos: Sequence[Any]) -> int:
        """Show demonstrations to a learner, those of each of its tasks; returns how many there are.

        Raises:
            ValueError: It has no use for them; the envs are closed.
        """
        count = sum(map(len, demos))
        if not count:
            return 0
        try:
            instead = "use demos=(), or a learner that takes them"
            require(learner, DemoLearner, f"{count} demonstrations given", instead)
            for task, shown in enumerate(demos):
                learner.add_demonstrations(shown, task=task)
            return count
        except BaseException:
            envs.close()
            raise

    def keep(self, snapshot: Snapshot | None) -> Kept:
        """Returns fresh retentions of what the snapshot's agent knows.

        Raises:
            ValueError: There is none to keep anything of.
        """

        def make_envs(seed: int) -> Envs:
            if not self.retained_tasks:
                raise ValueError(
                    f"{', '.join(type(config).__name__ for config in self.retain)} look back at the tasks of "
                    "the pretraining, and none were given: use retained_tasks=..."
                )
            options = {"purpose": "retention", **self.pretraining_options}
            return self.make_envs(self.retained_tasks, seed=seed, on_episode_end="resample", **options)

        return Kept(self.retain, snapshot, make_envs)

    def start(
        self,
        tasks: Sequence[Any],
        rng: np.random.Generator,
        on_episode_end: str,
        hooks: Sequence[Hook] = (),
        snapshot: Snapshot | None = None,
        sampler: Any = None,
        transfer: Transfer = EVERYTHING,
        needs: type[Any] = Learner,
        kept: Kept | None = None,
        **options: Any,
    ) -> tuple[Any, Envs]:
        """Returns a fresh learner and vector envs over `tasks`, each seeded by its own child of `rng`.

        Args:
            tasks: What the envs may play.
            rng: Spawned from, not drawn from.
            on_episode_end: "resample" or "stay".
            hooks: Of the learner.
            snapshot: What the learner starts from; None leaves its random initialisation.
            sampler: Of an off-policy learner's batches; None for its own.
            transfer: What it takes of the snapshot's weights.
            needs: The protocol of `capabilities.py` that the learner must meet.
            kept: Retentions; their hooks come after the others.
            **options: For `make_envs`.

        Raises:
            TypeError: `make_envs` gave a single env, or tasks, `rng` or the snapshot are something else.
            ValueError: The learner lacks what it must have or has another sampler, the weights are of another
                network, there are none that a transfer could take something of, or there are no tasks.
        """
        check_tasks(tasks)
        check_snapshot(snapshot)
        if snapshot is None and transfer != EVERYTHING:
            raise ValueError(
                f"{transfer} is taken over of a pretrained agent, and none was given: leave transfer out"
            )
        env_seed, learner_seed = (int(child.integers(2**31)) for child in spawned(rng, 2))
        envs = self.make_envs(tasks, seed=env_seed, on_episode_end=on_episode_end, **options)
        num_envs_of(envs)
        try:
            learner = self.make_learner(
                envs.single_observation_space,
                envs.single_action_space,
                seed=learner_seed,
                hooks=hooks if kept is None else (*hooks, *kept.hooks),
                num_tasks=len(tasks),
                sampler=sampler,
            )
            self._agents = {
                "kind": type(learner),
                "learner": getattr(learner, "name", None),
                "config": getattr(learner, "config", None),
                "observation_space": envs.single_observation_space,
                "action_space": envs.single_action_space,
            }
            require(learner, needs, f"{type(self).__name__} asks its learner for `{needs.__name__}`")
            other = getattr(learner, "sampler", sampler)
            if sampler is not None and other is not sampler:
                raise ValueError(
                    f"{type(self).__name__} makes its learner's batches by a sampler of its own, and the "
                    f"learner has another, {type(other).__name__}: let make_learner pass on `sampler`"
                )
            if kept is not None:
                kept.before(learner)
            if snapshot is not None:
                if isinstance(learner, Particular):
                    learner.check_policy(snapshot.policy)
                transfer.load(learner, snapshot.policy.weights)
            if kept is not None:
                kept.prepare(learner, rng, transfer.still)
        except BaseException:
            envs.close()
            raise
        return learner, envs
