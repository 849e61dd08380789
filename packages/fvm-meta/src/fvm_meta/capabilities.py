"""What a paradigm may ask of a learner beyond `stream.Learner`, as protocols: a learner's class never counts.

A learner has a capability when it has the protocol's members; who wants to know asks `require`. The study's
records name the same capabilities by their strings.

| string | protocol | who asks |
|---|---|---|
| `parts` | `HasParts` | `Transfer`, and retention that freezes or resets a part |
| `distribution` | `HasDistribution` | retention that compares policies |
| `protected` | `Protecting` | retention that keeps a share of the replay |
| `inner` | `InnerLearner` | Reptile |
| `replay` | `ReplayLearner` | Reptile on replays |
| `latent` | `LatentLearner` | PEARL |
| `memory` | `Remembering`, of its policy | RL2 |
| `demos` | `DemoLearner` | fine-tuning and PEARL, where demonstrations are given |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from fvm_learners import Episode
from fvm_learners.latent import LatentDistribution
from fvm_learners.memory import Memory
from torch import Tensor

from fvm_meta.stream import Envs, Learner, Policy


@runtime_checkable
class InnerLearner(Learner, Protocol):
    """A learner that can begin anew with what it knows, as Reptile's inner loops do."""

    def restart(self) -> None:
        """Forget the running episodes: the next iteration resets the envs."""

    def reset_optimiser(self) -> None:
        """Forget the optimiser's moments, as a fresh optimiser would have none."""


@runtime_checkable
class HasParts(Protocol):
    """A learner whose network comes apart into named parts, "encoder" among them."""

    def part_names(self) -> Sequence[str]:
        """Returns the names of all parts."""
        ...

    def load_weights(self, weights: Mapping[str, Tensor], *, only: Sequence[str] = ()) -> None:
        """Overwrite the parameters, or those of the named parts alone."""

    def freeze(self, *parts: str) -> None:
        """Train everything but these parts from now on."""

    def unfreeze(self, *parts: str) -> None:
        """Train these parts again."""

    def reset_parts(self, *parts: str) -> None:
        """Draw these parts anew, as they were when the learner was made."""


class ActionDistribution(Protocol):
    """Distributions over actions at [...] states.

    Over finitely many they also have `mode()` and `draw(rng)`, an action each, and, of a learner that has a
    `distribution_temperature`, `spread()`, the deviation of its values.
    """

    @property
    def params(self) -> Tensor:
        """What they are made of [..., P]: log-probabilities, or means and logs of deviations."""
        ...

    def kl(self, other: Any) -> Tensor:
        """Returns KL(self || other) [...] in nats, summed over what an action consists of."""
        ...

    def log_prob(self, action: Tensor) -> Tensor:
        """Returns the log-probability [...] of an action at each state."""
        ...

    def fisher_weights(self) -> Tensor:
        """Returns the diagonal [..., P] of their Fisher information in `params`."""
        ...


@runtime_checkable
class HasDistribution(Protocol):
    """A learner that says what its policy's distribution over actions is."""

    @property
    def policy(self) -> Any:
        """The network that is trained, a `torch.nn.Module`."""
        ...

    def distribution(self, policy: Any, states: Any) -> tuple[ActionDistribution, Tensor | None]:
        """Returns the distributions of a network of the learner's kind, and its memory after the states.

        Args:
            policy: The learner's network or a copy of it.
            states: Has `obs` and, where the learner has use for them, `action`, `initial_state`,
                `episode_start` or `latent`: its own batches do, and `retention.States`.
        """
        ...

    def distribution_from(self, params: Tensor) -> ActionDistribution:
        """Returns the distributions of these parameters [..., P]."""
        ...


@runtime_checkable
class Sigmas(Protocol):
    """A learner that explores by noise on its weights, the scale of which is learned."""

    def reset_sigmas(self) -> None:
        """Put the noise's scale back to where it started."""


@runtime_checkable
class Protecting(Protocol):
    """A learner with a replay, of which a share can be protected."""

    def protect(self, policy: Policy, envs: Envs, num: int, share: float, seed: int) -> None:
        """Keep `num` env steps of a frozen policy on `envs`, a share of each batch from now on.

        They are in no state: who resumes protects them again.
        """


@runtime_checkable
class ReplayBuffer(Protocol):
    """A task's replay, as far as a paradigm looks into it."""

    @property
    def num_transitions(self) -> int:
        """Transitions that can be drawn."""
        ...

    def recent(
        self, num: int, window: int, rng: np.random.Generator, *, replace: bool, next_obs: bool
    ) -> Any:
        """Returns so many of the latest steps, or as many as there are."""
        ...


@runtime_checkable
class ReplayLearner(Learner, Protocol):
    """An off-policy learner with a replay for each task, which collects and updates in parts.

    `updates_due` grows with the env steps that are collected, and falls by one with each update.
    """

    updates_due: float

    @property
    def target_due(self) -> bool:
        """Whether the target network's period ended in an update that did not copy it."""
        ...

    @property
    def env_step(self) -> int:
        """Env steps collected so far."""
        ...

    @property
    def policy(self) -> Any:
        """The network that is trained, a `torch.nn.Module`."""
        ...

    @property
    def replays(self) -> Sequence[ReplayBuffer]:
        """A task's each, in the order of the tasks."""
        ...

    @property
    def ready_tasks(self) -> Sequence[int]:
        """Those whose replay holds enough to learn from."""
        ...

    def collect(self, envs: Envs, rows: int) -> tuple[Episode, ...]:
        """Step all slots `rows` times into the replays; the episodes that ended."""
        ...

    def update(self, *, copy_target: bool = True) -> dict[str, float]:
        """One optimiser step, and a copy into the target network if that is due and wanted; its metrics."""
        ...

    def copy_to_target(self) -> None:
        """Copy the network into the target network."""

    def reset_optimiser(self) -> None:
        """Forget the optimiser's moments, as a fresh optimiser would have none."""


@runtime_checkable
class LatentLearner(ReplayLearner, Protocol):
    """An off-policy learner whose network is told by a latent which task it plays.

    Its network has `latent_size`, above 0, `context_next_obs` and `factors(contexts)`, the mean and the
    variance [N, L] of what each transition says of its task; its frozen policy has that `network` and
    `with_latent`.
    """


class LatentPlayer(Policy, Protocol):
    """A frozen policy whose latent may be told."""

    @property
    def network(self) -> Any:
        """What infers: it has what `LatentLearner` says."""
        ...

    def with_latent(self, latent: LatentDistribution | None) -> Self:
        """Returns this policy with latents from another distribution; None for the prior."""
        ...


@runtime_checkable
class Remembering(Policy, Protocol):
    """A frozen policy that may begin with what another one remembered.

    Its `initial_state` is a tensor, and its observations have the feedback that RL2 learns from.
    """

    def remembering(self, memory: Memory | None) -> Self:
        """Returns this policy with another memory to begin with; None for nothing."""
        ...


@runtime_checkable
class DemoLearner(Protocol):
    """A learner that learns from demonstrations beside what it tries."""

    def add_demonstrations(self, demonstrations: Sequence[Any], task: int = 0) -> None:
        """Put demonstrations of a task into its replay, where they stay and are part of its state."""


@runtime_checkable
class Particular(Protocol):
    """A learner whose weights mean something only to those that see and act as it does."""

    def check_policy(self, policy: Any) -> None:
        """Raises ValueError unless it can go on from what this frozen policy knows."""


def require(learner: Any, capability: type[Any], who: str, instead: str = "") -> Any:
    """Returns the learner, which has the capability.

    Args:
        learner: Of any class.
        capability: A protocol of this module.
        who: The one who asks, for the message.
        instead: What to do about it, for the message.

    Raises:
        ValueError: It has not, in one sentence with what it lacks.
    """
    lacking = [name for name in members(capability) if not hasattr(learner, name)]
    if lacking:
        advice = f": {instead}" if instead else ""
        raise ValueError(f"{who}, and {type(learner).__name__} has no {', '.join(lacking)}{advice}")
    return learner


def members(capability: type) -> list[str]:
    """Returns the names of what a protocol asks for, sorted."""
    names = set()
    for kind in capability.__mro__:
        if getattr(kind, "_is_protocol", False) and kind is not Protocol:
            names |= {*vars(kind), *vars(kind).get("__annotations__", {})}
    return sorted(name for name in names if not name.startswith("_"))
