"""Numbers and times as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Returns a time for people: 45 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(number: float) -> str:
    """Returns a number for people: 950, 12k, 1.5M, 1.7G."""
    for unit in ("", "k", "M"):
        if number < 999.5:  # what rounds to 1000 is 1 of the next unit
            return f"{number:.3g}{unit}" if unit else f"{number:.0f}"
        number /= 1000
    return f"{number:.3g}G"


def plural(number: int, word: str) -> str:
    """Returns a count with its word: "1 worker", "2 workers"."""
    return f"{number:,} {word}" + "s" * (number != 1)
