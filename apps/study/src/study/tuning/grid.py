"""A grid of settings, each point of which is a row of the study: what "however tuned" is asked of.

Axes are named by the part of a method's settings and the field, as in "adapt.learning_rate". What is varied
while adapting is of methods that take gradients on the test task; the others have only their pretraining to
tune. "retain.coef" is of those that keep something with such a setting, each beside its own defaults.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any

from study.config import Settings, StudyConfig
from study.errors import StudyError, unknown
from study.learners import kind_of
from study.methods import Method
from study.retentions import learner_of, numbers_of_all, settings_for

ADAPT, RETAIN = "adapt", "retain"
WHILE_ADAPTING = (f"{ADAPT}.", f"{RETAIN}.")
WORDS = {"learning_rate": "rate", "entropy_coef": "entropy", "kl_weight": "KL"}


@dataclass(frozen=True, kw_only=True)
class Point:
    """A combination of settings.

    Attributes:
        values: By axis.
        name: What a row's name says of it; empty where the grid has one point.
        of_pretraining: The part of the name that the pretraining has too.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    name: str = ""
    of_pretraining: str = ""


def axes_of(config: StudyConfig, method: Method) -> dict[str, tuple[float, ...]]:
    """Returns the axes of a study's grid that are a method's."""
    learns = method.way.does == "learns"
    taken = {
        axis: values for axis, values in config.grid.items() if axis.startswith(WHILE_ADAPTING) == learns
    }
    if method.way.zero_shot:  # as it was pretrained
        return {}
    paradigm = method.kind.made_by(kind_of(config.pretrain.learner))
    known = {f"config.{one.name}" for one in fields(paradigm.Config)} if paradigm.Config else set[str]()
    known |= {f"{RETAIN}.{name}" for name in numbers_of_all(method.retained)}
    own = ("config.", f"{RETAIN}.")
    return {
        axis: v
        for axis, v in taken.items()
        if (not axis.startswith(own) or axis in known) and not _settled(config, method, axis, v)
    }


def _settled(config: StudyConfig, method: Method, axis: str, values: Sequence[float]) -> bool:
    """Whether what a method is kept beside sets an axis of its learner itself, as entropy-off the entropy."""
    part, _, name = axis.partition(".")
    if part != ADAPT or not method.retained:
        return False
    learner = config.phase(ADAPT, method.pretraining).learner
    kept = settings_for(learner, config.retain)
    all_of_them = [learner_of(replace(learner, **{name: value}), method.retained, kept) for value in values]
    return len(values) > 1 and all(one == all_of_them[0] for one in all_of_them)


def points_of(config: StudyConfig, method: Method) -> list[Point]:
    """Returns the points of a study's grid for a method, one without values where it has none.

    Axes come by name, so that a point has one name wherever the grid is written down.

    Raises:
        ValueError: The chosen point is none of the grid.
    """
    axes = dict(sorted(axes_of(config, method).items()))
    varied = [axis for axis, values in axes.items() if len(values) > 1]
    found = []
    for values in product(*axes.values()):
        point = dict(zip(axes, values, strict=True))
        names = {axis: f"{_word(axis)} {point[axis]:g}" for axis in varied}
        before = " ".join(name for axis, name in names.items() if not axis.startswith(WHILE_ADAPTING))
        found.append(Point(values=point, name=" ".join(names.values()), of_pretraining=before))
    if not config.only_chosen or config.on_validation:
        return found
    chosen = config.chosen.get(method.name)
    if not axes or chosen is None:  # settled by its pretraining's settings, or not tuned yet
        return [Point()]
    mine = [point for point in found if point.name == chosen]
    if not mine:
        raise ValueError(
            f"{method.name} was tuned to {chosen!r}, which the grid does not have; run `study tune` again"
        )
    return [Point(values=mine[0].values)]


def at_point(config: StudyConfig, method: Method, point: Point) -> StudyConfig:
    """Returns the study in which a method has the settings of a point."""
    if not point.values:
        return config
    own = config.settings.get(method.pretraining, Settings())
    parts: dict[str, Any] = {}
    retain = {**config.retain}
    for axis, value in point.values.items():
        part, _, name = axis.partition(".")
        if part == RETAIN:
            for kept in method.retained:
                if name in numbers_of_all((kept,)):
                    retain[kept] = {**retain.get(kept, {}), name: value}
        else:
            parts.setdefault(part, dict(getattr(own, part)))[name] = value
    settings = {**config.settings, method.pretraining: replace(own, **parts)} if parts else config.settings
    return replace(config, settings=settings, retain=retain)


def read_grid(config: StudyConfig, words: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Returns the grid that words such as "adapt.learning_rate=1e-3,5e-3" ask for, values in rising order.

    Raises:
        StudyError: Nothing learns in the study; an axis that no method of it has; or values that are no two
            different numbers.
    """
    if not config.methods:
        raise StudyError(f"nothing learns in preset {config.preset} of {config.benchmark}: leave --grid out")
    known = numbers_of(config)
    grid: dict[str, tuple[float, ...]] = {}
    for word in words:
        axis, _, given = word.partition("=")
        if axis not in known:
            raise unknown("axis of a grid", axis, known)
        settings, name = known[axis], axis.partition(".")[2]
        number = type(getattr(settings, name))
        try:
            values = sorted({number(value) for value in given.split(",")})
        except ValueError:
            values = []
        if len(values) < 2 or not all(map(math.isfinite, values)):
            what = "whole numbers" if number is int else "numbers"
            raise StudyError(f"--grid {word}: give two different {what} or more, as in {axis}=1,2")
        try:
            for value in values:
                replace(settings, **{name: value})
        except ValueError as error:
            raise StudyError(f"--grid {word}: {error}") from None
        if axis in grid:
            raise StudyError(f"--grid {axis} came twice; give its values once, with commas between them")
        grid[axis] = tuple(values)
    return grid


def numbers_of(config: StudyConfig) -> dict[str, Any]:
    """Returns the numbers that a grid may vary, each with the settings that it is one of."""
    methods = map(Method.parse, config.methods)
    paradigms = [method.kind.made_by(kind_of(config.pretrain.learner)) for method in methods]
    parts = [(ADAPT, config.adapt.learner), ("pretrain", config.pretrain.learner)]
    parts += [("config", paradigm.Config()) for paradigm in paradigms if paradigm.Config]
    known = {
        f"{part}.{one.name}": settings
        for part, settings in parts
        for one in fields(settings)
        if type(getattr(settings, one.name)) in (int, float)
    }
    kept = numbers_of_all([name for method in config.methods for name in Method.parse(method).retained])
    return {**known, **{f"{RETAIN}.{name}": settings for name, settings in kept.items()}}


def _word(axis: str) -> str:
    part, _, name = axis.partition(".")
    word = WORDS.get(name, name)
    return word if part in (ADAPT, RETAIN, "config") else f"meta-{word}"
