"""What the numbers of a config may be, with a message that has the value and the mend."""

import math
from collections.abc import Iterable
from dataclasses import fields
from numbers import Integral, Real
from typing import Any


def is_count(value: Any, at_least: int = 1) -> bool:
    """Whether it is a whole number (1.5, 2.0, nan and True are none) that is large enough."""
    return type(value) is not bool and isinstance(value, Integral) and int(value) >= at_least


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return type(value) is not bool and isinstance(value, Real) and math.isfinite(value)


def check_counts(config: Any, names: Iterable[str], at_least: int = 1) -> None:
    """Raises ValueError unless these fields are whole numbers of at least so much."""
    for name in names:
        if not is_count(getattr(config, name), at_least):
            raise ValueError(f"{name}={getattr(config, name)!r}: give a whole number of at least {at_least}")


def check_num_tasks(num_tasks: Any) -> None:
    """Raises ValueError unless it is a whole number of at least 1."""
    if not is_count(num_tasks):
        raise ValueError(
            f"num_tasks={num_tasks!r}: give a whole number of at least 1, a replay for each task"
        )


def check_optional_count(config: Any, name: str, none_means: str) -> None:
    """Raises ValueError unless this field is a whole number of at least 1, or None."""
    value = getattr(config, name)
    if value is not None and not is_count(value):
        raise ValueError(f"{name}={value!r}: give a whole number of at least 1, or None for {none_means}")


def check_above_zero(config: Any, names: Iterable[str]) -> None:
    """Raises ValueError unless these fields are finite numbers above 0."""
    for name in names:
        value = getattr(config, name)
        if not (is_number(value) and value > 0):
            raise ValueError(f"{name}={value!r}: give a finite number above 0")


def check_optional_above_zero(config: Any, name: str, none_means: str) -> None:
    """Raises ValueError unless this field is a finite number above 0, or None."""
    value = getattr(config, name)
    if value is not None and not (is_number(value) and value > 0):
        raise ValueError(f"{name}={value!r}: give a finite number above 0, or None for {none_means}")


def check_not_negative(config: Any, names: Iterable[str]) -> None:
    """Raises ValueError unless these fields are finite numbers of 0 or more."""
    for name in names:
        value = getattr(config, name)
        if not (is_number(value) and value >= 0):
            raise ValueError(f"{name}={value!r}: give a finite number, 0 or more")


def check_fractions(config: Any, names: Iterable[str]) -> None:
    """Raises ValueError unless these fields are numbers from 0 to 1."""
    for name in names:
        value = getattr(config, name)
        if not (is_number(value) and 0 <= value <= 1):
            raise ValueError(f"{name}={value!r}: give a number from 0 to 1")


def check_flags(config: Any) -> None:
    """Raises ValueError unless all fields whose default is True or False are one of them: "no" is neither."""
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(field.default, bool) and not isinstance(value, bool):
            raise ValueError(f"{field.name}={value!r}: give True or False")


def check_widths(config: Any, name: str) -> None:
    """Raises ValueError unless this field holds at least one width, each a whole number of at least 1."""
    widths = getattr(config, name)
    if not isinstance(widths, tuple | list) or not widths or not all(is_count(width) for width in widths):
        raise ValueError(f"{name}={widths!r}: give at least one width, each a whole number of at least 1")
