"""A study's config as JSON and back, so that whoever sees its folder can say what it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from study.config import Phase, StudyConfig
from study.learners import read_spec, spec_of


def as_json(config: StudyConfig) -> dict[str, Any]:
    """Returns a config as plain values; learners' configs stand under their kinds' names."""
    value: dict[str, Any] = _plain(config)
    if config.folds:  # these follow from them
        for name in ("pool", "validation", "held_out", "train_sizes"):
            del value[name]
    return value


def from_json(value: Mapping[str, Any]) -> StudyConfig:
    """Returns the config that `as_json` gave, by the records that are registered here.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: It is none, or a record that it needs is not here.
    """
    config: StudyConfig = _typed(StudyConfig, value)
    return config


def _plain(value: Any) -> Any:
    if isinstance(value, Phase):
        learner = None if value.learner is None else spec_of(value.learner)
        return {**{f.name: getattr(value, f.name) for f in fields(value)}, "learner": learner}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _typed(hint: Any, value: Any) -> Any:
    """Returns a value of JSON as a field's type has it; lists are tuples wherever the type says no more."""
    if value is None:
        return None
    if hint is Phase:
        return Phase(**{**value, "learner": value["learner"] and read_spec(value)[1]})
    if is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        return hint(**{name: _typed(hints[name], item) for name, item in value.items()})
    arguments = get_args(hint)
    if get_origin(hint) is Mapping:
        key, item = arguments
        return {(int(k) if key is int else k): _typed(item, v) for k, v in value.items()}
    if get_origin(hint) is tuple and isinstance(value, list) and arguments[1:] == (...,):
        return tuple(_typed(arguments[0], item) for item in value)
    if is_dataclass(arguments[0] if arguments else None):  # or None
        return _typed(arguments[0], value)
    if isinstance(value, Mapping):
        return {name: _typed(Any, item) for name, item in value.items()}
    return tuple(_typed(Any, item) for item in value) if isinstance(value, list) else value
