"""Arms that hold parts of a network still, for a while or for good.

    critic-warm-up   only the value's part learns during the first updates; what acts is the pretrained policy
    freeze           named parts never learn, not after a warm-up either
    head-only        the heads are drawn anew, and only they learn
    head-reset       the heads are drawn anew, and everything learns
    sigmas           noisy layers begin with their first scale, to explore anew

They are arms of their own, and the same beside every retention: in the released configurations of Wolczyk et
al. 2024 freezing and critic differ between methods, so those are no clean ablation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fvm_learners.config_checks import check_counts, check_flags

from fvm_meta.capabilities import HasParts, Sigmas
from fvm_meta.retention.retention import Retention
from fvm_meta.retention.states import Play
from fvm_meta.stream import Snapshot

HEADS = ("policy", "value", "head")  # names of parts that map features to actions and values


@dataclass(frozen=True, kw_only=True)
class CriticWarmUpConfig:
    """Settings of the warm-up.

    Attributes:
        updates: Optimiser steps during which only the value learns. More: a critic that fits the pretrained
            policy before it moves it.
        part: What learns.
    """

    updates: int = 200
    part: str = "value"

    def __post_init__(self) -> None:
        check_counts(self, ("updates",))

    def make(self) -> CriticWarmUp:
        """Returns a fresh hook."""
        return CriticWarmUp(self)


class CriticWarmUp(Retention):
    """Freezes all but the value for the first updates."""

    keeps = False
    name = "critic-warm-up"
    version = 3  # at its end it no longer lets learn what a transfer or another retention holds still
    needs: ClassVar[type[Any]] = HasParts

    def __init__(self, config: CriticWarmUpConfig) -> None:
        super().__init__()
        self.config, self.left = config, config.updates
        self._learner: Any = None
        self._held: tuple[str, ...] = ()

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Freezes what does not learn yet.

        Raises:
            ValueError: The learner has no such part, or no parts at all.
        """
        super().prepare(learner, snapshot, play)
        self._learner = learner
        named(learner, (self.config.part,), self.name)
        self._held = tuple(name for name in learner.part_names() if name != self.config.part)
        learner.freeze(*self._held)

    def beside(self, still: Collection[str]) -> None:
        """Leaves frozen at the end what never learns."""
        self._held = tuple(part for part in self._held if part not in still)

    def after_step(self) -> None:
        """Counts, and lets everything learn at the end that nothing else holds still."""
        if self.left:
            self.left -= 1
            if not self.left and self._held:
                self._learner.unfreeze(*self._held)

    def state_dict(self) -> dict[str, Any]:
        """Returns what is left of the warm-up."""
        return {**super().state_dict(), "left": self.left}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
        super().load_state_dict(state)
        self.left = state["left"]


@dataclass(frozen=True, kw_only=True)
class FreezeConfig:
    """Settings of freezing.

    Attributes:
        parts: That never learn; what they keep of their batches (BatchNorm) stands still as well.
    """

    parts: tuple[str, ...] = ("encoder",)

    def __post_init__(self) -> None:
        named = isinstance(self.parts, tuple | list) and all(isinstance(part, str) for part in self.parts)
        if not named or not self.parts:
            raise ValueError(f"parts={self.parts!r}: give a tuple of names, one at least")

    def make(self) -> Freeze:
        """Returns a fresh hook."""
        return Freeze(self)


class Freeze(Retention):
    """Holds parts still for good."""

    name = "freeze"
    needs: ClassVar[type[Any]] = HasParts
    holds: ClassVar[bool] = True

    def __init__(self, config: FreezeConfig) -> None:
        super().__init__()
        self.config = config

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Freezes them.

        Raises:
            ValueError: The learner has no such part, or no parts at all.
        """
        super().prepare(learner, snapshot, play)
        self.still = named(learner, self.config.parts, self.name)
        learner.freeze(*self.still)


@dataclass(frozen=True, kw_only=True)
class HeadOnlyConfig:
    """Settings of training the heads alone.

    Attributes:
        reset: Whether they are drawn anew first.
    """

    reset: bool = True

    def __post_init__(self) -> None:
        check_flags(self)

    def make(self) -> HeadOnly:
        """Returns a fresh hook."""
        return HeadOnly(self)


class HeadOnly(Retention):
    """Draws the heads anew and trains nothing else."""

    name = "head-only"
    needs: ClassVar[type[Any]] = HasParts
    holds: ClassVar[bool] = True

    def __init__(self, config: HeadOnlyConfig) -> None:
        super().__init__()
        self.config = config

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Resets the heads and freezes the rest.

        Raises:
            ValueError: The learner has no heads, or no parts at all.
        """
        super().prepare(learner, snapshot, play)
        heads = heads_of(learner, self.name)
        if self.config.reset:
            learner.reset_parts(*heads)
        self.still = tuple(name for name in learner.part_names() if name not in heads)
        learner.freeze(*self.still)


@dataclass(frozen=True, kw_only=True)
class HeadResetConfig:
    """It has no settings."""

    def make(self) -> HeadReset:
        """Returns a fresh hook."""
        return HeadReset()


class HeadReset(Retention):
    """Draws the heads anew; what was learned below them is all that is transferred."""

    keeps = False
    name = "head-reset"
    needs: ClassVar[type[Any]] = HasParts

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Resets the heads.

        Raises:
            ValueError: The learner has no heads, or no parts at all.
        """
        super().prepare(learner, snapshot, play)
        learner.reset_parts(*heads_of(learner, self.name))


@dataclass(frozen=True, kw_only=True)
class SigmasConfig:
    """It has no settings."""

    def make(self) -> ResetSigmas:
        """Returns a fresh hook."""
        return ResetSigmas()


class ResetSigmas(Retention):
    """Puts the scale of noisy layers back to where it started: who is pretrained may not explore."""

    keeps = False
    name = "sigmas"
    needs: ClassVar[type[Any]] = Sigmas

    def prepare(self, learner: Any, snapshot: Snapshot | None, play: Play) -> None:
        """Resets them.

        Raises:
            ValueError: The learner explores in another way.
        """
        super().prepare(learner, snapshot, play)
        learner.reset_sigmas()


def heads_of(learner: Any, who: str) -> list[str]:
    """Returns the parts of a learner's network that map features to actions and values.

    Raises:
        ValueError: There are none.
    """
    parts = learner.part_names()
    heads = [name for name in parts if name in HEADS]
    if not heads:
        raise ValueError(f"retention {who!r} found no head among the parts {', '.join(parts)}")
    return heads


def named(learner: Any, parts: tuple[str, ...], who: str) -> tuple[str, ...]:
    """Returns the parts, all of which the learner has.

    Raises:
        ValueError: It lacks one.
    """
    known = tuple(learner.part_names())
    if lacking := [part for part in parts if part not in known]:
        raise ValueError(
            f"retention {who!r} names {', '.join(lacking)}; {type(learner).__name__} has {', '.join(known)}"
        )
    return parts
