"""What a study compares: a way to pretrain and a way to adapt, by the name that its users give it.

A name is PRETRAINING or PRETRAINING:ADAPTATION, as in "multitask" (fine-tuned, its own adaptation),
"multitask:none" (zero-shot) or "rl2:both" (context and fine-tuning). Methods that share a pretraining start
from the same checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fvm_learners.rainbow.config import RainbowConfig
from fvm_meta import RL2, MultiTask, Paradigm, Reptile, Scratch
from fvm_meta.paradigm import Transfer
from fvm_meta.pearl import PEARL
from fvm_meta.replay_reptile import ReplayReptile
from fvm_meta.reptile import EPS_SCHEDULES

from study.errors import StudyError, unknown
from study.learners import LearnerConfig

PARADIGMS: Mapping[str, type[Paradigm]] = {
    "scratch": Scratch,
    "multitask": MultiTask,
    "reptile": Reptile,
    "rl2": RL2,
    "pearl": PEARL,
}
OFF_POLICY: Mapping[str, type[Paradigm]] = {"reptile": ReplayReptile}  # where it differs
ONE_LEARNER = {"rl2": "ppo", "pearl": "rainbow"}  # paradigms that work with one kind of learner only
NONE = "none"  # zero-shot: the pretrained agent as it is
ADAPTATIONS = {
    "gradient": "fine-tuning",
    "context": "context",
    "both": "context + fine-tuning",
    "encoder": "encoder only",
    "frozen": "encoder only, frozen",
    NONE: "zero-shot",
}
# What fine-tuning takes over from the pretrained agent, where that is not everything.
TRANSFERS: Mapping[str, Transfer] = {
    "encoder": Transfer(parts="encoder"),
    "frozen": Transfer(parts="encoder", frozen=True),
}
GRADIENT = ("gradient", "both", *TRANSFERS)


def paradigm_of(name: str, learner: LearnerConfig) -> type[Paradigm]:
    """Returns the class of a paradigm for a base learner."""
    off_policy = isinstance(learner, RainbowConfig)
    return OFF_POLICY.get(name, PARADIGMS[name]) if off_policy else PARADIGMS[name]


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """A paradigm with what of its settings makes it this variant.

    Attributes:
        paradigm: A key of `PARADIGMS`.
        label: For people.
        adaptations: What may follow, its own first.
        config: Fields of the paradigm's config.
    """

    paradigm: str
    label: str
    adaptations: tuple[str, ...] = ("gradient", NONE, *TRANSFERS)
    config: Mapping[str, Any] = field(default_factory=dict)


def _reptile(schedule: str, label: str) -> Pretraining:
    return Pretraining(paradigm="reptile", label=label, config={"eps_schedule": EPS_SCHEDULES[schedule]})


PRETRAININGS: Mapping[str, Pretraining] = {
    "scratch": Pretraining(paradigm="scratch", label="Scratch", adaptations=("gradient",)),
    "multitask": Pretraining(paradigm="multitask", label="Multi-task"),
    "reptile": Pretraining(paradigm="reptile", label="Reptile"),  # its schedule is free to be tuned
    "reptile-printed": _reptile("as_printed", "Reptile .1 → 0"),
    "reptile-authors": _reptile("authors", "Reptile .9 → 1"),
    "reptile-rising": _reptile("authors_atari", "Reptile 0 → 1"),
    "reptile-batch": Pretraining(
        paradigm="reptile",
        label="Reptile, 16 tasks a step",
        config={"meta_batch": 16},
    ),
    "rl2": Pretraining(paradigm="rl2", label="RL²", adaptations=("context", "both", "gradient", NONE)),
    "rl2-reset": Pretraining(
        paradigm="rl2", label="RL², memory reset", adaptations=("context", "gradient"), config={"trials": 1}
    ),
    "pearl": Pretraining(paradigm="pearl", label="PEARL", adaptations=("context", "both", NONE)),
}


@dataclass(frozen=True)
class Method:
    """A row of the comparison: how it is pretrained, how it adapts."""

    pretraining: str
    adaptation: str

    @classmethod
    def parse(cls, name: str) -> Method:
        """Returns the method of a name.

        Raises:
            StudyError: Nobody knows it.
        """
        pretraining, _, adaptation = name.partition(":")
        if pretraining not in PRETRAININGS:
            raise unknown("method", name, PRETRAININGS)
        allowed = PRETRAININGS[pretraining].adaptations
        if adaptation and adaptation not in allowed:
            raise StudyError(
                f"{pretraining} cannot adapt by {adaptation!r}; it can by {', '.join(allowed)}, of which the "
                "first is its own"
            )
        return cls(pretraining, adaptation or allowed[0])

    @property
    def name(self) -> str:
        """The shortest name that `parse` understands."""
        own = self.adaptation == PRETRAININGS[self.pretraining].adaptations[0]
        return self.pretraining if own else f"{self.pretraining}:{self.adaptation}"

    @property
    def label(self) -> str:
        """For people, as in "Multi-task + fine-tuning"."""
        kind = PRETRAININGS[self.pretraining]
        if self.pretraining == "scratch" or self.adaptation == "context":
            return kind.label
        if self.adaptation in TRANSFERS:
            return f"{kind.label}, {ADAPTATIONS[self.adaptation]}"
        if self.adaptation == "both":
            return f"{kind.label} + fine-tuning"
        if self.adaptation == NONE:
            return f"{kind.label}, zero-shot"
        reset = ", no memory" if self.pretraining == "rl2" else ""
        return f"{kind.label} + fine-tuning{reset}"


SCRIPTS = {"random": "Random", "always_right": "Always right", "waypoints": "Scripted planner"}


def label_of(name: str, unit: str = "level") -> str:
    """Returns what people call a row: "multitask@1000" is multi-task on 1,000 levels, "random" a player."""
    method, _, size = name.partition("@")
    label = SCRIPTS.get(method) or Method.parse(method).label
    return f"{label} ({counted(int(size), unit)})" if size else label


def counted(number: int, unit: str) -> str:
    """Returns as many of a unit, as in "1 game" and "1,000 levels"."""
    return f"{number:,} {unit}" + "s" * (number != 1)
