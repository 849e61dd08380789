"""What a study compares: a way to pretrain and a way to adapt, by the name that its users give it.

A name is PRETRAINING or PRETRAINING:ADAPTATION, as in "multitask" (fine-tuned, its own adaptation),
"multitask:none" (zero-shot) or "rl2:both" (context and fine-tuning). What is kept meanwhile follows with a
plus, as in "multitask:gradient+bc+l2" (`retentions.py`). Methods that share a pretraining start from the same
checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fvm_meta import RL2, MultiTask, Paradigm, Reptile, Scratch
from fvm_meta.paradigm import Transfer
from fvm_meta.pearl import PEARL
from fvm_meta.replay_reptile import ReplayReptile
from fvm_meta.reptile import EPS_SCHEDULES

from study import retentions
from study.arm_names import moment, trial
from study.errors import StudyError, unknown
from study.registry import Adaptation, Control, LearnerKind, MethodKind, RetentionKind, registered
from study.tuning import draws

GRADIENT = Adaptation(name="gradient", label="{} + fine-tuning")
NONE = Adaptation(name="none", label="{}, zero-shot", zero_shot=True, does="nothing")
ENCODER = Adaptation(
    name="encoder",
    label="{}, encoder only",
    transfer=Transfer(parts="encoder"),
    needs=frozenset({"parts"}),
)
FROZEN = Adaptation(
    name="frozen",
    label="{}, encoder only, frozen",
    transfer=Transfer(parts="encoder", frozen=True),
    needs=frozenset({"parts"}),
)
CONTEXT = Adaptation(name="context", label="{}", config={"adaptation": "context"}, does="nothing")
BOTH = Adaptation(name="both", label="{} + fine-tuning", config={"adaptation": "both"})
FINE_TUNED = (GRADIENT, NONE, ENCODER, FROZEN)


def _reptile(learner: LearnerKind) -> type[Paradigm]:
    return ReplayReptile if "replay" in learner.capabilities else Reptile


def _first_trial(method: str) -> str:
    return trial(method, 1)


def _before_adaptation(method: str) -> str:
    return moment(method, "0")


REPTILE = MethodKind(
    name="reptile",  # its schedule is free to be tuned
    label="Reptile",
    paradigm=_reptile,
    adaptations=FINE_TUNED,
    needs=frozenset({"inner"}),
    tuning={
        "ppo": {"config.eps_schedule": draws.eps_schedule, **draws.RATES, **draws.ENTROPY},
        "rainbow": {"config.eps_schedule": draws.eps_schedule, **draws.RATES},
        "c2f_arm": {"config.eps_schedule": draws.eps_schedule, **draws.RATES},
    },
)
RL2_KIND = MethodKind(
    name="rl2",
    label="RL²",
    paradigm=RL2,
    adaptations=(
        CONTEXT,
        BOTH,
        Adaptation(name="gradient", label="{} + fine-tuning, no memory", config={"adaptation": "gradient"}),
        NONE,
    ),
    lifetimes=True,
    needs=frozenset({"memory"}),
    tuning={"ppo": draws.RECURRENT},
    control=Control(arm=_first_trial, made_by="`study --benchmark toy` and .../toy-schedules/hidden-catch"),
)

METHODS = (
    MethodKind(
        name="scratch",
        label="Scratch",
        paradigm=Scratch,
        adaptations=(replace(GRADIENT, label="{}"),),
        pretrains=False,
        reference=True,
        tuning={
            "ppo": draws.FROM_SCRATCH,
            "rainbow": draws.FROM_SCRATCH_OFF_POLICY,
            "c2f_arm": draws.FROM_SCRATCH_OFF_POLICY,
        },
    ),
    MethodKind(
        name="multitask",
        label="Multi-task",
        paradigm=MultiTask,
        adaptations=FINE_TUNED,
        reference=True,
        tuning={
            "ppo": {**draws.RATES, **draws.ENTROPY},
            "rainbow": draws.RATES,
            "c2f_arm": draws.RATES,
        },
    ),
    REPTILE,
    *(
        replace(
            REPTILE,
            name=f"reptile-{name}",
            label=f"Reptile {label}",
            variant_of="reptile",
            config={"eps_schedule": EPS_SCHEDULES[schedule]},
        )
        for name, label, schedule in (
            ("printed", ".1 → 0", "as_printed"),
            ("authors", ".9 → 1", "authors"),
            ("rising", "0 → 1", "authors_atari"),
        )
    ),
    replace(
        REPTILE,
        name="reptile-batch",
        label="Reptile, 16 tasks a step",
        variant_of="reptile",
        config={"meta_batch": 16},
    ),
    RL2_KIND,
    replace(
        RL2_KIND,
        name="rl2-reset",
        label="RL², memory reset",
        adaptations=(CONTEXT, replace(GRADIENT, config={"adaptation": "gradient"})),
        variant_of="rl2",
        config={"trials": 1},
        control=None,
    ),
    MethodKind(
        name="pearl",
        label="PEARL",
        paradigm=PEARL,
        adaptations=(replace(CONTEXT, does="acts"), BOTH, NONE),
        needs=frozenset({"latent"}),
        tuning={"rainbow": draws.INFERENCE, "c2f_arm": draws.INFERENCE},
        control=Control(
            arm=_before_adaptation, made_by="`study --benchmark toy` and .../toy-pearl/hidden-long-catch"
        ),
    ),
)


def pretraining_of(name: str) -> MethodKind:
    """Returns the record of a pretraining.

    Raises:
        StudyError: Nobody knows it.
    """
    known = registered().methods
    if name not in known:
        raise unknown("method", name, known, pluggable=True)
    return known[name]


@dataclass(frozen=True)
class Method:
    """A row of the comparison: how it is pretrained, how it adapts."""

    pretraining: str
    adaptation: str
    retained: tuple[str, ...] = ()

    @classmethod
    def parse(cls, name: str) -> Method:
        """Returns the method of a name.

        Raises:
            StudyError: Nobody knows it.
        """
        whole, *kept = name.split("+")
        pretraining, colon, adaptation = whole.partition(":")
        if pretraining not in registered().methods:
            raise unknown("method", name, registered().methods, pluggable=True)
        kind = pretraining_of(pretraining)
        allowed = [one.name for one in kind.adaptations]
        if (adaptation or (colon and not kept)) and adaptation not in allowed:
            raise StudyError(
                f"{pretraining} cannot adapt by {adaptation!r}; it can by {', '.join(allowed)}, of which the "
                "first is its own"
            )
        method = cls(pretraining, adaptation or allowed[0], retentions.parsed(kept))
        if kept and (method.way.does != "learns" or not kind.pretrains):
            raise StudyError(
                f"{name} keeps {', '.join(kept)} while it fine-tunes, and {pretraining}:{method.adaptation} "
                "does not fine-tune a pretrained agent; choose another adaptation, or leave it out"
            )
        hooks = [kind.hook for kind in method.keeps if kind.hook is not None]
        held = [hook.name for hook in hooks if hook.holds]
        if method.way.transfer is not None and method.way.transfer.frozen:
            held.append(f"{pretraining}:{method.adaptation}")
        if held and (mixed := [hook.name for hook in hooks if hook.mixes]):
            raise StudyError(
                f"{name}: {', '.join(mixed)} mixes all weights with random ones, and {', '.join(held)} holds "
                "some as they were pretrained; leave one of the two out"
            )
        return method

    @property
    def kind(self) -> MethodKind:
        """The record of its pretraining."""
        return pretraining_of(self.pretraining)

    @property
    def way(self) -> Adaptation:
        """The record of its adaptation."""
        return self.kind.adaptation(self.adaptation)

    @property
    def keeps(self) -> list[RetentionKind]:
        """The records of what is kept meanwhile."""
        return retentions.kinds(self.retained)

    @property
    def pretrained_as(self) -> str:
        """The name of the pretraining that it starts from, which it may share with other methods."""
        return self.kind.pretrained_as or self.pretraining

    @property
    def name(self) -> str:
        """The shortest name that `parse` understands."""
        own = self.adaptation == self.kind.adaptations[0].name and not self.retained
        if self.retained:
            return f"{self.pretraining}:{'+'.join((self.adaptation, *self.retained))}"
        return self.pretraining if own else f"{self.pretraining}:{self.adaptation}"

    @property
    def label(self) -> str:
        """For people, as in "Multi-task + fine-tuning, BC + L2"."""
        label = self.way.label.format(self.kind.label)
        kept = " + ".join(kind.label for kind in self.keeps)
        return f"{label}, {kept}" if kept else label

    @property
    def needs(self) -> frozenset[str]:
        """Capabilities that a learner must have for it."""
        return self.kind.needs | self.way.needs.union(*(kind.needs for kind in self.keeps))


@dataclass(frozen=True)
class Row:
    """A row of the tables: a method, with what sets it apart where a study has several of it.

    Attributes:
        method: Its name.
        size: Of the training set; None where there is one.
        demos: Of the test task; None where no row is told apart by them.
        point: Of the study's grid, as in "rate 0.0025"; empty where the method has one.
    """

    method: str
    size: int | None = None
    demos: int | None = None
    point: str = ""

    @classmethod
    def parse(cls, name: str) -> Row:
        """Returns the row of a name, as in "multitask@1000", "scratch, 2 demos" or "scratch, rate 0.01"."""
        rest, *parts = name.split(", ")
        method, _, size = rest.partition("@")
        demos = [int(part.partition(" ")[0]) for part in parts if part.endswith((" demo", " demos"))]
        point = [part for part in parts if not part.endswith((" demo", " demos"))]
        return cls(method, int(size) if size else None, demos[0] if demos else None, ", ".join(point))

    @property
    def name(self) -> str:
        """What `parse` understands."""
        size = "" if self.size is None else f"@{self.size}"
        demos = [] if self.demos is None else [counted(self.demos, "demo")]
        return ", ".join([f"{self.method}{size}", *demos, *[self.point] * bool(self.point)])

    @property
    def pretraining(self) -> str:
        """The row's name but for what comes with adapting, which a pretraining knows nothing of."""
        return replace(self, demos=None, point="").name


def label_of(name: str, unit: str = "level") -> str:
    """Returns what people call a row: "multitask@1000" is multi-task on 1,000 levels."""
    row = Row.parse(name)
    label = Method.parse(row.method).label
    label = label if row.size is None else f"{label} ({counted(row.size, unit)})"
    label = label if row.demos is None else f"{label}, {counted(row.demos, 'demo')}"
    return f"{label}, {row.point}" if row.point else label


def counted(number: int, unit: str) -> str:
    """Returns as many of a unit, as in "1 game" and "1,000 levels"."""
    return f"{number:,} {unit}" + "s" * (number != 1)
