"""The records that a study is made of: what a benchmark, a learner, a method, ... is to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from study.measure_records import Measure

if TYPE_CHECKING:
    from fvm_envs.suite import Suite
    from fvm_eval.claims import Claim
    from fvm_meta import Paradigm
    from fvm_meta.paradigm import Transfer
    from fvm_meta.retention import Retention
    from numpy.random import Generator

    from study.config import StudyConfig
    from study.engines.schedule import RunOptions


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """The options of a benchmark that has none."""


def nothing_changes(preset: StudyConfig, options: Any) -> Mapping[str, Any]:
    """Returns no change of a preset."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A suite of tasks as studies use it.

    Attributes:
        name: Of the record, and what `--benchmark` takes.
        suite: Makes, checks, scores and plays its tasks.
        presets: Named sizes of a study.
        about: A line for `--help`.
        version: Raised when its environments give other numbers.
        unit: What people call a task.
        options: A dataclass of strings, numbers and booleans, each None or a default: what `--set` takes.
        chosen: Of a preset and those options, the fields of the preset that they change. Raises ValueError
            or StudyError for values that do not fit.
        by_default: Presets that run where none is named, a study each; without it quick or small, as the
            device is.
        several: By preset, the options of which each runs as a study of its own where none is given.
        claims: What is claimed of a study beforehand, the claim that the headline answers first.
        normalised_name: Axis label of a score that is normalised over tasks of several ranges.
    """

    name: str
    suite: Suite
    presets: Mapping[str, StudyConfig]
    about: str = ""
    version: int | None = None
    unit: str = "task"
    options: type[Any] = NoOptions
    chosen: Callable[[StudyConfig, Any], Mapping[str, Any]] = nothing_changes
    by_default: tuple[str, ...] = ()
    several: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    claims: Callable[[StudyConfig], Sequence[Claim]] = field(default=lambda config: ())
    normalised_name: str = "Normalised score (0 to 1)"


def no_memory(config: Any, observation_space: Any, num_tasks: int) -> int:
    """Returns 0: a learner that keeps nothing but its parameters and one rollout."""
    return 0


def as_it_is(config: Any, num_envs: int, *, learns: bool) -> Any:
    """Returns a learner's config unchanged: its first iterations are as costly as later ones."""
    return config


@dataclass(frozen=True, kw_only=True)
class LearnerKind:
    """A base learner, as far as a study must know it.

    Attributes:
        name: Of the record, and of its settings in a job.
        config: Its frozen dataclass of settings; `num_steps` is the length of an iteration.
        learner: Its class, as "module:Class", or the class itself: made with (observation_space,
            action_space, config, *, seed, device, hooks), and num_tasks and sampler where it has `replay`.
        capabilities: What paradigms may ask of it, by the strings of `fvm_meta.capabilities`.
        memory_nbytes: Of a config, an observation space and a number of tasks, what its replays take in the
            end.
        as_measured: Returns a config whose first iterations are as costly as later ones, for estimates.
        words: What sets trainings with such a config apart in their cost.
        acts: How its agents act when they are evaluated, as in "its actions ...".
        demonstration: Of a suite's demonstration, what its `add_demonstrations` takes; None for none.
        retain: By retention, those of its settings that suit this learner better than the defaults.
        lasting: Fields of the config that an adaptation must have as the pretraining whose weights it goes on
            from.
    """

    name: str
    config: type[Any]
    learner: str | type[Any]
    capabilities: frozenset[str] = frozenset()
    memory_nbytes: Callable[[Any, Any, int], int] = no_memory
    as_measured: Callable[..., Any] = as_it_is
    words: Callable[[Any], str] = field(default=lambda config: "")
    acts: Callable[[Any], str] = field(default=lambda config: "sampled")
    demonstration: Callable[[Any], Any] | None = None
    retain: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lasting: tuple[str, ...] = ()

    @property
    def made_by(self) -> type[Any]:
        """Its class, imported now; raises ValueError if there is none."""
        if not isinstance(self.learner, str):
            return self.learner
        module, _, name = self.learner.partition(":")
        try:
            found: type[Any] = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(
                f"the learner {self.name!r} is {self.learner!r}, and that cannot be imported: {error}"
            ) from error
        return found


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """A way to adapt a pretrained agent to a new task.

    Attributes:
        name: What follows the colon in a method's name.
        label: For people, with {} for the pretraining's label.
        config: Fields of the paradigm's config that ask for it.
        transfer: What fine-tuning takes over from the pretrained agent; None for everything.
        needs: Capabilities that the learner must have for it.
        zero_shot: Whether the agent stays as it is.
        does: What takes the time: it "learns", it only "acts", or next to "nothing".
    """

    name: str
    label: str
    config: Mapping[str, Any] = field(default_factory=dict)
    transfer: Transfer | None = None
    needs: frozenset[str] = frozenset()
    zero_shot: bool = False
    does: Literal["learns", "acts", "nothing"] = "learns"


Draw = Callable[["Generator"], Any]


@dataclass(frozen=True, kw_only=True)
class Control:
    """A finished study in which a method is known to gain: without it, not gaining says nothing.

    Attributes:
        arm: Of the method's name, an arm that such a study has.
        made_by: The command that makes it, and the folder to name, for people.
    """

    arm: Callable[[str], str]
    made_by: str


@dataclass(frozen=True, kw_only=True)
class MethodKind:
    """A way to pretrain, and the ways to adapt that may follow it.

    Attributes:
        name: What `--methods` takes.
        label: For people.
        paradigm: Its class in fvm_meta's contract, or what returns it for a learner's record.
        adaptations: What may follow, its own first.
        about: A line for `--help`.
        config: Fields of the paradigm's config that make it this variant; no tuning changes them.
        variant_of: The method of whose paradigm it is a variant; its jobs then are that method's, with
            another config.
        pretrained_as: The method whose pretraining it adapts, where it has none of its own: they share jobs.
        pretrains: Whether there is a pretraining at all.
        lifetimes: Whether its envs show lifetimes of several trials, as `fvm_envs.Trials`; its config then
            has `trials`.
        needs: Capabilities that the learner must have.
        tuning: By learner, what `--tune` draws: "config.", "learner.", "pretrain." or "adapt." and a field.
            Learning rates are factors of the phase's.
        control: What `--control` must show of it, where it has a control.
        reference: Whether reports set the other methods beside it.
    """

    name: str
    label: str
    paradigm: type[Paradigm] | Callable[[LearnerKind], type[Paradigm]]
    adaptations: tuple[Adaptation, ...]
    about: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    variant_of: str = ""
    pretrained_as: str = ""
    pretrains: bool = True
    lifetimes: bool = False
    needs: frozenset[str] = frozenset()
    tuning: Mapping[str, Mapping[str, Draw]] = field(default_factory=dict)
    control: Control | None = None
    reference: bool = False

    def made_by(self, learner: LearnerKind) -> type[Paradigm]:
        """Its class for a learner."""
        return self.paradigm if isinstance(self.paradigm, type) else self.paradigm(learner)

    @property
    def is_a(self) -> str:
        """The name of its paradigm in a job."""
        return self.variant_of or self.name

    def adaptation(self, name: str) -> Adaptation:
        """Returns an adaptation by name, its own for an empty one; raises KeyError for another's."""
        return next(iter(self.adaptations)) if not name else {one.name: one for one in self.adaptations}[name]


@dataclass(frozen=True, kw_only=True)
class RetentionKind:
    """What is kept while a pretrained agent fine-tunes, or an arm to set beside that.

    Attributes:
        name: What follows a plus in a method's name, and the hook's own.
        label: For people.
        config: Its settings, a dataclass with defaults: `make()` returns the hook, or `learner(config)` the
            config of a learner that adapts with them. As many states as its field `states` says are taken
            to be played for it.
        hook: Its class. It says whether it keeps what was pretrained, holds parts still or mixes weights,
            and its version is in the key of a job; without one its source. None of what changes a learner's
            config, which is in the key itself.
        needs: Capabilities that the learner must have for it.
        already: The field of a study's config with which all fine-tuning does this anyway, if there is one.
    """

    name: str
    label: str
    config: type[Any]
    hook: type[Retention] | None = None
    needs: frozenset[str] = frozenset()
    already: str = ""


@dataclass(frozen=True, kw_only=True)
class ClaimKind:
    """Claims on studies of any benchmark.

    Attributes:
        name: Of the record.
        claims: Of a study, what is claimed of it; nothing where it is about something else.
    """

    name: str
    claims: Callable[[StudyConfig], Sequence[Claim]]


class Workers(Protocol):
    """Worker processes that take jobs of the study in a folder, started from here."""

    @property
    def size(self) -> int:
        """How many are there."""

    def submit(self) -> None:
        """Starts one more."""

    def poll(self, timeout_s: float) -> Sequence[tuple[int, int]]:
        """Waits a moment; returns process id and exit status of those that have ended.

        Raises:
            StudyError: One of them met what a user must mend, as a full disk; in its words.
        """

    def stop(self) -> None:
        """Has all of them write their checkpoints and end."""


@dataclass(frozen=True, kw_only=True)
class Launcher:
    """Who runs a study's jobs.

    Attributes:
        name: What `--engine` takes.
        about: A line for `--help`.
        start: Of the study's folder and how its jobs run, what starts workers on it; None where they are
            started elsewhere (`study work FOLDER`), and this process plans, watches and reports.
        here: Whether they run on this machine, whose cores and devices then count.
    """

    name: str
    about: str = ""
    start: Callable[[Path, RunOptions], Workers] | None = None
    here: bool = False


Record = Benchmark | LearnerKind | MethodKind | RetentionKind | Measure | ClaimKind | Launcher
