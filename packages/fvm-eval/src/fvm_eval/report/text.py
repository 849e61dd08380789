"""Numbers and small pieces of HTML, written the same way everywhere."""

from __future__ import annotations

import html
from collections.abc import Callable, Collection
from math import floor, isnan, log10

from fvm_eval.naming import plural
from fvm_eval.statistics.intervals import Interval

_ROUNDING, _SMALL, _LARGE = 1e-12, 1e-4, 1e9


def escape(value: object) -> str:
    """Returns text that is safe in HTML and in attributes."""
    return html.escape(str(value), quote=True)


def number(value: float, *, signed: bool = False, like: float = 0.0) -> str:
    """Returns two decimals or three significant digits, whichever says more, with a true minus sign.

    From 100 on there are fewer decimals; beyond 10^9 and below 10^-4 the power of ten is written. A signed
    number that would be written as 0 beside a larger one has as many decimals as show its sign. What is not
    estimable (NaN) is a dash.

    Args:
        value: What is written.
        signed: Whether a plus sign is.
        like: Size of a number beside it, whose decimals it takes if that is larger.
    """
    if isnan(value):
        return "–"
    size = abs(value)
    sign = "+" if signed else ""
    if size < _ROUNDING:
        return "0.00"
    size = max(size, like)
    if not _SMALL <= size < _LARGE:
        mantissa, exponent = f"{value:{sign}.2e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2
    if size < 0.1:
        digits = 2 - floor(log10(size))
    text = f"{value:{sign},.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")
        if signed and abs(value) >= _SMALL:  # on which side of 0 a difference lies is what is asked
            text = f"{value:+.{-floor(log10(abs(value)))}f}"
    while digits > 2 and text.endswith("0"):
        text, digits = text[:-1], digits - 1
    return text.replace("-", "−")


def p_value(p: float | None) -> str:
    """Returns three decimals, "<0.001" below them, a dash where there is none."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def level(alpha: float) -> str:
    """Returns the coverage of an interval that decides at alpha, as in "95 %", or "97 %" of a later look."""
    return f"{100 * (1 - alpha):.3g} %"


def limits(interval: Interval, shown: Callable[[float], float], *, signed: bool = False) -> str:
    """Returns "[low, high]", or why there is none."""
    if interval.low is None or interval.high is None:
        return "no interval"
    like = largest(interval, shown)
    ends = (number(shown(end), signed=signed, like=like) for end in (interval.low, interval.high))
    return f"[{', '.join(ends)}]"


def largest(interval: Interval, shown: Callable[[float], float]) -> float:
    """Returns the size of the largest number of an interval, whose decimals all of them take."""
    ends = (interval.mean, interval.low, interval.high)
    return max(abs(shown(end)) for end in ends if end is not None)


def estimated(interval: Interval, shown: Callable[[float], float], *, signed: bool = False) -> str:
    """Returns the estimate, with the decimals of its interval."""
    return number(shown(interval.mean), signed=signed, like=largest(interval, shown))


def capital(text: str) -> str:
    """Returns the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def tasks_text(count: int, noun: str = "task") -> str:
    """Returns "the task" of one, else their number and that all weigh the same."""
    return f"the {noun}" if count == 1 else f"{plural(count, noun)}, each with equal weight"


def these(count: int) -> str:
    """Returns "these tasks", or "this task" of one."""
    return "this task" if count == 1 else "these tasks"


def distinct(notes: Collection[str]) -> list[str]:
    """Returns the notes in alphabetical order, without those that another one says and adds to."""
    return [note for note in sorted(notes) if not any(note != other and note in other for other in notes)]
