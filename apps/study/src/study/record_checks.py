"""What the fields of records may be: told when they are registered, before anything is planned."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from typing import Any

from study.records import Adaptation, Benchmark, LearnerKind, MethodKind, Record, RetentionKind

TYPES: Mapping[str, tuple[Any, str]] = {
    "str": (str, "text"),
    "bool": (bool, "True or False"),
    "int": (int, "a whole number"),
    "tuple": (Sequence, "a tuple, with a comma after its one entry"),
    "frozenset": (Set, "a frozenset"),
    "Mapping": (Mapping, "a dict"),
    "Callable": (Callable, "a function"),
    "type": (type, "a class"),
    "None": (type(None), "None"),
}
PARTS = re.compile(r"[:+@/\s]")
LONGEST = 300  # of what came, in a message
DOES = ("learns", "acts", "nothing")


def check_record(record: Record | Adaptation, what: str) -> None:
    """Raises TypeError or ValueError unless a record's fields are of their types."""
    for one in fields(record):
        value, words = getattr(record, one.name), str(one.type)
        while (shorter := re.sub(r"\[[^\[\]]*\]", "", words)) != words:
            words = shorter
        kinds = [part.strip() for part in words.split("|")]
        known = [TYPES[kind] for kind in kinds if kind in TYPES]
        if len(known) < len(kinds):
            continue  # a suite, a control: what is wrong with it is told where it is used
        odd = (isinstance(value, bool) and "bool" not in kinds) or (
            isinstance(value, str) and "str" not in kinds
        )
        if odd or not isinstance(value, tuple(kind for kind, _ in known)):
            expected = " or ".join(said for _, said in known)
            shown = repr(value) if len(repr(value)) <= LONGEST else reprlib.repr(value)[:LONGEST]
            raise TypeError(f"{one.name} of {what} is {shown}; give {expected}")
    if isinstance(record, Benchmark):
        _check_presets(record, what)
    if isinstance(record, LearnerKind):
        _check_dataclass(record.config, f"config of {what}")
    if isinstance(record, MethodKind):
        paradigm: Any = record.paradigm
        if isinstance(paradigm, type) and (config := getattr(paradigm, "Config", None)) is not None:
            _check_dataclass(config, f"{paradigm.__qualname__}.Config")
        _check_adaptations(record.adaptations, what)
    if isinstance(record, RetentionKind):
        _check_retention(record, what)


def _check_presets(record: Benchmark, what: str) -> None:
    if not record.presets:
        raise ValueError(f"{what} has no presets; give at least one StudyConfig by its name")
    for name, preset in record.presets.items():
        if not (hasattr(preset, "benchmark") and hasattr(preset, "preset")):
            shown = reprlib.repr(preset)[:LONGEST]
            raise TypeError(f"the preset {name!r} of {what} is {shown}; give a study.config.StudyConfig")
        if (preset.benchmark, preset.preset) != (record.name, name):
            raise ValueError(
                f"the preset {name!r} of {what} says benchmark={preset.benchmark!r}, "
                f"preset={preset.preset!r}; let it say {record.name!r}, {name!r}"
            )


def _check_retention(record: RetentionKind, what: str) -> None:
    from fvm_meta.retention import Retention  # which takes seconds, and only who registers one has need of

    _check_dataclass(record.config, f"config of {what}")
    try:
        made = record.config()
    except (TypeError, ValueError) as error:
        raise TypeError(f"config of {what} cannot be made without settings: {error}; give defaults") from None
    asked = "learner" if record.hook is None else "make"
    if not callable(getattr(made, asked, None)):
        returned = (
            "the hook" if record.hook else "of a learner's config the one it adapts with, or give a hook"
        )
        raise TypeError(f"config of {what} has no {asked}(); let it return {returned}")
    if record.hook is not None and not issubclass(record.hook, Retention):
        raise TypeError(f"hook of {what} is {record.hook!r}; give a fvm_meta.retention.Retention")
    if record.hook is not None and record.hook.name != record.name:
        raise ValueError(f"hook of {what} is called {record.hook.name!r}; give both the same name")


def _check_dataclass(config: Any, what: str) -> None:
    if not (isinstance(config, type) and is_dataclass(config)):
        raise TypeError(f"{what} is {config!r}; give a dataclass (@dataclass(frozen=True, kw_only=True))")


def _check_adaptations(adaptations: Sequence[Any], what: str) -> None:
    if not adaptations or not all(isinstance(one, Adaptation) for one in adaptations):
        raise TypeError(
            f"adaptations of {what} are {adaptations!r}; give a tuple of at least one Adaptation, as "
            "study.methods.GRADIENT"
        )
    for one in adaptations:
        mine = f"the adaptation {one.name!r} of {what}"
        check_record(one, mine)
        if not one.name or PARTS.search(one.name):
            raise ValueError(f"{mine} cannot be called so: leave out blanks, ':', '+', '@' and '/'")
        if one.does not in DOES:
            raise ValueError(f"does of {mine} is {one.does!r}; give one of {', '.join(DOES)}")
        try:
            one.label.format("")
        except (LookupError, ValueError):
            raise ValueError(f"label of {mine} is {one.label!r}; {{}} stands once for the method's") from None
    names = [one.name for one in adaptations]
    if len(set(names)) < len(names):
        raise ValueError(f"adaptations of {what} are called {', '.join(names)}; give each its own name")
