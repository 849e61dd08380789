"""Where the records that a study is made of are found by name."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from types import CodeType
from typing import Any

from study.measure_records import Findings, Finished, Measure, Ranges, Rows, everywhere
from study.record_checks import check_record
from study.records import (
    Adaptation,
    Benchmark,
    ClaimKind,
    Control,
    Draw,
    Launcher,
    LearnerKind,
    MethodKind,
    NoOptions,
    Record,
    RetentionKind,
    Workers,
)

__all__ = [
    "Adaptation",
    "Benchmark",
    "ClaimKind",
    "Control",
    "Draw",
    "Findings",
    "Finished",
    "Launcher",
    "LearnerKind",
    "Measure",
    "MethodKind",
    "NoOptions",
    "Ranges",
    "Record",
    "RetentionKind",
    "Rows",
    "Workers",
    "everywhere",
    "register",
    "registered",
]


BUILT_IN = "fvm_study.built_in"  # entry points: so what is built in imports this file, and not the reverse


@dataclass(frozen=True)
class Registry:
    """All records, by kind and name."""

    benchmarks: dict[str, Benchmark] = field(default_factory=dict)
    learners: dict[str, LearnerKind] = field(default_factory=dict)
    methods: dict[str, MethodKind] = field(default_factory=dict)
    retentions: dict[str, RetentionKind] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)
    claims: dict[str, ClaimKind] = field(default_factory=dict)
    launchers: dict[str, Launcher] = field(default_factory=dict)

    def of(self, record: Record) -> dict[str, Any]:
        """Returns the records of the same kind."""
        kinds: dict[type[Any], dict[str, Any]] = {
            Benchmark: self.benchmarks,
            LearnerKind: self.learners,
            MethodKind: self.methods,
            RetentionKind: self.retentions,
            Measure: self.measures,
            ClaimKind: self.claims,
            Launcher: self.launchers,
        }
        if type(record) not in kinds:
            names = ", ".join(kind.__name__ for kind in kinds)
            raise TypeError(f"register() takes records ({names}), not {type(record).__name__}")
        return kinds[type(record)]


_REGISTRY = Registry()
_registered_by: dict[tuple[str, str], tuple[str, CodeType]] = {}  # a file and its code, by kind and name
_built_in: dict[str, frozenset[str]] = {}  # names by kind
_NAME = re.compile(r"[^\s:+@/\\]+")
_loading = False


def registered() -> Registry:
    """Returns all records that are known here: the built-in ones, and those of plug-ins."""
    global _loading
    if not _loading:
        _loading = True
        for point in entry_points(group=BUILT_IN):
            point.load()
        _built_in.update({kind: frozenset(records) for kind, records in vars(_REGISTRY).items()})
    return _REGISTRY


def brought() -> dict[str, list[str]]:
    """Returns the names of all records that plug-ins have registered, by kind."""
    names = {kind: [*records] for kind, records in vars(registered()).items()}
    added = {kind: [name for name in of if name not in _built_in[kind]] for kind, of in names.items()}
    return {kind: of for kind, of in added.items() if of}


def register(*records: Record) -> None:
    """Makes records known by their names, in this process.

    A file that is loaded again, or a notebook's cell that is run again, replaces its own records.

    Raises:
        ValueError: A name that is taken, or one with what joins the parts of a method's or an arm's name.
        TypeError: Something that is no record, or a field that is not what it can be.
    """
    frame = sys._getframe(1)
    file, code = str(frame.f_globals.get("__file__") or frame.f_globals.get("__name__")), frame.f_code
    for record in records:
        known = registered().of(record)
        kind = type(record).__name__.removesuffix("Kind").lower()
        if not isinstance(record.name, str) or not _NAME.fullmatch(record.name):
            raise ValueError(
                f"{record.name!r} cannot be the name of a {kind}: leave out blanks, ':', '+', '@' and '/'"
            )
        before, its_code = _registered_by.get((kind, record.name), ("", None))
        if record.name in known and (before != file or its_code is code):
            raise ValueError(f"there is a {kind} {record.name!r} already; choose another name")
        check_record(record, f"the {kind} {record.name!r}")
        known[record.name] = record
        _registered_by[kind, record.name] = file, code
