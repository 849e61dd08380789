"""Numbers and small pieces of HTML, written the same way everywhere."""

from __future__ import annotations

import html
from collections.abc import Callable

from fvm_eval.statistics.intervals import Interval


def escape(value: object) -> str:
    """Returns text that is safe in HTML and in attributes."""
    return html.escape(str(value), quote=True)


def number(value: float, *, signed: bool = False) -> str:
    """Returns three significant digits, with a true minus sign."""
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    text = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    return (text.lstrip("+-") if float(text.replace(",", "")) == 0 else text).replace("-", "−")


def p_value(p: float | None) -> str:
    """Returns three decimals, "<0.001" below them, a dash where there is none."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def limits(interval: Interval, shown: Callable[[float], float], *, signed: bool = False) -> str:
    """Returns "[low, high]", or why there is none."""
    if interval.low is None or interval.high is None:
        return "no interval"
    ends = (number(shown(end), signed=signed) for end in (interval.low, interval.high))
    return f"[{', '.join(ends)}]"


def capital(text: str) -> str:
    """Returns the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def plural(count: int, noun: str) -> str:
    """Returns "1 seed", "2 seeds"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
