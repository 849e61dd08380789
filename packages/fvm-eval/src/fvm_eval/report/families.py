"""Families of methods: the training-set sizes and conditions of one method, and how they are told apart."""

from __future__ import annotations

import re

from fvm_eval.analysis.study_results import StudyResults
from fvm_eval.naming import plural


def family_label(study: StudyResults, method: str) -> str:
    """Returns the name of a method without its training-set size, for where that is written beside it."""
    family, size = study.family(method), study.train_sizes.get(method)
    if family != method and family in study.labels:
        return study.labels[family]
    if size is None:
        return study.label(method)
    return re.sub(rf"\s*\((?:{size}|{size:,})\b[^()]*\)$", "", study.label(method))


def sizes(study: StudyResults) -> list[int | None]:
    """Returns the training-set sizes of the table, one None if none was given."""
    found = sorted({study.train_sizes[method] for method in study.methods if method in study.train_sizes})
    return [*found] or [None]


def groups(study: StudyResults) -> list[tuple[str, list[str]]]:
    """Returns the panels that methods are drawn in, with their titles: by condition, else by size."""
    if study.conditions:
        named = dict.fromkeys(study.conditions.get(method, "") for method in study.methods)
        return [(name, [m for m in study.methods if study.conditions.get(m, "") == name]) for name in named]
    return [
        ("" if size is None else plural(size, "training task"), methods_of(study, size))
        for size in sizes(study)
    ]


def methods_of(study: StudyResults, size: int | None) -> list[str]:
    """Returns the methods of one training-set size, and those that belong to every size."""
    return [m for m in study.methods if size is None or study.train_sizes.get(m, size) == size]
